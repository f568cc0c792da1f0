"""Sweeps: many trainings on one dataset, to see what a change of recipe is worth beside chance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from parfocal.compute import run_tasks
from parfocal.data.dataset import Dataset
from parfocal.errors import InputError, OutputError
from parfocal.model.recipe import Recipe
from parfocal.model.training import train


@dataclass(frozen=True)
class SweepRow:
    """What came of one training.

    Attributes
    ----------
    recipe : str
        Name of the recipe.
    seed : int
    validation_mae_um : float
        Mean absolute error of the model on the validation stacks (of the training stacks, if there are none).
    steps : int
        Steps done: less than planned where the run had settled.
    seconds : float
        From reading the data to the model file.
    model : Path
        The model file.
    """

    recipe: str
    seed: int
    validation_mae_um: float
    steps: int
    seconds: float
    model: Path


@dataclass(frozen=True)
class _Training:
    """One training to be done."""

    dataset: Path
    recipe: Recipe
    out: Path


def sweep(
    dataset: Dataset,
    recipes: Sequence[Recipe],
    *,
    seeds: Sequence[int],
    out: Path,
    workers: int = 1,
    scheduler: str | None = None,
) -> list[SweepRow]:
    """Trains every recipe with every seed, several at a time.

    Parameters
    ----------
    dataset : Dataset
        In a folder that all workers can read.
    recipes : sequence of Recipe
        Their names tell them apart.
    seeds : sequence of int
        Of weights and batches; in place of the recipe's own.
    out : Path
        Folder for the models, ``<recipe>-<seed>.safetensors``; made if need be.
    workers, scheduler
        See `parfocal.compute.run_tasks`.

    Returns
    -------
    list of SweepRow
        In the order of recipes, then seeds.

    Raises
    ------
    InputError
        If two recipes have the same name; and as `parfocal.compute.run_tasks` and
        `parfocal.model.training.train`.
    OutputError
        If the folder cannot be made.
    """
    names = [recipe.name for recipe in recipes]
    if len(set(names)) < len(names):
        raise InputError(f"Expected recipes of different names, got {', '.join(names)}. Rename some.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror}). Choose another folder.") from error
    trainings = [
        _Training(
            dataset.folder,
            recipe.replace(training=recipe.training.replace(seed=seed).model_dump()),
            out / f"{recipe.name}-{seed}.safetensors",
        )
        for recipe in recipes
        for seed in seeds
    ]
    with closing(run_tasks(_trained, trainings, workers=workers, scheduler=scheduler)) as results:
        return [row for _, row in sorted(results, key=lambda result: result[0])]


def _trained(training: _Training) -> SweepRow:
    started = time.monotonic()
    recipe = training.recipe
    header = train(Dataset.open(training.dataset), out=training.out, recipe=recipe)
    return SweepRow(
        recipe=recipe.name,
        seed=recipe.training.seed,
        validation_mae_um=header.metrics["mae_um"],
        steps=header.steps,
        seconds=time.monotonic() - started,
        model=training.out,
    )
