"""Our networks as the studies take them: the shipped one, what ``parfocal train`` makes, or fresh ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from parfocal.data.dataset import Dataset, DatasetSettings
from parfocal.errors import DatasetError, ImageFileError, InputError, ModelError
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
from parfocal.studies.learned import RecipeFor, learn
from parfocal.studies.study import Size, Told
from parfocal.zstack import ZStack

DEFAULT_STEPS: Mapping[Size, int | None] = {"toy": 4, "quick": 150, "paper": None}
"""None: as many as the default has."""
SHIPPED = "bright-field-high-na"
PIXEL_UM = 0.24
"""At which fresh networks look at yeast, on small fields as on large ones."""
SMALLEST_SHARE = 0.625
"""Of the field that the smallest crops have, as in the default recipe."""


def shipped_for(settings: DatasetSettings, name: str = SHIPPED) -> FocusEstimator:
    """A shipped model, ready for the microscope of a dataset.

    Raises
    ------
    ModelError
        If it knows no such microscopes.
    """
    estimator = FocusEstimator.load(name)
    return estimator.with_header(ready_for_dataset(estimator.header, settings))


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
    return recipe if steps is None else _in_steps(recipe, steps=steps)


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
        The model as it is, where no line was fitted.
    dict
        ``start``, and the line that was fitted, ``scale`` and ``offset_um``; or why none was, ``refused``.
    """
    start, model = starting_model(dataset) or find_model(SHIPPED), work / "model.safetensors"
    told: Told = {"start": start.stem, "steps": 0}
    try:
        fit = fit_to_microscope(start, dataset.folder, out=model)
    except (DatasetError, ModelError, ImageFileError):
        raise  # these are no refusals
    except InputError as error:
        return shipped_for(dataset.settings, start.stem), {**told, "refused": str(error)}
    return FocusEstimator.load(model), {**told, "scale": fit.scale, "offset_um": fit.offset_um}


def fresh_recipe(*, steps: int, pixel_um: float = PIXEL_UM, seed: int = 0) -> RecipeFor:
    """The default recipe from fresh weights, in so many steps, at a working pixel of the study."""

    def recipe(stacks: Sequence[tuple[ZStack, float]]) -> Recipe:
        best = default_recipe(stacks)
        side_um = min(min(stack.frame_shape_yx) * stack.pixel_size_um for stack, _ in stacks)
        sampling = best.sampling.replace(
            crop_um=side_um, smallest_crop_um=SMALLEST_SHARE * side_um, pixel_size_um=pixel_um
        )
        return _in_steps(best.replace(sampling=sampling, field_um=None), steps=steps, seed=seed)

    return recipe


def _in_steps(recipe: Recipe, *, steps: int, seed: int = 0) -> Recipe:
    training = recipe.training.replace(steps=steps, validate_every=max(1, steps // 4), seed=seed)
    return recipe.replace(training=training)
