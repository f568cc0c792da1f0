"""Frames averaged to a coarser pixel: exact integrals over what each new pixel covers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from parfocal.data.area_mean import area_mean
from parfocal.data.sampling import area_resample
from parfocal.errors import DatasetError

TYPES = [np.uint8, np.uint16, np.float32]


def noise(shape: tuple[int, int], dtype: type) -> NDArray[Any]:
    full = 1000 if dtype is np.float32 else np.iinfo(dtype).max
    return np.random.default_rng(0).uniform(0, full, shape).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("scale", [1, 2, 4, 17])
def test_a_whole_scale_gives_means_of_squares(scale: int, dtype: type) -> None:
    frame = noise((5 * scale + scale // 2, 40 * scale), dtype)
    squares = frame[: 5 * scale].astype(np.float64).reshape(5, scale, 40, scale)
    np.testing.assert_allclose(area_mean(frame, scale=scale), squares.mean((1, 3)), rtol=1e-6)


@given(st.integers(20, 60), st.integers(20, 150), st.floats(1, 19), st.sampled_from(TYPES))
def test_any_scale_gives_what_training_crops_get(n_y: int, n_x: int, scale: float, dtype: type) -> None:
    frame = noise((n_y, n_x), dtype)
    expected = area_resample(torch.from_numpy(frame.astype(np.float32)), scale=scale).numpy()
    np.testing.assert_allclose(area_mean(frame, scale=scale), expected, rtol=2e-5, atol=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 16, 20, 2.3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sums_of_saturated_frames_do_not_overflow(dtype: type, scale: float) -> None:
    full = np.iinfo(dtype).max
    assert area_mean(np.full((40, 60), full, dtype), scale=scale) == pytest.approx(full)


def test_the_result_is_new_and_the_frame_stays() -> None:
    frame = noise((8, 12), np.float32)
    before = frame.copy()
    for scale in (1.0, 2.0, 1.5):
        area_mean(frame, scale=scale)[:] = 0
    np.testing.assert_array_equal(frame, before)


def test_a_view_of_any_strides_will_do() -> None:
    view = noise((80, 90), np.uint16)[::-2, ::3]
    for scale in (2.0, 2.5):
        np.testing.assert_array_equal(area_mean(view, scale=scale), area_mean(view.copy(), scale=scale))


@pytest.mark.parametrize(("shape", "scale"), [((10, 10), 0.5), ((3, 10), 4), ((0, 0), 1), ((10, 10), 0.0)])
def test_frames_that_cannot_be_averaged_are_refused(shape: tuple[int, int], scale: float) -> None:
    with pytest.raises(DatasetError, match=rf"scale {scale:g} and a frame of {shape[1]} x {shape[0]}"):
        area_mean(np.zeros(shape, np.uint8), scale=scale)
