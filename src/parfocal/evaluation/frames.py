"""What an estimator said of each frame: the rows of ``per_frame.csv``, from which figures are drawn."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.errors import DatasetError
from parfocal.estimate import Estimator, FocusEstimate
from parfocal.evaluation.reliability import probability_below
from parfocal.zstack import ZStack

FRAMES_FILE = "per_frame.csv"
_ROUNDING_UM = 1e-6  # stage positions are sums of steps: the last plane may lie a hair outside the range


@dataclass(frozen=True, eq=False)
class Answer:
    """An estimator's answer to one plane of a stack, beside the truth in um."""

    plane: int
    actual_um: float
    estimate: FocusEstimate

    @property
    def error_um(self) -> float:
        """Distance from the truth, in um; NaN without an answer."""
        return abs(float(self.estimate.defocus_um) - self.actual_um)


@dataclass(frozen=True)
class FrameResult:
    """A row of ``per_frame.csv``.

    Attributes
    ----------
    stack : str
    plane : int
    actual_um, inferred_um, std_um, low_um, high_um : float
        The truth, and the answer with its standard deviation and 90 % interval; NaN without one.
    in_distribution : float
    accepted : bool
        As in `FocusEstimate`.
    pit : float
        Probability, by the estimate's distribution over bins, that the defocus is below the truth: uniform
        between 0 and 1 over many frames where the distributions are honest. NaN without a distribution.
    experiment : str
        The stack's.
    n_cells : int or None
        Number of cells in the stack's field; None where unknown.
    """

    stack: str
    plane: int
    actual_um: float
    inferred_um: float
    std_um: float
    low_um: float
    high_um: float
    in_distribution: float
    accepted: bool
    pit: float
    experiment: str
    n_cells: int | None


def ask(estimator: Estimator, stack: ZStack, *, focus_z_um: float) -> tuple[Answer, ...]:
    """The estimator's answers to the planes of a stack that lie within its range, in their order.

    Raises
    ------
    ModelError
        If the model was not made for these images.
    """
    defocus_um = stack.defocus_um(focus_z_um)
    return tuple(
        Answer(
            int(plane),
            float(defocus_um[plane]),
            estimator.estimate(stack.frames_zyx[plane], pixel_size_um=stack.pixel_size_um),
        )
        for plane in np.flatnonzero(is_within(defocus_um, estimator.z_range_um))
    )


def is_within(defocus_um: NDArray[np.float64], z_range_um: tuple[float, float]) -> NDArray[np.bool_]:
    """Whether each defocus lies in a range, but for rounding; all in um."""
    return (defocus_um >= z_range_um[0] - _ROUNDING_UM) & (defocus_um <= z_range_um[1] + _ROUNDING_UM)


def frame_result(answer: Answer, *, stack: str, experiment: str, n_cells: int | None) -> FrameResult:
    """The row of one answer."""
    estimate = answer.estimate
    return FrameResult(
        stack=stack,
        plane=answer.plane,
        actual_um=answer.actual_um,
        inferred_um=float(estimate.defocus_um),
        std_um=float(estimate.std_um),
        low_um=float(estimate.interval90_um[0]),
        high_um=float(estimate.interval90_um[1]),
        in_distribution=float(estimate.in_distribution),
        accepted=bool(estimate.accepted),
        pit=probability_below(answer.actual_um, estimate.probabilities, estimate.bin_centres_um),
        experiment=experiment,
        n_cells=n_cells,
    )


def column(results: Sequence[FrameResult], name: str) -> NDArray[Any]:
    """One column of a table of frames, shape (N,)."""
    return np.array([getattr(result, name) for result in results])


def frames_text(results: Sequence[FrameResult]) -> str:
    """The table as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(FrameResult)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(result) for result in results)
    return text.getvalue()


def read_frames(folder: Path) -> tuple[FrameResult, ...]:
    """The table of frames in a folder that `evaluate` wrote.

    Raises
    ------
    DatasetError
        If there is none, or it cannot be read.
    """
    path = folder / FRAMES_FILE
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            if not table.fieldnames:
                raise ValueError("an empty file")
            return tuple(_row(row) for row in table)
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path}: expected the table of frames of an evaluation; got {error!r}. Evaluate again."
        ) from error


def _row(row: dict[str, str]) -> FrameResult:
    numbers = ("actual_um", "inferred_um", "std_um", "low_um", "high_um", "in_distribution", "pit")
    return FrameResult(
        stack=row["stack"],
        plane=int(row["plane"]),
        accepted=row["accepted"] == "True",
        experiment=row["experiment"],
        n_cells=int(row["n_cells"]) if row["n_cells"] else None,
        **{name: float(row[name]) for name in numbers},
    )
