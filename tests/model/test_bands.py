"""Band moments: alike for alike textures, and looks that stand for other microscopes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, zoom
from scipy.signal import fftconvolve
from torch import Tensor

from parfocal.model.networks.bands import TILE_PX, Bands, Look, looked_at, moments_of, numbers_of

BANDS = Bands(octaves=4, per_octave=2)


def texture(side_px: int = 128, *, seed: int = 0, grain_px: float = 2.0) -> Tensor:
    """Grey values (side, side) of bright and dark grains on a background of 1000."""
    noise = np.random.default_rng(seed).standard_normal((side_px, side_px)) ** 3
    shade = gaussian_filter(noise, grain_px, mode="wrap")
    return torch.from_numpy(1000 + 40 * shade / shade.std()).float()


def frame_numbers(frame: Tensor, look: Look | None = None, bands: Bands = BANDS) -> Tensor:
    """Numbers of a whole frame, shape (channels,)."""
    return numbers_of(moments_of(frame, bands, look=look or Look()).mean(0), bands)


@settings(max_examples=20, deadline=None)
@given(
    y_px=st.integers(32, 90),
    x_px=st.integers(32, 90),
    octaves=st.integers(2, 5),
    per_octave=st.integers(1, 4),
)
def test_any_frame_gives_as_many_channels_as_the_bands_say(
    y_px: int, x_px: int, octaves: int, per_octave: int
) -> None:
    bands = Bands(octaves, per_octave)
    moments = moments_of(texture()[:y_px, :x_px], bands)
    assert moments.shape == ((y_px // TILE_PX) * (x_px // TILE_PX), bands.n_channels)
    assert torch.isfinite(numbers_of(moments, bands)).all()


def test_brightness_and_gain_change_nothing() -> None:
    frame = texture()
    torch.testing.assert_close(frame_numbers(7.5 * frame), frame_numbers(frame), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_or_mirrored_frame_has_the_same_numbers(turns: int) -> None:
    frame = texture()
    for turned in (torch.rot90(frame, turns), torch.rot90(frame.T, turns)):
        torch.testing.assert_close(frame_numbers(turned), frame_numbers(frame), rtol=1e-3, atol=2e-3)


def test_inverted_contrast_turns_the_odd_moments_round_and_no_others() -> None:
    frame = texture()
    n, n_pairs = BANDS.count, len(BANDS.pairs)
    ours, inverted = frame_numbers(frame), frame_numbers(2 * frame.mean() - frame)
    sign = torch.ones(BANDS.n_channels)
    sign[2 * n - n : 2 * n] = -1  # skewness
    sign[4 * n : 4 * n + n_pairs] = -1  # a signed band with an amplitude
    torch.testing.assert_close(inverted, sign * ours, rtol=1e-3, atol=2e-3)


def test_a_wave_shows_in_the_band_of_its_frequency() -> None:
    bands = Bands(octaves=5, per_octave=3)
    x = torch.arange(256.0)
    for k in (0, 4, 9):
        frequency = 0.384 * 2 ** (-k / 3)
        frame = 1000 + 50 * torch.sin(2 * torch.pi * frequency * x)[None, :].expand(256, 256)
        contrasts = frame_numbers(frame, bands=bands)[-bands.count :]
        assert int(contrasts.argmax()) == k


def test_tiles_far_from_a_grain_know_nothing_of_it() -> None:
    frame = texture(grain_px=1.0) * 0 + 1000
    frame = frame + torch.from_numpy(np.random.default_rng(0).normal(0, 1, frame.shape)).float()
    frame[40:44, 40:44] += 300
    square = moments_of(frame, BANDS)[:, 0].view(8, 8)  # of the finest band
    assert int(square.argmax()) == 2 * square.shape[1] + 2
    assert square[2, 2] > 100 * square[6, 6]


def test_a_look_of_another_magnification_is_what_a_magnified_frame_shows() -> None:
    small = texture(160, grain_px=3.0)
    large = torch.from_numpy(zoom(small.numpy(), 1.2, order=3, mode="grid-wrap", grid_mode=True)).float()
    expected = frame_numbers(large)[-BANDS.count :]
    looked = frame_numbers(small, Look(magnification=1.2))[-BANDS.count :]
    plain = frame_numbers(small)[-BANDS.count :]
    assert (looked - expected).abs()[2:].max() < 0.18 < (plain - expected).abs()[2:].max()


def disc(radius_px: float) -> np.ndarray:
    """A kernel that blurs like a condenser of that radius, drawn ten times finer than the pixels."""
    fine = np.arange(-160, 160) + 0.5
    inside = (np.hypot(fine[:, None], fine[None, :]) <= 10 * radius_px).reshape(32, 10, 32, 10).sum((1, 3))
    return inside / inside.sum()


def test_a_look_of_another_condenser_is_what_a_wider_disc_blurs() -> None:
    sharp = texture(128, grain_px=1.5).numpy()
    narrow, wide = (
        torch.from_numpy(
            1000 + fftconvolve(np.pad(sharp - 1000, 16, mode="wrap"), disc(r), "same")[16:-16, 16:-16]
        )
        for r in (5.0, 6.0)
    )
    expected = frame_numbers(wide.float())
    looked = frame_numbers(narrow.float(), Look(condenser=1.2, blur_px=5.0))
    plain = frame_numbers(narrow.float())
    coarse = slice(BANDS.n_channels - 4, None)  # where both discs let something through
    assert (looked - expected)[coarse].abs().max() < 0.35 * (plain - expected)[coarse].abs().max()


def test_in_focus_the_condenser_does_not_show() -> None:
    torch.testing.assert_close(
        frame_numbers(texture(), Look(condenser=1.3, blur_px=0.0)), frame_numbers(texture()), rtol=0, atol=0
    )


@pytest.mark.parametrize("grey", [0.0, 1.0, 65535.0])
def test_a_blank_frame_has_finite_numbers(grey: float) -> None:
    assert torch.isfinite(frame_numbers(torch.full((64, 64), grey))).all()


def blob(sd_px: float, side_px: int = 96) -> torch.Tensor:
    away = torch.arange(side_px) - (side_px - 1) / 2
    line = torch.exp(-0.5 * (away / sd_px) ** 2)
    return 100 + 50 * line[:, None] * line


def test_another_magnification_is_seen_in_the_frame_itself() -> None:
    for magnification in (0.9, 1.2):
        looked = looked_at(blob(6.0), Look(magnification))
        assert (looked - blob(6.0 * magnification)).abs().max() < 0.5
    torch.testing.assert_close(looked_at(blob(6.0), Look()), blob(6.0))


def test_a_wider_condenser_blurs_what_is_out_of_focus_and_nothing_in_focus() -> None:
    sharp = blob(2.0)
    assert looked_at(sharp, Look(1.0, 1.3, blur_px=6.0)).std() < 0.97 * sharp.std()
    assert looked_at(sharp, Look(1.0, 0.8, blur_px=6.0)).std() > 1.01 * sharp.std()
    torch.testing.assert_close(looked_at(sharp, Look(1.0, 1.3, blur_px=0.0)), sharp)
