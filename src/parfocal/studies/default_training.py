"""What ``parfocal train`` and ``parfocal calibrate`` make of the stacks of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from parfocal.data.dataset import Dataset
from parfocal.errors import InputError
from parfocal.model import (
    FocusEstimator,
    Inheritance,
    Recipe,
    default_recipe,
    find_model,
    inheritance_of,
    starting_model,
)
from parfocal.model.one_stack import fit_to_microscope
from parfocal.model.serving import ready_for_dataset
from parfocal.studies.learned import learn
from parfocal.studies.study import Size, Told
from parfocal.zstack import ZStack

DEFAULT_STEPS: Mapping[Size, int | None] = {"toy": 4, "quick": 200, "paper": None}
"""None: as many as the default has."""
SHIPPED = "bright-field"
"""To be calibrated where training would start from no shipped model."""


def learn_default(
    dataset: Dataset, work: Path, *, fresh: bool = False, steps: int | None = None
) -> tuple[FocusEstimator, Told]:
    """Trains as ``parfocal train`` with no options does.

    Parameters
    ----------
    dataset : Dataset
    work : Path
        Folder for the model.
    fresh : bool
        As with ``--init none``, whatever shipped model knows such microscopes.
    steps : int, optional
        In place of the default's own.

    Returns
    -------
    FocusEstimator
    dict
        As `parfocal.studies.learned.learn`, and ``start``: the model that it started from, or None.
    """
    start = None if fresh else starting_model(dataset)
    inherits = inheritance_of(start, dataset.settings)
    model, told = learn(dataset, work, partial(_recipe, inherits=inherits, steps=steps), init=start)
    return model, {**told, "start": start.stem if start else None}


def _recipe(
    stacks: Sequence[tuple[ZStack, float]], *, inherits: Inheritance | None, steps: int | None
) -> Recipe:
    recipe = default_recipe(stacks, inherits=inherits)
    if steps is None:
        return recipe
    bound = {"steps": steps, "validate_every": max(1, steps // 6)}
    return recipe.replace(training=recipe.training.replace(**bound).model_dump())


def calibrate_shipped(dataset: Dataset, work: Path) -> tuple[FocusEstimator, Told]:
    """Fits the shipped model that training would start from, and leaves its weights as they are.

    Parameters
    ----------
    dataset : Dataset
        Stacks of its test part are left aside.
    work : Path
        Folder for the model.

    Returns
    -------
    FocusEstimator
        The model as it is, where these stacks look too strange to it for a line.
    dict
        ``start``, and the line that was fitted, ``scale`` and ``offset_um``; or why none was, ``refused``.
    """
    start, model = starting_model(dataset) or find_model(SHIPPED), work / "model.safetensors"
    told: Told = {"start": start.stem, "steps": 0}
    try:
        fit = fit_to_microscope(start, dataset.folder, out=model)
    except InputError as error:
        shipped = FocusEstimator.load(start)
        ready = ready_for_dataset(shipped.header, dataset.settings)
        return shipped.with_header(ready), {**told, "refused": str(error)}
    return FocusEstimator.load(model), {**told, "scale": fit.scale, "offset_um": fit.offset_um}
