from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, signal

from parfocal.errors import InputError
from parfocal.focus_measures import (
    FOCUS_MEASURES,
    brenner,
    de_masilamani,
    laplacian_variance,
    marr_hildreth,
    normalised_variance,
    tenengrad,
)

SHIFTS_DILUTE = ("brenner", "tenengrad", "normalised_variance", "laplacian_variance")
every_measure = pytest.mark.parametrize("name", FOCUS_MEASURES)


def cells(*, seed: int = 0, blur_px: float = 1.0) -> NDArray[np.float64]:
    """A bright field with soft-edged discs, shape (Y, X), mean near 1000."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :72]
    frame = np.full((64, 72), 1000.0)
    for cy, cx, radius in generator.uniform((8, 8, 4), (56, 64, 8), (6, 3)):
        frame[np.hypot(y - cy, x - cx) < radius] += 200
    return ndimage.gaussian_filter(frame, blur_px)


@every_measure
def test_a_score_is_one_finite_number_for_each_frame_and_the_frames_stay_as_they_were(name: str) -> None:
    frames = np.stack([cells(seed=seed) for seed in range(3)]).astype(np.uint16)
    before = frames.copy()
    scores = FOCUS_MEASURES[name](frames)
    assert scores.shape == (3,)
    assert scores.dtype == np.float64
    assert np.all(np.isfinite(scores) & (scores > 0))
    np.testing.assert_array_equal(frames, before)


@every_measure
def test_a_frame_scores_the_same_alone_and_in_a_stack(name: str) -> None:
    frames = np.stack([cells(seed=seed) for seed in range(3)])
    alone = [FOCUS_MEASURES[name](frame[None])[0] for frame in frames]
    np.testing.assert_array_equal(FOCUS_MEASURES[name](frames), alone)


@every_measure
def test_a_brighter_lamp_does_not_change_the_score(name: str) -> None:
    dim, bright = FOCUS_MEASURES[name](np.stack([cells(), 3.7 * cells()]))
    assert bright == pytest.approx(dim, rel=1e-3)


@every_measure
@pytest.mark.parametrize("turned", [np.rot90, np.flipud, np.fliplr, np.transpose])
def test_turning_or_mirroring_the_frame_does_not_change_the_score(
    name: str, turned: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    upright, other = (float(FOCUS_MEASURES[name](frame[None])[0]) for frame in (cells(), turned(cells())))
    assert other == pytest.approx(upright, rel=1e-6)


@every_measure
def test_a_sharp_frame_beats_a_blurred_one(name: str) -> None:
    scores = FOCUS_MEASURES[name](np.stack([cells(blur_px=blur) for blur in (0.7, 1.5, 3.0, 6.0)]))
    assert np.all(np.diff(scores) < 0)


@every_measure
def test_the_type_of_the_grey_values_does_not_matter(name: str) -> None:
    whole = np.rint(cells()[None] / 8)
    scores = [FOCUS_MEASURES[name](whole.astype(kind))[0] for kind in (np.uint8, np.uint16, np.float32)]
    assert scores == pytest.approx([scores[0]] * 3)


@every_measure
def test_a_black_frame_scores_nothing(name: str) -> None:
    assert FOCUS_MEASURES[name](np.zeros((2, 8, 8), np.uint8)).tolist() == [0.0, 0.0]


@every_measure
@pytest.mark.parametrize("shape", [(8, 8), (1, 2, 8), (1, 8, 2)])
def test_frames_of_another_shape_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"shape \(Z, Y, X\)"):
        FOCUS_MEASURES[name](np.ones(shape))


@pytest.mark.parametrize("name", SHIFTS_DILUTE)
def test_stray_light_only_dilutes_the_score(name: str) -> None:
    clean, stray = cells(), cells() + 500
    scores = FOCUS_MEASURES[name](np.stack([clean, stray]))
    assert scores[0] * clean.mean() ** 2 == pytest.approx(scores[1] * stray.mean() ** 2)


def test_brenner_of_a_ramp_is_the_squared_step_over_two_pixels() -> None:
    ramp = np.tile(np.arange(1.0, 6.0), (5, 1))  # 2**2 along x, nothing along y, mean 3
    assert brenner(ramp[None])[0] == pytest.approx(4 / 9)


def test_tenengrad_of_a_ramp_is_sobels_squared_slope() -> None:
    ramp = np.tile(np.arange(1.0, 8.0), (5, 1))  # slope 8 within, 4 at both ends by reflection, mean 4
    assert tenengrad(ramp[None])[0] == pytest.approx((5 * 64 + 2 * 16) / 7 / 16)


def test_tenengrad_agrees_with_a_plain_convolution() -> None:
    frame = cells()
    kernel = np.outer([1, 2, 1], [1, 0, -1])
    along = [signal.convolve2d(frame, k, mode="same", boundary="symm") for k in (kernel, kernel.T)]
    expected = np.mean(along[0] ** 2 + along[1] ** 2) / frame.mean() ** 2
    assert tenengrad(frame[None])[0] == pytest.approx(expected)


def test_normalised_variance_is_the_squared_coefficient_of_variation() -> None:
    frame = cells()
    assert normalised_variance(frame[None])[0] == pytest.approx((frame.std() / frame.mean()) ** 2)


def test_laplacian_variance_agrees_with_a_plain_convolution() -> None:
    frame = cells()
    laplacian = signal.convolve2d(frame, [[0, 1, 0], [1, -4, 1], [0, 1, 0]], mode="same", boundary="symm")
    assert laplacian_variance(frame[None])[0] == pytest.approx(laplacian.var() / frame.mean() ** 2)


@pytest.mark.parametrize("shape", [(16, 16), (15, 16), (16, 15), (15, 15)])
def test_de_masilamani_counts_the_whole_fourier_plane(shape: tuple[int, int]) -> None:
    frame = np.random.default_rng(3).normal(1000, 1, shape)
    spectrum = np.abs(np.fft.fft2(frame))
    expected = np.mean(spectrum > spectrum.max() / 1000)
    assert 0 < expected < 1
    assert de_masilamani(frame[None])[0] == pytest.approx(expected)


def test_de_masilamani_of_a_grating_is_its_mean_and_two_orders() -> None:
    grating = 100 + 10 * np.cos(2 * np.pi * np.arange(16) / 4) * np.ones((16, 1))
    assert de_masilamani(grating[None])[0] == pytest.approx(3 / 256)


def test_marr_hildreth_finds_one_crossing_in_each_row_of_a_step() -> None:
    step = np.where(np.arange(20) < 10, 100.0, 120.0) * np.ones((12, 1))
    pairs = 11 * 20 + 12 * 19
    assert marr_hildreth(step[None])[0] == pytest.approx(12 / pairs)


def test_marr_hildreth_takes_camera_noise_for_no_edge() -> None:
    noise = np.random.default_rng(5).normal(1000, 10, (1, 64, 64))
    assert marr_hildreth(noise)[0] < 0.01
    assert marr_hildreth(noise, threshold=0)[0] > 0.1
