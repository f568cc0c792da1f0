"""One small dataset and one small trained model, made once for all tests of the model room."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_world import RECIPE, dataset_at, retimed

from parfocal.data import Dataset
from parfocal.model import FocusEstimator, Recipe, train


@pytest.fixture(scope="session")
def spots(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dataset_at(tmp_path_factory.mktemp("spots") / "dataset")


@pytest.fixture(scope="session")
def model_path(spots: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "spots.safetensors"
    train(spots, out=out, recipe=retimed(RECIPE, steps=150))
    return out


@pytest.fixture(scope="session")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> FocusEstimator:
    """Of more stacks than the others: what frames look like is learned from them too."""
    return _learned(tmp_path_factory.mktemp("estimator"), training=15, validation=3)


@pytest.fixture(scope="session")
def well_taught(tmp_path_factory: pytest.TempPathFactory) -> FocusEstimator:
    """Of still more stacks and bands, so that hardly any ordinary frame is refused, and strange ones are."""
    recipe = RECIPE.replace(network=RECIPE.network.replace(per_octave=3).model_dump())
    return _learned(tmp_path_factory.mktemp("well_taught"), training=30, validation=8, recipe=recipe)


def _learned(folder: Path, *, training: int, validation: int, recipe: Recipe = RECIPE) -> FocusEstimator:
    parts = ("train",) * training + ("validation",) * validation + ("test",)
    train(
        dataset_at(folder / "dataset", parts=parts),
        out=folder / "spots.safetensors",
        recipe=retimed(recipe, steps=200),
    )
    return FocusEstimator.load(folder / "spots.safetensors")
