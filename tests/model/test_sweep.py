"""A sweep trains every recipe with every seed, wherever its workers are."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_world import RECIPE, retimed

from parfocal.data import Dataset
from parfocal.errors import InputError, OutputError
from parfocal.model import load_model
from parfocal.model.sweep import sweep

QUICK = retimed(RECIPE, steps=3, batch_size=4).replace(name="quick")
LONGER = retimed(RECIPE, steps=6, batch_size=4).replace(name="longer")


def test_rows_come_in_order_with_the_numbers_of_their_models(spots: Dataset, tmp_path: Path) -> None:
    rows = sweep(spots, [QUICK, LONGER], seeds=[3, 1], out=tmp_path / "sweep", workers=2)
    assert [(row.recipe, row.seed) for row in rows] == [
        ("quick", 3),
        ("quick", 1),
        ("longer", 3),
        ("longer", 1),
    ]
    for row in rows:
        header, _ = load_model(row.model)
        assert row.model == tmp_path / "sweep" / f"{row.recipe}-{row.seed}.safetensors"
        assert (row.validation_mae_um, row.steps) == (header.metrics["mae_um"], header.steps)
        assert header.recipe.training.seed == row.seed
        assert row.seconds > 0
    assert rows[0].validation_mae_um != rows[1].validation_mae_um


def test_recipes_that_cannot_be_told_apart_are_refused(spots: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="different names, got quick, quick"):
        sweep(spots, [QUICK, QUICK], seeds=[1], out=tmp_path)


def test_a_folder_that_cannot_be_made_is_told(spots: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be made"):
        sweep(spots, [QUICK], seeds=[1], out=tmp_path / "file")
