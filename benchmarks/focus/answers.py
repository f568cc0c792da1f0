"""What a contender says of the test frames, and the numbers that this comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.data import Dataset, read_cells
from parfocal.evaluation.metrics import Block, bin_edges_um, focus_metrics, metrics_by_band
from parfocal.model import FocusEstimator
from parfocal.zstack import ZStack

REACH_UM = 15.0
"""Test frames lie within this distance of focus."""
REACHES_UM = (15.0, 10.0, 3.0)
THIRDS = ("fewest cells", "some cells", "most cells")


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers for test frames, each of shape (N,), in um.

    The ends of the 90 % intervals and `accepted` are None for a contender that does not tell them.
    """

    stack: NDArray[np.str_]
    actual_um: NDArray[np.float64]
    inferred_um: NDArray[np.float64]
    low_um: NDArray[np.float64] | None = None
    high_um: NDArray[np.float64] | None = None
    accepted: NDArray[np.bool_] | None = None


def test_stacks(dataset: Dataset) -> Iterator[tuple[str, ZStack, NDArray[np.float64]]]:
    """Each test stack, cut to the planes in reach, and their true defocus in um."""
    for stack_id in dataset.ids_in("test"):
        stack = dataset.read(stack_id)
        defocus_um = stack.defocus_um(dataset.focus_z_um(stack_id))
        near = np.abs(defocus_um) <= REACH_UM
        cut = ZStack(stack.frames_zyx[near], stack.z_um[near], stack.pixel_size_um)
        yield stack_id, cut, defocus_um[near]


def ask(estimator: FocusEstimator, dataset: Dataset) -> Answers:
    """The answers of an estimator, frame by frame, as a user gets them."""
    rows = [
        (stack_id, actual_um, estimator.estimate(frame_yx, pixel_size_um=stack.pixel_size_um))
        for stack_id, stack, defocus_um in test_stacks(dataset)
        for frame_yx, actual_um in zip(stack.frames_zyx, defocus_um, strict=True)
    ]
    low_um, high_um = np.array([estimate.interval90_um for _, _, estimate in rows], np.float64).T
    return Answers(
        stack=np.array([stack_id for stack_id, _, _ in rows]),
        actual_um=np.array([actual_um for _, actual_um, _ in rows]),
        inferred_um=np.array([estimate.defocus_um for _, _, estimate in rows], np.float64),
        low_um=low_um,
        high_um=high_um,
        accepted=np.array([estimate.accepted for _, _, estimate in rows]),
    )


def numbers_of(answers: Answers, dataset: Dataset, *, cells: Mapping[str, int]) -> Block:
    """All numbers of a row of the leaderboard.

    Parameters
    ----------
    answers : Answers
    dataset : Dataset
        That the test frames come from.
    cells : mapping
        Number of cells in each test stack.
    """
    dof_um = dataset.settings.dof_um
    experiments = {row.stack: row.experiment for row in dataset.split()}
    distance = np.abs(answers.actual_um)
    return {
        **{f"within_{r:g}": _block(answers, distance <= r, dof_um=dof_um) for r in REACHES_UM},
        "by_band": {name: _short(block) for name, block in _bands(answers, dof_um=dof_um).items()},
        "by_experiment": _grouped(answers, experiments, dof_um=dof_um),
        "by_density": _grouped(answers, thirds(cells), dof_um=dof_um),
        "accepted": _accepted(answers),
    }


def cells_in_stacks(days: Path) -> dict[str, int]:
    """Number of cells in each stack of the simulated days."""
    return {stack: len(cells) for stack, cells in read_cells(days).items()}


def thirds(cells: Mapping[str, int]) -> dict[str, str]:
    """The third, by number of cells, that each stack belongs to."""
    counts = np.array(list(cells.values()))
    edges = np.quantile(counts, (1 / 3, 2 / 3))
    return {stack: THIRDS[int(np.searchsorted(edges, count))] for stack, count in cells.items()}


def _keywords(answers: Answers, *, dof_um: float | None) -> dict[str, Any]:
    return {
        "stack_index": answers.stack,
        "bin_edges_um": bin_edges_um(-REACH_UM, REACH_UM),
        "dof_um": dof_um,
        "interval_low_um": answers.low_um,
        "interval_high_um": answers.high_um,
        "accepted": answers.accepted,
    }


def _bands(answers: Answers, *, dof_um: float | None) -> dict[str, Block]:
    return metrics_by_band(answers.actual_um, answers.inferred_um, **_keywords(answers, dof_um=dof_um))


def _block(answers: Answers, chosen: NDArray[np.bool_], *, dof_um: float | None) -> Block:
    values = {name: None if v is None else v[chosen] for name, v in vars(answers).items()}
    part = Answers(**values)
    return _short(focus_metrics(part.actual_um, part.inferred_um, **_keywords(part, dof_um=dof_um)))


def _short(block: Block) -> Block:
    return {name: value for name, value in block.items() if name not in ("confusion", "mae_by_z")}


def _grouped(answers: Answers, group_of: Mapping[str, str], *, dof_um: float | None) -> dict[str, Block]:
    groups = np.array([group_of[stack] for stack in answers.stack])
    return {str(name): _block(answers, groups == name, dof_um=dof_um) for name in np.unique(groups)}


def _accepted(answers: Answers) -> Block | None:
    if answers.accepted is None:
        return None
    error_um = np.abs(answers.inferred_um - answers.actual_um)[answers.accepted]
    return {
        "rate": float(answers.accepted.mean()),
        "mae_um": float(error_um.mean()) if error_um.size else None,
        "above_1um": float((error_um > 1).mean()) if error_um.size else None,
    }
