"""The table of the wafer images, from file names and, where they are at hand, from the real images."""

from __future__ import annotations

import csv
import os
import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from parfocal.data import DatasetSettings, import_table

ROOT = Path(__file__).parents[2]
REAL_DATA = Path(os.environ.get("PARFOCAL_REAL_DATA", ROOT.parent / "shared" / "data"))
WAFER = REAL_DATA / "real" / "wafer-reflected-signed"
EXAMPLE = runpy.run_path(str(ROOT / "examples" / "wafer_table.py"))


def test_names_of_both_families_are_understood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (
        "Copy of adjustedFocus_tile__ix000_iy025_-36.00076164326199.jpeg",
        "adjustedFocus_tile__ix000_iy027_0.jpeg",
        "Copy of adjustustedFocus_tile__ix000_iy002_zoff-16.4345um.jpeg",
        "holiday.jpeg",
    ):
        (tmp_path / name).touch()
    EXAMPLE["main"]([str(tmp_path), "--out", str(tmp_path / "table.csv")])
    assert "3 images of 3 tiles" in capsys.readouterr().out
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["stack"], float(row["z_um"]), row["experiment"], row["part"]) for row in rows] == [
        ("ix000_iy025", -36.00076164326199, "adjustedFocus", "train"),
        ("ix000_iy002", -16.4345, "adjustustedFocus", "test"),
        ("ix000_iy027", 0.0, "adjustedFocus", "test"),
    ]


def test_a_folder_without_such_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        EXAMPLE["main"]([str(tmp_path)])
    assert stop.value.code == 2


@pytest.mark.skipif(not WAFER.is_dir(), reason=f"the real wafer images are not at {WAFER}")
def test_the_real_wafer_images_become_a_dataset(tmp_path: Path) -> None:
    EXAMPLE["main"]([str(WAFER), "--out", str(tmp_path / "table.csv")])
    settings = DatasetSettings(name="wafer", pixel_size_um=0.286, modality="reflected bright-field")
    dataset = import_table(tmp_path / "table.csv", tmp_path / "wafer", settings=settings)
    assert len(dataset.stack_ids()) == 7
    assert dataset.ids_in("test") == ("ix000_iy027", "ix000_iy002")
    assert Counter(row.experiment for row in dataset.split()) == {"adjustustedFocus": 4, "adjustedFocus": 3}
    for stack in dataset.stack_ids():
        values = dataset.read(stack)
        assert values.frame_shape_yx == (1200, 1920) and values.frames_zyx.dtype == np.uint8
        assert 10 <= values.n_planes <= 11 and -50 <= values.z_um[0] < 0 < values.z_um[-1] <= 50
        assert dataset.focus_z_um(stack) == 0 and 0 in values.z_um
