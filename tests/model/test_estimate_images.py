"""Image files: a row for each plane, and a clear word where optics are unknown or contradicted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_world import PIXEL_UM, SIDE_PX, frame_at, stack_of

from parfocal.data.stack_io import write_stack
from parfocal.errors import ImageFileError, ModelError
from parfocal.model import FocusEstimator
from parfocal.model.estimate_images import estimate_images


@pytest.fixture
def stack_path(tmp_path: Path) -> Path:
    path = tmp_path / "stack.ome.tif"
    write_stack(path, stack_of(70)[0])
    return path


@pytest.fixture
def png_path(tmp_path: Path) -> Path:
    path = tmp_path / "frame.png"
    Image.fromarray(frame_at(2.0, seed=70)).save(path)
    return path


def test_every_plane_of_a_stack_gets_a_row(stack_path: Path, estimator: FocusEstimator) -> None:
    stack, focus_z_um = stack_of(70)
    rows = list(estimate_images(estimator, [stack_path]))
    assert [row.plane for row in rows] == list(range(11))
    assert {row.path for row in rows} == {str(stack_path)}
    np.testing.assert_allclose([row.z_um for row in rows], stack.z_um, atol=1e-3)
    for row, defocus_um in zip(rows, stack.defocus_um(focus_z_um), strict=True):
        assert row.defocus_um is None or abs(row.defocus_um - defocus_um) < 3
    assert sum(row.accepted for row in rows) >= 9


def test_files_come_in_the_order_in_which_they_were_given(
    stack_path: Path, png_path: Path, estimator: FocusEstimator
) -> None:
    rows = list(estimate_images(estimator, [png_path, stack_path], pixel_size_um=PIXEL_UM))
    assert [Path(row.path).name for row in rows] == ["frame.png"] + ["stack.ome.tif"] * 11
    assert rows[0].z_um is None and rows[0].plane == 0


def test_a_row_is_plain_json_with_the_promised_names(stack_path: Path, estimator: FocusEstimator) -> None:
    row = next(estimate_images(estimator, [stack_path]))
    values = json.loads(json.dumps(row.as_json()))
    assert list(values) == [
        "path", "plane", "z_um", "defocus_um", "std_um", "interval90_um", "in_distribution", "accepted",
    ]  # fmt: skip


def test_where_the_model_abstains_there_is_no_defocus(tmp_path: Path, estimator: FocusEstimator) -> None:
    Image.fromarray(np.full((SIDE_PX, SIDE_PX), 200, np.uint8)).save(tmp_path / "blank.png")
    (row,) = estimate_images(estimator, [tmp_path / "blank.png"], pixel_size_um=PIXEL_UM)
    assert row.defocus_um is None and not row.accepted


def test_an_unknown_pixel_size_is_asked_for(png_path: Path, estimator: FocusEstimator) -> None:
    with pytest.raises(ImageFileError, match=r"frame\.png: does not tell its pixel size.*--pixel-size"):
        list(estimate_images(estimator, [png_path]))


def test_a_contradicted_pixel_size_is_told(stack_path: Path, estimator: FocusEstimator) -> None:
    with pytest.raises(ImageFileError, match=r"0\.5 um, but --pixel-size says 0\.24"):
        list(estimate_images(estimator, [stack_path], pixel_size_um=0.24))


def test_a_pixel_size_said_twice_alike_is_fine(stack_path: Path, estimator: FocusEstimator) -> None:
    assert len(list(estimate_images(estimator, [stack_path], pixel_size_um=0.5002))) == 11


def test_an_image_of_another_magnification_is_refused(png_path: Path, estimator: FocusEstimator) -> None:
    with pytest.raises(ModelError, match="made for pixels"):
        list(estimate_images(estimator, [png_path], pixel_size_um=0.1))


def test_a_missing_file_is_told(tmp_path: Path, estimator: FocusEstimator) -> None:
    with pytest.raises(ImageFileError, match=r"none\.tif"):
        list(estimate_images(estimator, [tmp_path / "none.tif"]))
