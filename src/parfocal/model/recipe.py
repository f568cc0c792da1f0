"""A recipe: everything that decides what a training run gives, in one TOML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

import parfocal
from parfocal.data.sampling import SamplingSettings
from parfocal.errors import SettingsError
from parfocal.model.bins import BinSettings, bins_for_range
from parfocal.model.cell_patches import CellSettings
from parfocal.model.described import LookSettings
from parfocal.model.networks import NetworkSettings, Size, focus_network
from parfocal.settings import Settings
from parfocal.zstack import ZStack

WORKING_SIDE_PX = 256
SMALLEST_CROP_PX = 160
LARGEST_SIDE_PX = 384
"""Of the default recipe, see `default_recipe`."""
KEPT_OF_START = 0.6
"""By trainings that start from what another model knows; see `TrainingSettings`."""


class TrainingSettings(Settings):
    """How the weights are found.

    A run with cosine decay need not follow its plan of `steps` and `minutes` to the end: once the errors of
    `patience` validations are no better than those of as many before, the rest of the schedule takes no more
    than `cool_down` times the time so far. A rest of 0.3 ended plans of 4000 and 5000 steps a third sooner,
    with errors larger by 6 % for 100 stacks and 18 % for 20: much is learned while the rate falls.

    `keep_of_start` is the share, in the weights at the end, of those of the model that training started from.
    """

    steps: Annotated[int, Field(ge=1)] = 2000
    minutes: Annotated[float, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 32
    optimiser: Literal["adam", "adamw"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.05
    decay: Literal["cosine", "none"] = "cosine"
    label_sigma_um: Annotated[float, Field(ge=0)] = 0.8
    expectation_weight: Annotated[float, Field(ge=0)] = 0.3
    precision: Literal["auto", "bf16-mixed", "32-true"] = "auto"
    validate_every: Annotated[int, Field(ge=1)] = 200
    patience: Annotated[int, Field(ge=1)] | None = 5
    cool_down: Annotated[float, Field(gt=0)] = 1.0
    keep_of_start: Annotated[float, Field(ge=0, le=1)] = 0.0
    checkpoint_every_s: Annotated[float, Field(gt=0)] = 60.0
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class Inheritance:
    """What a training takes over from the model that it starts from.

    Attributes
    ----------
    network : NetworkSettings
    pixel_size_um : float or None
        Working pixel at which images look like those that the model knows, if it is a model of many
        microscopes.
    """

    network: NetworkSettings
    pixel_size_um: float | None = None


class Recipe(Settings):
    """Sampling, bins, network and training; `looks` and `cells` belong to the network ``focus`` alone.

    With `cells` it first learns the heights of single cells, from stacks of a simulation; without, or where
    it starts from a model, it keeps what that knows of them.
    With `any_field` its intervals and what it finds strange are measured on parts of frames too, down to the
    smallest crop: for a model that is to serve cameras of any field. With `field_um` the model looks only at
    the centre of each frame, a square of this side, while its crops are from all of it. `most_refused` is the
    share of ordinary frames that may be refused for the sake of right answers, as too broadly told.
    With `most_strange`, for a model of many microscopes that is shown what it must not answer, so large a
    share of them may be refused as strange.
    `answer` is what the model says of a distribution over bins: its ``expectation``, or the centre of its
    ``most_probable`` bin as in the 2018 paper.
    """

    name: str = "default"
    answer: Literal["expectation", "most_probable"] = "expectation"
    any_field: bool = False
    field_um: Annotated[float, Field(gt=0)] | None = None
    most_refused: Annotated[float, Field(ge=0, lt=1)] = 0.01
    most_strange: Annotated[float, Field(gt=0, lt=1)] | None = None
    sampling: SamplingSettings = SamplingSettings()
    looks: LookSettings = LookSettings()
    cells: CellSettings | None = None
    bins: BinSettings = BinSettings()
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A recipe by its name (``wei2018``) or its TOML file.

    Raises
    ------
    SettingsError
        If there is no such recipe, or it holds an unknown key or a value out of range.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return Recipe.from_toml(path)
    known = {file.stem: file for folder in _recipe_folders() for file in sorted(folder.glob("*.toml"))}
    if str(name_or_path) not in known:
        names = ", ".join(sorted(known))
        raise SettingsError(f"Expected a recipe among {names}, or a .toml file; got '{name_or_path}'.")
    return Recipe.from_toml(known[str(name_or_path)])


def default_recipe(
    stacks: Sequence[tuple[ZStack, float]], *, size: Size = "default", inherits: Inheritance | None = None
) -> Recipe:
    """The best recipe known for some stacks: crop, working pixel and bins follow from the data.

    Parameters
    ----------
    stacks : sequence of (ZStack, focus_z_um)
    size : str
        Of the network: ``tiny``, ``default`` or ``large``.
    inherits : Inheritance, optional
        Of a model that knows other microscopes, where training starts from its weights; a share of them is
        kept, as they know days that the stacks do not show.

    Notes
    -----
    The working pixel makes the shorter side of the frame about 256 pixels, so that an estimate takes some
    milliseconds whatever the camera; or it is inherited, and of large frames only the centre is looked at.
    Crops are of 160 to 256 of them. Bins cover the range of defocus in the data, and one more at each end
    lets the expectation reach it.
    """
    side_um = min(min(stack.frame_shape_yx) * stack.pixel_size_um for stack, _ in stacks)
    defocus = [stack.defocus_um(focus_z_um) for stack, focus_z_um in stacks]
    bins = bins_for_range(min(float(d.min()) for d in defocus), max(float(d.max()) for d in defocus))
    coarsest_um = max(stack.pixel_size_um for stack, _ in stacks)
    working_um = max((inherits and inherits.pixel_size_um) or side_um / WORKING_SIDE_PX, coarsest_um)
    largest_um = LARGEST_SIDE_PX * working_um
    sampling = SamplingSettings(
        crop_um=min(side_um, WORKING_SIDE_PX * working_um),
        smallest_crop_um=min(side_um, SMALLEST_CROP_PX * working_um),
        pixel_size_um=working_um,
    )
    steps, learning_rate, keep_of_start = (2000, 2e-3, KEPT_OF_START) if inherits else (6000, 4e-3, 0.0)
    training = TrainingSettings(
        steps=steps,
        batch_size=64,
        learning_rate=learning_rate,
        label_sigma_um=0.8 * bins.width_um,
        validate_every=min(steps // 6, 500),
        keep_of_start=keep_of_start,
    )
    return Recipe(
        field_um=largest_um if side_um > largest_um else None,
        sampling=sampling,
        bins=bins,
        network=inherits.network if inherits else focus_network(size),
        training=training,
    )


def _recipe_folders() -> list[Path]:
    package = Path(parfocal.__file__).parent
    # Inside an installed package, or beside the sources of a checkout.
    return [package / "recipes", package.parents[1] / "recipes"]
