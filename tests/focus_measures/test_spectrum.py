from __future__ import annotations

import numpy as np
import pytest
from measured_frames import cells
from numpy.typing import NDArray
from scipy import fft

from parfocal.focus_measures import dct_ratio, de_masilamani, frequency_band, wavelet_detail

SHAPES = [(16, 16), (15, 16), (16, 15), (15, 15)]


@pytest.mark.parametrize("shape", SHAPES)
def test_de_masilamani_counts_the_whole_fourier_plane(shape: tuple[int, int]) -> None:
    frame = np.random.default_rng(3).normal(1000, 1, shape)
    spectrum = np.abs(np.fft.fft2(frame))
    expected = np.mean(spectrum > spectrum.max() / 1000)
    assert 0 < expected < 1
    assert de_masilamani(frame[None])[0] == pytest.approx(expected)


def test_de_masilamani_of_a_grating_is_its_mean_and_two_orders() -> None:
    grating = 100 + 10 * np.cos(2 * np.pi * np.arange(16) / 4) * np.ones((16, 1))
    assert de_masilamani(grating[None])[0] == pytest.approx(3 / 256)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_band_is_that_of_the_spectrum_of_the_mirrored_frame(shape: tuple[int, int]) -> None:
    frame = cells()[: shape[0], : shape[1]] + np.random.default_rng(1).normal(0, 50, shape)
    mirrored = np.block([[frame, frame[:, ::-1]], [frame[::-1], frame[::-1, ::-1]]])
    energy = np.abs(np.fft.fft2(mirrored)) ** 2
    of_nyquist = np.hypot(*np.meshgrid(*(2 * np.fft.fftfreq(n) for n in mirrored.shape), indexing="ij"))
    within = (of_nyquist >= 0.21) & (of_nyquist < 0.73)
    got = frequency_band(frame[None], lowest=0.21, highest=0.73)[0]
    assert got == pytest.approx(energy[within].sum() / energy.sum())


@pytest.mark.parametrize(("period_px", "seen"), [(32, 0), (16, 1), (8, 1), (4.2, 1), (3, 0)])
def test_only_waves_within_the_band_count(period_px: float, seen: int) -> None:
    wave = np.cos(2 * np.pi * np.arange(512) / period_px) * np.ones((16, 1))
    share = frequency_band(1 + 0.1 * wave[None])[0]
    assert share == pytest.approx(seen * 0.1**2 / 2, rel=0.1, abs=1e-4)


def test_the_whole_plane_holds_all_of_the_energy() -> None:
    assert frequency_band(cells()[None], lowest=0.0, highest=2.0)[0] == pytest.approx(1)


def test_lamplight_that_falls_off_across_the_frame_is_no_detail() -> None:
    ramp = np.linspace(0.8, 1.2, 64) * np.ones((64, 1))
    spectrum = np.abs(np.fft.fft(ramp[0])) ** 2
    of_nyquist = 2 * np.abs(np.fft.fftfreq(64))
    with_jump = spectrum[(of_nyquist >= 0.1) & (of_nyquist < 0.5)].sum() / spectrum.sum()
    assert frequency_band(ramp[None])[0] < 0.05 * with_jump


@pytest.mark.parametrize("shape", [(8, 8), (19, 22), (5, 40)])
def test_dct_ratio_agrees_with_the_cosine_transform_of_every_block(shape: tuple[int, int]) -> None:
    frame = cells()[: shape[0], : shape[1]] + np.random.default_rng(2).normal(0, 50, shape)
    side = min(8, *shape)
    blocks = np.lib.stride_tricks.sliding_window_view(frame, (side, side))
    energy = (fft.dctn(blocks, axes=(2, 3), norm="ortho") ** 2).sum(axis=(0, 1))
    low = energy[0, 1] + energy[1, 0] + energy[1, 1] + energy[0, 2] + energy[2, 0]
    assert dct_ratio(frame[None])[0] == pytest.approx(low / energy[0, 0])


def test_dct_ratio_of_a_cosine_that_fits_the_block_is_half_its_squared_contrast() -> None:
    wave = np.cos(np.pi * 2 * (np.arange(8) + 0.5) / 8) * np.ones((8, 1))
    assert dct_ratio(1 + 0.3 * wave[None])[0] == pytest.approx(0.3**2 / 2)


def test_dct_ratio_leaves_out_the_finest_detail() -> None:
    alternating = 100 + 10 * (-1.0) ** np.arange(8) * np.ones((8, 1))
    assert dct_ratio(alternating[None])[0] < 0.05 * 0.1**2


def haar(frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decimated Haar transform of one level: LL, LH, HL, HH, shape (4, Y / 2, X / 2); even sizes only."""
    step = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    height, width = frame.shape
    blocks = frame.reshape(height // 2, 2, width // 2, 2)
    return np.einsum("ai,bj,yixj->abyx", step, step, blocks).reshape(4, height // 2, width // 2)


def test_wavelet_detail_agrees_with_the_haar_transforms_of_all_four_phases() -> None:
    frame = cells()[:17, :21] + np.random.default_rng(3).normal(0, 50, (17, 21))
    sums = sum(
        np.abs(haar(frame[dy : dy + 16, dx : dx + 20])).sum(axis=(1, 2)) for dy in (0, 1) for dx in (0, 1)
    )
    assert wavelet_detail(frame[None])[0] == pytest.approx(sums[1:].sum() / sums[0])


def test_wavelet_detail_of_a_ramp_is_its_step_over_twice_its_brightness() -> None:
    ramp = np.tile(np.arange(1.0, 6.0), (5, 1))  # HL 2 * 1 / 2, LL 2 * 3 on average
    assert wavelet_detail(ramp[None])[0] == pytest.approx(1 / 6)
