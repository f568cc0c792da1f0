from __future__ import annotations

import numpy as np
import pytest
from measured_frames import cells
from scipy import signal

from parfocal.focus_measures import brenner, laplacian_energy, laplacian_variance, tenengrad


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


def test_laplacian_variance_agrees_with_a_plain_convolution() -> None:
    frame = cells()
    laplacian = signal.convolve2d(frame, [[0, 1, 0], [1, -4, 1], [0, 1, 0]], mode="same", boundary="symm")
    assert laplacian_variance(frame[None])[0] == pytest.approx(laplacian.var() / frame.mean() ** 2)


def test_laplacian_energy_agrees_with_a_plain_convolution() -> None:
    frame = cells()
    kernel = np.array([[1, 4, 1], [4, -20, 4], [1, 4, 1]]) / 6
    laplacian = signal.convolve2d(frame, kernel, mode="same", boundary="symm")
    assert laplacian_energy(frame[None])[0] == pytest.approx(np.mean(laplacian**2) / frame.mean() ** 2)


def test_laplacian_energy_of_a_speck_is_that_of_the_kernel() -> None:
    speck = np.full((7, 7), 100.0)
    speck[3, 3] += 6
    expected = (20**2 + 4 * 4**2 + 4 * 1**2) / speck.size / speck.mean() ** 2
    assert laplacian_energy(speck[None])[0] == pytest.approx(expected)


def test_laplacian_energy_is_the_same_in_all_directions() -> None:
    y, x = np.mgrid[:200, :200]
    level, diagonal = (
        100 + np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / 5) for angle in (0, np.pi / 4)
    )
    energy, variance = (
        measure(np.stack([level, diagonal])) for measure in (laplacian_energy, laplacian_variance)
    )
    assert abs(energy[1] / energy[0] - 1) < 0.05
    assert variance[1] / variance[0] > 1.1
