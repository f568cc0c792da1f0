"""Our networks as the studies take them: the shipped one, trained on from it, or from fresh weights."""

from __future__ import annotations

from collections.abc import Sequence

from parfocal.data.dataset import DatasetSettings
from parfocal.model import FocusEstimator, Recipe, default_recipe, find_model, inheritance_of
from parfocal.model.serving import ready_for_dataset
from parfocal.studies.learned import RecipeFor
from parfocal.zstack import ZStack

SHIPPED = "bright-field-high-na"
PIXEL_UM = 0.24
"""At which fresh networks look at yeast, on small fields as on large ones."""
SMALLEST_SHARE = 0.625
"""Of the field that the smallest crops have, as in the default recipe."""


def shipped_for(settings: DatasetSettings) -> FocusEstimator:
    """The shipped model, ready for the microscope of a dataset.

    Raises
    ------
    ModelError
        If it knows no such microscopes.
    """
    estimator = FocusEstimator.load(SHIPPED)
    return estimator.with_header(ready_for_dataset(estimator.header, settings))


def fine_tuned_recipe(settings: DatasetSettings, *, steps: int, seed: int = 0) -> RecipeFor:
    """The default recipe for training on from the shipped model, in so many steps."""
    inherits = inheritance_of(find_model(SHIPPED), settings)

    def recipe(stacks: Sequence[tuple[ZStack, float]]) -> Recipe:
        return in_steps(default_recipe(stacks, inherits=inherits), steps=steps, seed=seed)

    return recipe


def fresh_recipe(*, steps: int, pixel_um: float = PIXEL_UM, seed: int = 0) -> RecipeFor:
    """The default recipe from fresh weights, in so many steps, at a working pixel of the study."""

    def recipe(stacks: Sequence[tuple[ZStack, float]]) -> Recipe:
        best = default_recipe(stacks)
        side_um = min(min(stack.frame_shape_yx) * stack.pixel_size_um for stack, _ in stacks)
        sampling = best.sampling.replace(
            crop_um=side_um, smallest_crop_um=SMALLEST_SHARE * side_um, pixel_size_um=pixel_um
        )
        return in_steps(best.replace(sampling=sampling, field_um=None), steps=steps, seed=seed)

    return recipe


def in_steps(recipe: Recipe, *, steps: int, seed: int = 0) -> Recipe:
    """A recipe that ends after so many steps."""
    training = recipe.training.replace(steps=steps, validate_every=max(1, steps // 4), seed=seed)
    return recipe.replace(training=training)
