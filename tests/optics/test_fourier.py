import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from parfocal.optics.fourier import crop_spectrum, fast_fft_size, fold_spectrum


@given(st.floats(min_value=1, max_value=3000))
def test_a_fast_size_is_even_has_small_factors_and_is_not_much_larger(least):
    size = fast_fft_size(least)
    assert least - 1e-6 <= size < 1.25 * least + 4
    assert size % 2 == 0
    for p in (2, 3, 5):
        while size % p == 0:
            size //= p
    assert size == 1


@pytest.mark.parametrize("coarser", [2, 3, 4])
def test_folding_a_spectrum_samples_the_field(coarser):
    field = torch.from_numpy(np.random.default_rng(0).standard_normal((24, 24)))
    folded = fold_spectrum(torch.fft.fft2(field, norm="forward"), (24 // coarser, 24 // coarser))
    sampled = torch.fft.irfft2(folded, s=(24 // coarser, 24 // coarser), norm="forward")
    torch.testing.assert_close(sampled, field[::coarser, ::coarser])


def test_folding_to_a_size_that_is_no_divisor_keeps_what_the_coarser_grid_holds():
    x = np.arange(30) / 30
    field = np.cos(2 * np.pi * 4 * x)[None, :] * np.ones((30, 1))
    folded = fold_spectrum(torch.fft.fft2(torch.from_numpy(field), norm="forward"), (15, 20))
    sampled = torch.fft.irfft2(folded, s=(15, 20), norm="forward")
    np.testing.assert_allclose(sampled[0], np.cos(2 * np.pi * 4 * np.arange(20) / 20), atol=1e-12)


def test_cropping_a_spectrum_keeps_a_band_limited_field():
    x = np.arange(30) / 30
    field = torch.from_numpy(np.exp(2j * np.pi * (3 * x[None, :] - 2 * x[:, None])))
    cropped = crop_spectrum(torch.fft.fft2(field, norm="forward"), (10, 10))
    coarse = torch.fft.ifft2(cropped, norm="forward")
    torch.testing.assert_close(coarse, field[::3, ::3])


def test_folding_to_a_finer_grid_interpolates():
    x = np.arange(20) / 20
    wave = np.cos(2 * np.pi * 3 * x)[None, :] * np.cos(2 * np.pi * 2 * x)[:, None]
    folded = fold_spectrum(torch.fft.fft2(torch.from_numpy(wave), norm="forward"), (50, 40))
    sampled = torch.fft.irfft2(folded, s=(50, 40), norm="forward").numpy()
    np.testing.assert_allclose(sampled[0], np.cos(2 * np.pi * 3 * np.arange(40) / 40), atol=1e-12)
    np.testing.assert_allclose(sampled[:, 0], np.cos(2 * np.pi * 2 * np.arange(50) / 50), atol=1e-12)
