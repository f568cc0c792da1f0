"""What a network sees of a camera frame is what plain NumPy gives, whatever the camera's type."""

from __future__ import annotations

import numpy as np
import pytest
from small_world import RECIPE, WEI

from parfocal.errors import ModelError
from parfocal.model.working_frame import field_of, working_frame

FRAME = np.random.default_rng(0).integers(0, 256, (260, 300))


def plain(frame: np.ndarray, scale: int) -> np.ndarray:
    n_y, n_x = (length // scale for length in frame.shape)
    squares = frame[: n_y * scale, : n_x * scale].astype(np.float64).reshape(n_y, scale, n_x, scale)
    return squares.mean((1, 3))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_frame_of_any_type_is_averaged_as_by_hand(scale: int, dtype: type) -> None:
    seen = working_frame(FRAME.astype(dtype), scale=scale, network=RECIPE.network)
    np.testing.assert_allclose(seen.numpy(), plain(FRAME, scale), rtol=1e-6)


def test_pixels_that_are_nearly_the_same_are_left_alone() -> None:
    for scale in (0.995, 1.005):
        seen = working_frame(FRAME.astype(np.uint8), scale=scale, network=RECIPE.network)
        np.testing.assert_array_equal(seen.numpy(), FRAME)


def test_a_field_is_the_centre_and_is_cut_before_it_is_averaged() -> None:
    seen = working_frame(FRAME.astype(np.uint16), scale=2, network=RECIPE.network, field_px=100)
    np.testing.assert_allclose(seen.numpy(), plain(FRAME[80:180, 100:200], 2), rtol=1e-6)


def test_a_field_larger_than_the_frame_is_what_the_frame_has() -> None:
    seen = field_of(FRAME, scale=1, network=RECIPE.network, field_px=280)
    np.testing.assert_array_equal(seen, FRAME[:, 10:290])


@pytest.mark.parametrize("scale", [1, 1.7, 5])
def test_the_2018_network_gets_its_own_square_of_the_centre(scale: float) -> None:
    for field_px in (None, 70):
        field = field_of(FRAME, scale=scale, network=WEI.network, field_px=field_px)
        assert field.shape == (round(50 * scale),) * 2
    assert working_frame(FRAME.astype(np.uint8), scale=scale, network=WEI.network).shape == (50, 50)


def test_a_field_is_a_view() -> None:
    assert np.shares_memory(field_of(FRAME, scale=2, network=RECIPE.network, field_px=100), FRAME)


def test_a_field_that_is_too_small_is_refused_with_its_size() -> None:
    with pytest.raises(ModelError, match=r"at least 32 x 32 pixels after averaging 4 X, got 30 x 30 before"):
        working_frame(FRAME.astype(np.uint8), scale=4, network=RECIPE.network, field_px=30)
    with pytest.raises(
        ModelError, match=r"at least 50 x 50 pixels after averaging 6 X, got 300 x 260 before"
    ):
        working_frame(FRAME.astype(np.uint8), scale=6, network=WEI.network)
