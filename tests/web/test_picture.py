"""Pictures are small, keep the frame's shape, and have colour only where something is told."""

import io

import numpy as np
import pytest
from PIL import Image

from parfocal.web.field_map import FieldMap
from parfocal.web.picture import LONGER_SIDE_PX, picture_of

NOISE = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape_yx", [(4, 4), (300, 1552), (2080, 1552)])
def test_a_frame_of_any_kind_becomes_a_small_jpeg_of_its_shape(dtype, shape_yx):
    frame = NOISE.integers(20, 220, shape_yx).astype(dtype)
    before = frame.copy()
    picture = picture_of(frame)
    image = Image.open(io.BytesIO(picture.jpeg))
    assert image.size == (picture.width_px, picture.height_px)
    assert max(image.size) <= LONGER_SIDE_PX
    assert image.size[0] / image.size[1] == pytest.approx(shape_yx[1] / shape_yx[0], rel=0.01)
    assert np.array_equal(frame, before)


def test_a_dark_and_even_frame_is_no_error():
    assert picture_of(np.zeros((64, 64), np.uint16)).jpeg


def test_the_map_colours_only_what_it_tells():
    defocus_um = np.full((10, 10), np.nan)
    defocus_um[:, 5:] = np.linspace(-3, 3, 50).reshape(10, 5)
    picture = picture_of(
        np.full((100, 100), 100, np.uint8), field_map=FieldMap(defocus_um, np.ones((10, 10)))
    )
    colours = np.asarray(Image.open(io.BytesIO(picture.jpeg)).convert("RGB")).astype(int)
    spread = np.ptp(colours, axis=2)
    assert spread[:, :40].max() < 12
    assert spread[:, 60:].mean() > 50
    low, high = picture.span_um
    assert -3 <= low < -2.5
    assert 2.5 < high <= 3


def test_small_differences_do_not_look_large():
    field_map = FieldMap(np.full((4, 4), 0.3), np.ones((4, 4)))
    low, high = picture_of(np.ones((16, 16), np.uint8), field_map=field_map).span_um
    assert (low, high) == pytest.approx((-0.7, 1.3))
