"""Periodic grids and their Fourier coefficients: sizes, frequencies, cropping, folding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

Shape = tuple[int, int]
"""Rows and columns."""


def fast_fft_size(least: float) -> int:
    """The smallest even size of the form ``2**a 3**b 5**c`` that is at least `least`.

    Examples
    --------
    >>> fast_fft_size(383.2), fast_fft_size(329)
    (384, 360)
    """
    size = int(np.ceil(least - 1e-9))
    while size % 2 or _without_small_factors(size) > 1:
        size += 1
    return size


def fast_fft_shape(least_yx: tuple[float, float]) -> Shape:
    """Rows and columns that are `fast_fft_size` of the least ones."""
    return fast_fft_size(least_yx[0]), fast_fft_size(least_yx[1])


def _without_small_factors(n: int) -> int:
    for p in (2, 3, 5):
        while n % p == 0:
            n //= p
    return n


def frequencies(
    shape_yx: Shape, field_yx_um: tuple[float, float], *, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Frequencies of the coefficients along y, shape (Y, 1), and along x, shape (1, X), in 1/um."""
    fy, fx = (
        torch.fft.fftfreq(n, d=1 / n, device=device, dtype=torch.float64) / field_um
        for n, field_um in zip(shape_yx, field_yx_um, strict=True)
    )
    return fy[:, None], fx[None, :]


def crop_spectrum(spectrum: Tensor, shape_yx: Shape) -> Tensor:
    """The coefficients (..., Y, X) of lowest frequency: the same field on a coarser grid."""
    if spectrum.shape[-2:] == shape_yx:
        return spectrum
    rows, columns = (_lowest(n, device=spectrum.device) for n in shape_yx)
    return spectrum[..., rows, :][..., columns]


def _lowest(n: int, *, device: torch.device) -> Tensor:
    half = n // 2
    return torch.cat([torch.arange(half), torch.arange(half - n, 0)]).to(device)


def fold_spectrum(spectrum: Tensor, shape_yx: Shape) -> Tensor:
    """Coefficients of a real field that is sampled on another grid, as `torch.fft.irfft2` takes them.

    Parameters
    ----------
    spectrum : Tensor, shape (M, N)
        All coefficients of the field.
    shape_yx : Shape
        Rows Y and columns X of the other grid.

    Returns
    -------
    Tensor, shape (Y, X // 2 + 1)

    Notes
    -----
    Frequencies beyond a coarser grid's limit come back as lower ones, as on a camera.
    """
    rows, columns = (
        torch.fft.fftfreq(n, d=1 / n, device=spectrum.device).round().long() % size
        for n, size in zip(spectrum.shape, shape_yx, strict=True)
    )
    half = shape_yx[1] // 2 + 1
    kept = columns < half  # the others are complex conjugates of these
    folded = spectrum.new_zeros(shape_yx[0], int(kept.sum())).index_add_(0, rows, spectrum[:, kept])
    return folded.new_zeros(shape_yx[0], half).index_add_(1, columns[kept], folded)


def unit_wave(phase_rad: Tensor) -> Tensor:
    """``exp(i phase)`` of double-precision phases, complex64; ten times faster than a complex exponential."""
    within = torch.remainder(phase_rad, 2 * np.pi).to(torch.float32)
    return torch.complex(torch.cos(within), torch.sin(within))
