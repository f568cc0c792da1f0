"""Evaluate an estimator on the held-out stacks of a dataset: numbers first, then figures and a report.

Everything is drawn from ``metrics.json``, ``per_frame.csv`` and the folder ``worst``, so that it can be drawn
again without the model and without the images.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.data.dataset import Dataset
from parfocal.data.whole_file import write_whole_text
from parfocal.errors import DatasetError, OutputError
from parfocal.estimate import Estimator
from parfocal.evaluation.baselines import ScoredStack, infer_baselines, score_stack
from parfocal.evaluation.frames import (
    FRAMES_FILE,
    FrameResult,
    ask,
    column,
    frame_result,
    frames_text,
    is_within,
)
from parfocal.evaluation.groups import metrics_by_density, metrics_by_label, stack_facts
from parfocal.evaluation.json_text import json_text
from parfocal.evaluation.metrics import Block, bin_edges_um, focus_metrics, metrics_by_band, wrong_sign_rate
from parfocal.evaluation.reliability import reliability
from parfocal.evaluation.report import METRICS_FILE, write_report
from parfocal.evaluation.worst import WorstImage, keep_worst, worst_of_stack, write_worst

MOST_BASELINE_STACKS = 100  # an averaged profile is settled long before; scoring more only costs time


def evaluate(
    estimator: Estimator,
    dataset: Dataset,
    *,
    out: Path,
    part: str = "test",
    name: str = "",
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
        Folder for ``metrics.json``, ``per_frame.csv``, ``worst``, ``report.html`` and the figures; made if
        missing.
    part : str
        Part of the split: ``train``, ``validation`` or ``test``.
    name : str
        What to call the model in the report.
    progress : callable, optional
        Told the number of stacks done and to do, after each.

    Returns
    -------
    dict
        The content of ``metrics.json``: the block of `focus_metrics` over the frames that the estimator
        answered with a number, and the same ``by_band``, ``by_experiment``, ``by_density`` (thirds of the
        stacks by their number of cells; empty where the dataset does not tell it) and for each of
        ``baselines``; ``reliability``, see there; ``accepted``, the accuracy over the frames that it stands
        by; what ``model`` and ``dataset`` were; and ``n_outside_range``, frames that lie outside the
        estimator's range and are left out.

    Raises
    ------
    DatasetError
        If the part is empty, a stack is not annotated, the table of cells cannot be read, or no frame lies
        within the estimator's range.
    ModelError
        If the model was not made for these images.
    OutputError
        If `out` cannot be written.
    """
    if part == "reject":
        raise DatasetError("Expected part train, validation or test: what must not be answered has no error.")
    ids, training_ids, facts = dataset.ids_in(part), _baseline_ids(dataset), stack_facts(dataset)
    _make_folder(out)  # first: a folder that cannot be made should not cost an evaluation
    count = _counter(progress, total=len(ids) + len(training_ids))
    results: list[FrameResult] = []
    worst: tuple[WorstImage, ...] = ()
    test: list[ScoredStack] = []
    for stack_id in ids:
        stack, focus_z_um = dataset.read(stack_id), dataset.focus_z_um(stack_id)
        answers = ask(estimator, stack, focus_z_um=focus_z_um)
        results += [frame_result(answer, stack=stack_id, **vars(facts[stack_id])) for answer in answers]
        worst = keep_worst((*worst, *worst_of_stack(answers, stack, name=stack_id)))
        test.append(score_stack(stack, focus_z_um=focus_z_um))
        count()
    if not results:
        raise DatasetError(_nothing_in_range(dataset, part, test, estimator.z_range_um))
    training = list(_scored(dataset, training_ids, count=count))

    inferred = infer_baselines(training, test, z_range_um=estimator.z_range_um)
    baselines = {method: _in_range(z_um, test, estimator.z_range_um) for method, z_um in inferred.items()}
    metrics = {
        "part": part,
        "model": {
            "name": name,
            "fingerprint": estimator.fingerprint,
            "z_range_um": list(estimator.z_range_um),
        },
        **_metrics(dataset, results, baselines, edges_um=bin_edges_um(*estimator.z_range_um)),
        "n_outside_range": sum(len(stack.defocus_um) for stack in test) - len(results),
        "n_baseline_stacks": len(training),
    }
    _write(out, metrics, results, worst)
    return metrics


def _scored(dataset: Dataset, ids: Iterable[str], *, count: Callable[[], None]) -> Iterable[ScoredStack]:
    for stack_id in ids:
        yield score_stack(dataset.read(stack_id), focus_z_um=dataset.focus_z_um(stack_id))
        count()


def _in_range(
    inferred_um: Sequence[NDArray[np.float64]],
    stacks: Sequence[ScoredStack],
    z_range_um: tuple[float, float],
) -> NDArray[np.float64]:
    """What was inferred for the same frames, in the same order, as the model was asked."""
    pairs = zip(inferred_um, stacks, strict=True)
    return np.concatenate([z_um[is_within(stack.defocus_um, z_range_um)] for z_um, stack in pairs])


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


def _write(
    out: Path, metrics: dict[str, Any], results: Sequence[FrameResult], worst: Sequence[WorstImage]
) -> None:
    text = json_text(metrics)
    write_whole_text(out / FRAMES_FILE, frames_text(results))
    write_worst(out, worst)
    write_whole_text(out / METRICS_FILE, text)
    write_report(out)


def _metrics(
    dataset: Dataset,
    results: Sequence[FrameResult],
    baselines: Mapping[str, NDArray[np.float64]],
    *,
    edges_um: NDArray[np.float64],
) -> dict[str, Any]:
    stacks, dof_um = column(results, "stack"), dataset.settings.dof_um
    actual_um, inferred_um = column(results, "actual_um"), column(results, "inferred_um")
    shared: dict[str, Any] = {"stack_index": stacks, "dof_um": dof_um, "bin_edges_um": edges_um}
    of_model: dict[str, Any] = {
        **shared,
        "interval_low_um": column(results, "low_um"),
        "interval_high_um": column(results, "high_um"),
        "accepted": column(results, "accepted"),
    }
    experiments, n_cells = column(results, "experiment"), column(results, "n_cells")
    return {
        "dataset": _described(dataset),
        "frames": FRAMES_FILE,
        **focus_metrics(actual_um, inferred_um, **of_model),
        "by_band": metrics_by_band(actual_um, inferred_um, **of_model),
        "by_experiment": metrics_by_label(experiments.tolist(), actual_um, inferred_um, **of_model),
        "by_density": metrics_by_density(
            stacks.tolist(), n_cells.tolist(), actual_um, inferred_um, **of_model
        ),
        "reliability": _reliability(results),
        "accepted": _accepted_block(results, dof_um=dof_um),
        "baselines": {name: focus_metrics(actual_um, z_um, **shared) for name, z_um in baselines.items()},
    }


def _reliability(results: Sequence[FrameResult]) -> dict[str, Any]:
    names = ("actual_um", "inferred_um", "std_um", "low_um", "high_um", "pit", "accepted")
    columns: dict[str, Any] = {name: column(results, name) for name in names}
    return reliability(stacks=column(results, "stack"), **columns)


def _accepted_block(results: Sequence[FrameResult], *, dof_um: float | None) -> Block:
    actual_um, inferred_um = column(results, "actual_um"), column(results, "inferred_um")
    kept = column(results, "accepted") & np.isfinite(inferred_um)
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
