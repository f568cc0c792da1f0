"""One small dataset and one small trained model, made once for all tests of the model room."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_world import RECIPE, dataset_at, retimed

from parfocal.data import Dataset
from parfocal.model import FocusEstimator, train


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
    folder = tmp_path_factory.mktemp("estimator")
    more = dataset_at(folder / "dataset", parts=("train",) * 24 + ("validation",) * 5 + ("test",))
    train(more, out=folder / "spots.safetensors", recipe=retimed(RECIPE, steps=200))
    return FocusEstimator.load(folder / "spots.safetensors")
