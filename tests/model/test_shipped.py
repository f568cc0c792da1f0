"""The model that comes with the package: what it knows, and which trainings start from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parfocal.data import Annotation, Dataset, DatasetSettings, SplitRow
from parfocal.model import FocusEstimator, find_model, load_model, starting_model
from parfocal.model.shipped import is_shipped
from parfocal.optics import preset, simulate_stack
from parfocal.zstack import ZStack

YEAST = {
    "name": "yeast",
    "pixel_size_um": 0.24,
    "wavelength_um": 0.56,
    "modality": "bright-field",
    "objective": {"numerical_aperture": 1.3, "magnification": 40, "immersion_index": 1.515},
}


def collected(folder: Path, *, n_train: int, side_um: float = 61.44, **changes: object) -> Dataset:
    """A dataset of small dark stacks."""
    dataset = Dataset.create(folder, DatasetSettings(**{**YEAST, **changes}))
    ids = [f"s{k:02d}" for k in range(n_train + 1)]
    side_px = round(side_um / dataset.settings.pixel_size_um)
    for stack in ids:
        frames = np.full((3, side_px, side_px), 100, np.uint16)
        dataset.write(stack, ZStack(frames, np.array([-1.0, 0.0, 1.0]), dataset.settings.pixel_size_um))
    dataset.annotate(Annotation(stack, 0.0, "me", "2018-03-16T00:00:00+00:00") for stack in ids)
    dataset.write_split([SplitRow(stack, "day", "train" if k else "test") for k, stack in enumerate(ids)])
    return dataset


def test_stacks_of_bright_field_start_from_it(tmp_path: Path) -> None:
    dataset = collected(tmp_path / "few", n_train=2)
    assert starting_model(dataset) == find_model("bright-field-high-na")
    assert starting_model(collected(tmp_path / "fine", n_train=2, pixel_size_um=0.12)) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"modality": "phase-contrast"},
        {"objective": None},
        {"pixel_size_um": 0.5},
        {"objective": {"numerical_aperture": 0.3, "magnification": 10, "immersion_index": 1.0}},
    ],
    ids=["phase contrast", "no objective", "large pixels", "low power"],
)
def test_what_it_does_not_know_starts_from_fresh_weights(tmp_path: Path, changes: dict) -> None:
    assert starting_model(collected(tmp_path / "d", n_train=2, **changes)) is None


def test_low_power_starts_from_the_model_of_all_apertures(tmp_path: Path) -> None:
    objective = {"numerical_aperture": 0.3, "magnification": 10, "immersion_index": 1.0}
    dataset = collected(tmp_path / "d", n_train=2, side_um=300.0, pixel_size_um=0.65, objective=objective)
    assert starting_model(dataset) == find_model("bright-field")


def test_light_that_is_not_known_counts_as_green(tmp_path: Path) -> None:
    assert starting_model(collected(tmp_path / "d", n_train=2, wavelength_um=None)) is not None


def test_a_shipped_model_is_known_by_name_and_by_file(tmp_path: Path) -> None:
    assert is_shipped(Path("bright-field")) and is_shipped(find_model("bright-field"))
    assert not is_shipped(tmp_path / "bright-field.safetensors")


def test_it_knows_yeast_that_it_was_never_shown() -> None:
    """A day of a microscope that it has no stack of, planes within 6 um of focus."""
    usual = preset("yeast-40x")
    microscope = usual.replace(scan=usual.scan.replace(half_range_um=6.0, step_um=1.0))
    made = simulate_stack(microscope, seed=90, index=0, n_cells=40)
    estimator = FocusEstimator.load("bright-field")
    told = [
        estimator.estimate(frame, pixel_size_um=0.24).defocus_um for frame in made.stack.frames_zyx
    ] - made.stack.defocus_um(made.focus_z_um)
    assert np.abs(told).mean() < 0.6


@pytest.mark.parametrize(
    ("name", "apertures"), [("bright-field", (0.25, 1.4)), ("bright-field-high-na", (0.9, 1.4))]
)
def test_they_say_what_they_are(name: str, apertures: tuple[float, float]) -> None:
    header, _ = load_model(Path(name))
    assert (header.recipe.name, header.modality) == ("universal", "bright-field")
    assert header.apertures == apertures
    assert find_model(name).stat().st_size < 5e6
    assert find_model("mine.safetensors") == Path("mine.safetensors")
