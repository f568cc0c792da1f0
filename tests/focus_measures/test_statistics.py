from __future__ import annotations

import numpy as np
import pytest
from measured_frames import cells, texture
from numpy.typing import NDArray
from scipy import signal, stats

from parfocal.focus_measures import FocusMeasure, entropy, normalised_variance, vollath_f4, vollath_f5


def test_normalised_variance_is_the_squared_coefficient_of_variation() -> None:
    frame = cells()
    assert normalised_variance(frame[None])[0] == pytest.approx((frame.std() / frame.mean()) ** 2)


def correlation(frame: NDArray[np.float64], *, dy: int, dx: int) -> float:
    """Mean product of what pixels so far apart lie above the mean, from the whole autocorrelation."""
    above = frame - frame.mean()
    height, width = frame.shape
    whole = signal.fftconvolve(above, above[::-1, ::-1])
    return float(whole[height - 1 + dy, width - 1 + dx] / ((height - dy) * (width - dx)))


def test_vollath_f4_is_the_fall_of_the_autocorrelation_from_one_pixel_to_two() -> None:
    frame = cells()
    near = correlation(frame, dy=1, dx=0) + correlation(frame, dy=0, dx=1)
    far = correlation(frame, dy=2, dx=0) + correlation(frame, dy=0, dx=2)
    assert vollath_f4(frame[None])[0] == pytest.approx((near - far) / frame.mean() ** 2)


def test_vollath_f5_is_the_autocorrelation_at_one_pixel() -> None:
    frame = cells()
    near = correlation(frame, dy=1, dx=0) + correlation(frame, dy=0, dx=1)
    assert vollath_f5(frame[None])[0] == pytest.approx(near / frame.mean() ** 2)


def test_vollaths_measures_of_a_wave_are_its_correlations() -> None:
    wave = 100 + 10 * np.cos(2 * np.pi * np.arange(600) / 6) * np.ones((50, 1))  # power 50; along y all alike
    near, far = np.cos(2 * np.pi / 6), np.cos(4 * np.pi / 6)
    assert vollath_f4(wave[None])[0] == pytest.approx(50 * (near - far) / 100**2, rel=0.01)
    assert vollath_f5(wave[None])[0] == pytest.approx(50 * (near + 1) / 100**2, rel=0.01)


@pytest.mark.parametrize("measure", [vollath_f4, vollath_f5])
def test_noise_of_single_pixels_adds_nothing_to_vollaths_measures(measure: FocusMeasure) -> None:
    frame = texture(blur_px=2.0)
    noise = np.random.default_rng(4).normal(0, frame.std() / 2, frame.shape)
    quiet, noisy, alone = measure(np.stack([frame, frame + noise, 1000 + noise]))
    assert noisy == pytest.approx(quiet, rel=0.15)
    assert alone < 0.1 * quiet


@pytest.mark.parametrize("measure", [vollath_f4, vollath_f5])
def test_pixels_that_alternate_score_nothing(measure: FocusMeasure) -> None:
    board = 100 + 10 * (-1.0) ** np.add.outer(np.arange(8), np.arange(8))
    assert measure(board[None]).tolist() == [0.0]


def test_entropy_of_equal_shares_is_the_logarithm_of_their_number() -> None:
    steps = 100 + 5 * np.arange(8.0) * np.ones((8, 1))  # eight grey values, 4 % of the mean apart
    assert entropy(steps[None])[0] == pytest.approx(3)


def test_entropy_agrees_with_that_of_a_histogram() -> None:
    frame = cells()
    edges = (np.arange(-200, 200) + 0.5) * 0.01 + 1
    counts, _ = np.histogram(frame / frame.mean(), bins=edges)
    assert counts.sum() == frame.size
    assert entropy(frame[None])[0] == pytest.approx(stats.entropy(counts, base=2))


def test_entropy_of_a_flat_frame_is_nothing_whatever_its_brightness() -> None:
    flat = np.stack([np.full((9, 11), grey) for grey in (0.1, 3.7, 100.0, 65535.0)])
    assert entropy(flat).tolist() == [0.0] * 4


def test_entropy_asks_for_many_grey_values_and_not_for_edges() -> None:
    sharp, blurred = entropy(np.stack([cells(blur_px=0.7), cells(blur_px=3.0)]))
    assert blurred > sharp
