"""Evaluate an estimator on the held-out stacks of a dataset: numbers first, then figures and a report.

Everything is drawn from ``metrics.json`` and ``per_frame.csv``, so that it can be drawn again without the
model and without the images.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.data.dataset import Dataset
from parfocal.data.whole_file import write_whole_text
from parfocal.errors import DatasetError, OutputError
from parfocal.estimate import Estimator
from parfocal.evaluation.baselines import ScoredStack, infer_baselines, score_stack
from parfocal.evaluation.metrics import Block, bin_edges_um, focus_metrics, metrics_by_band, wrong_sign_rate
from parfocal.evaluation.report import FRAMES_FILE, METRICS_FILE, write_report
from parfocal.zstack import ZStack

MOST_BASELINE_STACKS = 100  # an averaged profile is settled long before; scoring more only costs time
_ROUNDING_UM = 1e-6  # stage positions are sums of steps: the last plane may lie a hair outside the range


@dataclass(frozen=True)
class FrameResult:
    """What the estimator said of one frame: a row of ``per_frame.csv``."""

    stack: str
    plane: int
    actual_um: float
    inferred_um: float
    std_um: float
    low_um: float
    high_um: float
    in_distribution: float
    accepted: bool


def evaluate(
    estimator: Estimator,
    dataset: Dataset,
    *,
    out: Path,
    part: str = "test",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Accuracy of an estimator on every frame of one part of a dataset, beside classical baselines.

    Parameters
    ----------
    estimator : Estimator
        What to evaluate.
    dataset : Dataset
        An annotated dataset with a split. The baselines learn from its ``train`` part.
    out : path
        Folder for ``metrics.json``, ``per_frame.csv``, ``report.html`` and the figures; made if missing.
    part : str
        Part of the split: ``train``, ``validation`` or ``test``.
    progress : callable, optional
        Told the number of stacks done and to do, after each.

    Returns
    -------
    dict
        The content of ``metrics.json``: the block of `focus_metrics` over the frames that the estimator
        answered with a number, and the same ``by_band`` and for each of ``baselines``; ``accepted``, the
        accuracy over the frames that it stands by; what ``model`` and ``dataset`` were; and
        ``n_outside_range``, frames that lie outside the estimator's range and are left out.

    Raises
    ------
    DatasetError
        If the part is empty, a stack is not annotated, or no frame lies within the estimator's range.
    ModelError
        If the model was not made for these images.
    OutputError
        If `out` cannot be written.
    """
    if part == "reject":
        raise DatasetError("Expected part train, validation or test: what must not be answered has no error.")
    ids, training_ids = dataset.ids_in(part), _baseline_ids(dataset)
    _make_folder(out)  # first: a folder that cannot be made should not cost an evaluation
    count = _counter(progress, total=len(ids) + len(training_ids))
    results: list[FrameResult] = []
    test: list[ScoredStack] = []
    for stack_id in ids:
        stack, focus_z_um = dataset.read(stack_id), dataset.focus_z_um(stack_id)
        results += _frame_results(estimator, stack, stack_id=stack_id, focus_z_um=focus_z_um)
        test.append(score_stack(stack, focus_z_um=focus_z_um))
        count()
    if not results:
        raise DatasetError(_nothing_in_range(dataset, part, test, estimator.z_range_um))
    training = []
    for stack_id in training_ids:
        training.append(score_stack(dataset.read(stack_id), focus_z_um=dataset.focus_z_um(stack_id)))
        count()

    inferred = infer_baselines(training, test, z_range_um=estimator.z_range_um)
    baselines = {name: _in_range(z_um, test, estimator.z_range_um) for name, z_um in inferred.items()}
    metrics = _metrics(estimator, dataset, part, results, baselines)
    metrics["n_outside_range"] = sum(len(stack.defocus_um) for stack in test) - len(results)
    metrics["n_baseline_stacks"] = len(training)
    _write(out, metrics, results)
    return metrics


def json_text(values: Any) -> str:
    """JSON text of plain values, with each list of numbers on one line.

    Raises
    ------
    ValueError
        If a value is not a number, infinite, or not of a JSON type.

    Examples
    --------
    >>> print(json_text({"n": 2, "values": [0.5, None]}), end="")
    {
      "n": 2,
      "values": [0.5, null]
    }
    """
    text = json.dumps(values, indent=2, allow_nan=False)
    # the innermost lists only; a line break never stands inside a JSON string
    return re.sub(r"\[[^\[\]{}]*\]", _on_one_line, text) + "\n"


def _on_one_line(found: re.Match[str]) -> str:
    return re.sub(r",\n\s*", ", ", re.sub(r"\[\n\s*|\n\s*\]", lambda end: end[0].strip(), found[0]))


def _frame_results(
    estimator: Estimator, stack: ZStack, *, stack_id: str, focus_z_um: float
) -> list[FrameResult]:
    results = []
    defocus_um = stack.defocus_um(focus_z_um)
    for plane in np.flatnonzero(_within(defocus_um, estimator.z_range_um)):
        estimate = estimator.estimate(stack.frames_zyx[plane], pixel_size_um=stack.pixel_size_um)
        results.append(
            FrameResult(
                stack=stack_id,
                plane=int(plane),
                actual_um=float(defocus_um[plane]),
                inferred_um=float(estimate.defocus_um),
                std_um=float(estimate.std_um),
                low_um=float(estimate.interval90_um[0]),
                high_um=float(estimate.interval90_um[1]),
                in_distribution=float(estimate.in_distribution),
                accepted=bool(estimate.accepted),
            )
        )
    return results


