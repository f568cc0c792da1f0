"""A made-up microscope that costs nothing: spots that turn from dark to bright through focus, and widen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from parfocal.data import Annotation, Dataset, DatasetSettings, ObjectiveRecord, SplitRow
from parfocal.data.sampling import SamplingSettings
from parfocal.model import (
    BinSettings,
    ModelHeader,
    NetworkSettings,
    Recipe,
    TrainingProgress,
    TrainingSettings,
    build_network,
    count_parameters,
    load_model,
)
from parfocal.model.described import LookSettings
from parfocal.model.familiarity import everything_familiar
from parfocal.model.intervals import EVEN
from parfocal.zstack import ZStack

PIXEL_UM = 0.5
SIDE_PX = 72
BACKGROUND = 4000.0

RECIPE = Recipe(
    name="small",
    sampling=SamplingSettings(crop_um=32.0, pixel_size_um=PIXEL_UM),
    bins=BinSettings(lowest_um=-6, highest_um=6, width_um=1),
    looks=LookSettings(new_every=1),
    network=NetworkSettings(octaves=3, per_octave=2, width=32),
    training=TrainingSettings(
        steps=60, batch_size=16, learning_rate=1e-2, precision="32-true", validate_every=20
    ),
)


WEI = RECIPE.replace(
    sampling=SamplingSettings(crop_um=25.0, pixel_size_um=PIXEL_UM).model_dump(),
    network=NetworkSettings(architecture="wei2018", input_px=50).model_dump(),
)


def retimed(recipe: Recipe, **training: Any) -> Recipe:
    """A recipe with some values of its training changed."""
    return recipe.replace(training=recipe.training.replace(**training).model_dump())


def frame_at(defocus_um: float, *, seed: int, side_px: int = SIDE_PX) -> NDArray[np.uint16]:
    """One frame (Y, X) of the scene that belongs to a seed."""
    scene = np.random.default_rng(seed)
    spots = np.zeros((side_px, side_px))
    y, x = scene.integers(0, side_px, (2, max(side_px**2 // 120, 1)))
    np.add.at(spots, (y, x), scene.uniform(0.7, 1.3, len(y)))
    spread_px = 1.0 + 0.35 * abs(defocus_um)
    shade = gaussian_filter(spots, spread_px, mode="wrap") * 2 * np.pi * spread_px**2
    noise = np.random.default_rng([seed, round(1000 * (defocus_um + 100))]).normal(0, 10, shade.shape)
    grey = BACKGROUND * (1 + (0.1 * np.tanh(defocus_um / 2) - 0.06) * shade / spread_px) + noise
    return grey.clip(0, 65535).astype(np.uint16)


def stack_of(seed: int, *, n_planes: int = 11, side_px: int = SIDE_PX) -> tuple[ZStack, float]:
    """A stack over 10 um and its focus position; planes lie off the centres of bins."""
    random = np.random.default_rng([seed, 1])
    focus_z_um = float(random.uniform(90, 110))
    z_um = focus_z_um + np.linspace(-5, 5, n_planes) + random.uniform(-0.4, 0.4)
    frames = np.stack([frame_at(z - focus_z_um, seed=seed, side_px=side_px) for z in z_um])
    return ZStack(frames, z_um, PIXEL_UM), focus_z_um


def dataset_at(
    folder: Path,
    *,
    parts: tuple[str, ...] = ("train",) * 5 + ("validation",) * 2 + ("test",),
    side_px: int = SIDE_PX,
) -> Dataset:
    """An annotated dataset with one stack for each of the given parts."""
    objective = ObjectiveRecord(numerical_aperture=0.9, magnification=20, immersion_index=1.0)
    settings = DatasetSettings(
        name="spots", objective=objective, pixel_size_um=PIXEL_UM, wavelength_um=0.55, modality="bright-field"
    )
    dataset = Dataset.create(folder, settings)
    for seed in range(len(parts)):
        stack, focus_z_um = stack_of(seed, side_px=side_px)
        dataset.write(f"s{seed}", stack)
        dataset.annotate([Annotation(f"s{seed}", focus_z_um, "ann", "2018-07-01T12:00:00+00:00")])
    dataset.write_split([SplitRow(f"s{seed}", "day1", part) for seed, part in enumerate(parts)])
    return dataset


def fresh_model(recipe: Recipe = RECIPE) -> tuple[ModelHeader, dict[str, NDArray[Any]]]:
    """Header and arrays of a model that never learned anything."""
    network = build_network(recipe.network, n_bins=recipe.bins.count)
    header = ModelHeader(
        recipe=recipe,
        camera_pixel_size_um=PIXEL_UM,
        z_range_um=(-5.0, 5.0),
        modality="bright-field",
        objective={"numerical_aperture": 0.9, "magnification": 20.0, "immersion_index": 1.0},
        wavelength_um=0.55,
        dof_um=None,
        dataset="spots",
        data_fingerprint="0123",
        n_stacks=5,
        spread_scale=1.0,
        interval90_scale=1.6,
        calibrated_on="validation",
        metrics={"mae_um": 0.5},
        parameters=count_parameters(network),
        steps=0,
        package_version="0",
    )
    arrays: dict[str, NDArray[Any]] = {f"network.{k}": v.numpy() for k, v in network.state_dict().items()}
    return header, {
        **arrays,
        **EVEN.arrays(),
        **everything_familiar().arrays(),
    }


def interrupt_at(step: int, *, what: str = "train", stir: bool = False):
    """A watcher that stops a training after a step."""

    def watch(progress: TrainingProgress) -> None:
        if stir:
            torch.rand(3)  # someone else draws from torch's random state
        if (progress.what, progress.step) == (what, step):
            raise KeyboardInterrupt

    return watch


def assert_same_model(a: Path, b: Path) -> None:
    """To the last bit, and in every word of the header."""
    (header_a, arrays_a), (header_b, arrays_b) = load_model(a), load_model(b)
    assert header_a == header_b
    assert arrays_a.keys() == arrays_b.keys()
    for name, array in arrays_a.items():
        np.testing.assert_array_equal(array, arrays_b[name], err_msg=name)
