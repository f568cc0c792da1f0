"""A network starts from what another one knows, whatever its bins and its microscope."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_world import RECIPE, WEI, frame_at

from parfocal.data import Dataset, DatasetSettings, ObjectiveRecord
from parfocal.errors import InputError
from parfocal.model import build_network, load_model
from parfocal.model.inherited import inherit, stretch
from parfocal.model.recipe import Recipe


def settings_of(immersion: float = 1.0, wavelength_um: float | None = 0.55) -> DatasetSettings:
    objective = ObjectiveRecord(numerical_aperture=0.5, magnification=20, immersion_index=immersion)
    return DatasetSettings(name="d", objective=objective, pixel_size_um=0.5, wavelength_um=wavelength_um)


def answer(network: torch.nn.Module, recipe: Recipe, defocus_um: float) -> float:
    frame = torch.from_numpy(frame_at(defocus_um, seed=400).astype(np.float32))[None, None]
    with torch.inference_mode():
        probabilities = torch.softmax(network.eval()(frame)[0].double(), 0).numpy()
    return float(probabilities @ recipe.bins.centres_um)


@pytest.fixture
def heir(spots: Dataset, model_path: Path):
    def of(recipe: Recipe, settings: DatasetSettings | None = None) -> torch.nn.Module:
        network = build_network(recipe.network, n_bins=recipe.bins.count)
        inherit(network, model_path, recipe=recipe, settings=settings or spots.settings)
        return network

    return of


@pytest.mark.parametrize("defocus_um", [-3.0, 0.0, 2.0])
def test_with_other_bins_it_says_nearly_the_same(heir, defocus_um: float) -> None:
    finer = RECIPE.replace(bins={"lowest_um": -6, "highest_um": 6, "width_um": 0.5})
    one, other = answer(heir(RECIPE), RECIPE, defocus_um), answer(heir(finer), finer, defocus_um)
    assert other == pytest.approx(one, abs=0.3)


def test_with_pixels_twice_as_large_distances_are_four_times_as_long(heir, spots: Dataset) -> None:
    larger = RECIPE.replace(
        sampling=RECIPE.sampling.replace(pixel_size_um=1.0),
        bins={"lowest_um": -24, "highest_um": 24, "width_um": 4},
    )
    one, other = answer(heir(RECIPE), RECIPE, 2.0), answer(heir(larger), larger, 2.0)
    assert other == pytest.approx(4 * one, rel=1e-5)


def test_light_and_immersion_count_where_they_are_known(model_path: Path) -> None:
    header, _ = load_model(model_path)
    assert (header.wavelength_um, header.objective["immersion_index"]) == (0.55, 1.0)
    of = {
        "same": settings_of(),
        "oil": settings_of(immersion=1.5),
        "blue": settings_of(wavelength_um=0.44),
        "unknown": settings_of(wavelength_um=None).replace(objective=None),
    }
    factors = {name: stretch(header, recipe=RECIPE, settings=settings) for name, settings in of.items()}
    assert factors == pytest.approx({"same": 1.0, "oil": 1.5, "blue": 1.25, "unknown": 1.0})


def test_another_architecture_is_refused(model_path: Path, spots: Dataset) -> None:
    network = build_network(WEI.network, n_bins=WEI.bins.count)
    with pytest.raises(InputError, match="another architecture"):
        inherit(network, model_path, recipe=WEI, settings=spots.settings)
