"""Train on some stacks, ask about others: what most cases do."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parfocal.data.annotation import Annotation
from parfocal.data.dataset import Dataset
from parfocal.data.split import SplitRow
from parfocal.evaluation.metrics import bin_edges_um, focus_metrics
from parfocal.model import FocusEstimator, Recipe, train
from parfocal.model.training_job import CHECKPOINT
from parfocal.studies.study import Told
from parfocal.zstack import ZStack

ONE_IN = 5
"""Of the stacks that are learned from, one in so many is kept for validation."""
SPLIT_FILE = "split.csv"
WITHIN_UM = 15.0
"""Frames that are asked about lie within this distance of focus."""

Annotate = Callable[[Annotation], Annotation]
RecipeFor = Callable[[Sequence[tuple[ZStack, float]]], Recipe]


def collected(dataset: Dataset, n_stacks: int, *, seed: int = 0) -> tuple[str, ...]:
    """Ids of some stacks that are not for tests, from all days in turns; a smaller draw is part of a larger.

    Parameters
    ----------
    dataset : Dataset
    n_stacks : int
        At most; all there are if that is fewer.
    seed : int
    """
    rows = [row for row in dataset.split() if row.part in ("train", "validation")]
    random = np.random.default_rng(seed)
    days: dict[str, list[str]] = {}
    for k in random.permutation(len(rows)):
        days.setdefault(rows[k].experiment, []).append(rows[k].stack)
    turns = sorted((turn, day, stack) for day, ids in days.items() for turn, stack in enumerate(ids))
    return tuple(stack for _, _, stack in turns[:n_stacks])


def subset(
    dataset: Dataset,
    folder: Path,
    stacks: Sequence[str],
    *,
    annotate: Annotate = lambda row: row,
    change: Callable[[ZStack], ZStack] | None = None,
) -> Dataset:
    """A dataset of some stacks, one in five of them for validation, and of all test stacks.

    Parameters
    ----------
    dataset : Dataset
    folder : Path
        Must not exist, or hold just this from a run that was stopped.
    stacks : sequence of str
        To learn from.
    annotate : callable, optional
        Changes the annotation of each stack to learn from; those of test stacks stay true.
    change : callable, optional
        Changes each stack to learn from; test stacks stay whole.
    """
    if (folder / SPLIT_FILE).exists():  # of a run that was stopped: the split comes last
        return Dataset.open(folder)
    held_back = held_back_of(stacks)
    parts = {stack: "validation" if stack in held_back else "train" for stack in stacks}
    tests = dict.fromkeys(dataset.ids_in("test"), "test")
    small = Dataset.create(folder, dataset.settings)
    for stack in (*parts, *tests):
        if change is not None and stack in parts:
            small.write(stack, change(dataset.read(stack)))
        else:
            _link(dataset.stack_path(stack), small.stack_path(stack))
    rows = {row.stack: row for row in dataset.annotations()}
    small.annotate([annotate(rows[stack]) for stack in parts] + [rows[stack] for stack in tests])
    days = {row.stack: row.experiment for row in dataset.split()}
    small.write_split([SplitRow(stack, days[stack], part) for stack, part in (parts | tests).items()])
    return small


def held_back_of(stacks: Sequence[str]) -> tuple[str, ...]:
    """One in five of some stacks, but one at least if there are two; of stacks in turns, from every day.

    Examples
    --------
    >>> held_back_of([f"{day}{turn}" for turn in range(3) for day in "abcde"])
    ('e0', 'd1', 'c2')
    """
    chosen = [stack for k, stack in enumerate(stacks) if (k + k // ONE_IN) % ONE_IN == ONE_IN - 1]
    return tuple(chosen) or tuple(stacks[1:][-1:])


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(source, target)


def learn(
    dataset: Dataset, work: Path, recipe: Recipe | RecipeFor, *, init: Path | None = None
) -> tuple[FocusEstimator, Told]:
    """Trains a model, or goes on where a run that was stopped had come to.

    Parameters
    ----------
    dataset : Dataset
    work : Path
        Folder for the model; one model each.
    recipe : Recipe or callable
        A recipe, or what makes one of the stacks.
    init : Path, optional
        A model to start from.

    Returns
    -------
    FocusEstimator
    dict
        ``steps``, ``parameters``, and ``training_seconds`` of the processor until the last step, of this
        process.
    """
    model = work / "model.safetensors"
    busy = [time.process_time()]
    resume = (work / "model.training" / CHECKPOINT).exists()
    header = train(
        dataset,
        out=model,
        recipe=recipe,
        init=None if resume else init,
        resume=resume,
        clock=time.process_time,
        watch=lambda _: busy.append(time.process_time()),
    )
    told = {
        "steps": header.steps,
        "parameters": header.parameters,
        "training_seconds": round(busy[-1] - busy[0], 1),
    }
    return FocusEstimator.load(model), told


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model said of frames: true defocus and answer, in um, and the stack of each; all of (N,)."""

    actual_um: NDArray[np.float64]
    inferred_um: NDArray[np.float64]
    stacks: Sequence[str]


def answers_of(
    estimator: FocusEstimator, dataset: Dataset, *, within_um: float = WITHIN_UM, part: str = "test"
) -> Answers:
    """The answers to the frames of the test stacks near focus, whether the model stands by them or not."""
    truth, answers, stacks = [], [], []
    for stack_id in dataset.ids_in(part):
        stack = dataset.read(stack_id)
        defocus_um = stack.defocus_um(dataset.focus_z_um(stack_id))
        for k in np.flatnonzero(np.abs(defocus_um) <= within_um):
            estimate = estimator.estimate(stack.frames_zyx[k], pixel_size_um=stack.pixel_size_um)
            truth.append(float(defocus_um[k]))
            answers.append(float(estimate.defocus_um))
            stacks.append(stack_id)
    return Answers(np.array(truth), np.array(answers), stacks)


def ask(
    estimator: FocusEstimator,
    dataset: Dataset,
    *,
    within_um: float = WITHIN_UM,
    part: str = "test",
    edges_um: ArrayLike | None = None,
) -> Told:
    """Errors of a model on the frames of the test stacks near focus, as `focus_metrics` gives them.

    The tables have round bins, or those of the edges that are given.
    """
    answers = answers_of(estimator, dataset, within_um=within_um, part=part)
    return errors_of(answers, dataset, within_um=within_um, edges_um=edges_um)


def errors_of(
    answers: Answers,
    dataset: Dataset,
    *,
    within_um: float = WITHIN_UM,
    edges_um: ArrayLike | None = None,
) -> Told:
    """A block of `focus_metrics`."""
    return focus_metrics(
        answers.actual_um,
        answers.inferred_um,
        stack_index=answers.stacks,
        bin_edges_um=bin_edges_um(-within_um, within_um) if edges_um is None else edges_um,
        dof_um=dataset.settings.dof_um,
    )


def without_maps(block: Mapping[str, object]) -> Told:
    """A block of metrics without its long tables."""
    return {name: value for name, value in block.items() if name not in ("confusion", "mae_by_z")}