def _within(defocus_um: NDArray[np.float64], z_range_um: tuple[float, float]) -> NDArray[np.bool_]:
    return (defocus_um >= z_range_um[0] - _ROUNDING_UM) & (defocus_um <= z_range_um[1] + _ROUNDING_UM)


def _in_range(
    inferred_um: Sequence[NDArray[np.float64]],
    stacks: Sequence[ScoredStack],
    z_range_um: tuple[float, float],
) -> NDArray[np.float64]:
    """What was inferred for the same frames, in the same order, as the model was asked."""
    pairs = zip(inferred_um, stacks, strict=True)
    return np.concatenate([z_um[_within(stack.defocus_um, z_range_um)] for z_um, stack in pairs])


def _nothing_in_range(
    dataset: Dataset, part: str, stacks: Sequence[ScoredStack], z_range_um: tuple[float, float]
) -> str:
    z_um = np.concatenate([stack.defocus_um for stack in stacks])
    return (
        f"{dataset.folder}: expected frames between {z_range_um[0]:g} and {z_range_um[1]:g} um from focus, "
        f"the model's range; the part '{part}' holds frames from {z_um.min():g} to {z_um.max():g} um. "
        "Check the annotations, or train a model for this range."
    )


def _counter(progress: Callable[[int, int], None] | None, *, total: int) -> Callable[[], None]:
    done = itertools.count(1)

    def count() -> None:
        if progress is not None:
            progress(next(done), total)

    return count


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: the folder cannot be made ({error.strerror}). Choose another.") from error


def _write(out: Path, metrics: dict[str, Any], results: Sequence[FrameResult]) -> None:
    text = json_text(metrics)
    write_whole_text(out / FRAMES_FILE, _csv_text(results))
    write_whole_text(out / METRICS_FILE, text)
    write_report(out)


def _metrics(
    estimator: Estimator,
    dataset: Dataset,
    part: str,
    results: Sequence[FrameResult],
    baselines: Mapping[str, NDArray[np.float64]],
) -> dict[str, Any]:
    shared: dict[str, Any] = {
        "stack_index": _column(results, "stack"),
        "dof_um": dataset.settings.dof_um,
        "bin_edges_um": bin_edges_um(*estimator.z_range_um),
    }
    of_model: dict[str, Any] = {
        "interval_low_um": _column(results, "low_um"),
        "interval_high_um": _column(results, "high_um"),
        "accepted": _column(results, "accepted"),
    }
    actual_um, inferred_um = _column(results, "actual_um"), _column(results, "inferred_um")
    return {
        "part": part,
        "model": {"fingerprint": estimator.fingerprint, "z_range_um": list(estimator.z_range_um)},
        "dataset": _described(dataset),
        "frames": FRAMES_FILE,
        **focus_metrics(actual_um, inferred_um, **shared, **of_model),
        "by_band": metrics_by_band(actual_um, inferred_um, **shared, **of_model),
        "accepted": _accepted_block(results, dof_um=dataset.settings.dof_um),
        "baselines": {name: focus_metrics(actual_um, z_um, **shared) for name, z_um in baselines.items()},
    }


def _column(results: Sequence[FrameResult], name: str) -> NDArray[Any]:
    return np.array([getattr(result, name) for result in results])


def _accepted_block(results: Sequence[FrameResult], *, dof_um: float | None) -> Block:
    actual_um, inferred_um = _column(results, "actual_um"), _column(results, "inferred_um")
    kept = _column(results, "accepted") & np.isfinite(inferred_um)
    error_um = np.abs(inferred_um - actual_um)[kept]
    return {
        "rate": error_um.size / len(results),
        "mae_um": float(error_um.mean()) if error_um.size else None,
        "within_1um": float((error_um <= 1.0).mean()) if error_um.size else None,
        "wrong_sign_rate": wrong_sign_rate(actual_um[kept], inferred_um[kept], dof_um=dof_um),
    }


def _described(dataset: Dataset) -> dict[str, Any]:
    settings = dataset.settings.model_dump(mode="json")
    kept = ("name", "modality", "objective", "pixel_size_um", "wavelength_um", "z_step_um", "experiments")
    return {"fingerprint": dataset.fingerprint(), **{key: settings[key] for key in kept}}


def _baseline_ids(dataset: Dataset) -> tuple[str, ...]:
    """Ids of the annotated training stacks that the baselines learn from, spread evenly over the part."""
    annotated = {row.stack for row in dataset.annotations()}
    ids = [row.stack for row in dataset.split() if row.part == "train" and row.stack in annotated]
    every = -(-len(ids) // MOST_BASELINE_STACKS) or 1
    return tuple(ids[::every])


def _csv_text(results: Sequence[FrameResult]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(FrameResult)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(result) for result in results)
    return text.getvalue()
