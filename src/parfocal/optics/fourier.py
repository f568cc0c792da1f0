"""Periodic square grids and their Fourier coefficients: sizes, frequencies, cropping, folding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


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


def _without_small_factors(n: int) -> int:
    for p in (2, 3, 5):
        while n % p == 0:
            n //= p
    return n


def squared_frequencies(grid_px: int, field_um: float, *, device: torch.device) -> Tensor:
    """``|f|**2`` of each coefficient, shape (grid, grid), in 1/um**2."""
    f = torch.fft.fftfreq(grid_px, d=field_um / grid_px, device=device, dtype=torch.float64)
    squared: Tensor = f[:, None] ** 2 + f[None, :] ** 2
    return squared


def crop_spectrum(spectrum: Tensor, size: int) -> Tensor:
    """The coefficients (..., size, size) of lowest frequency: the same field on a coarser grid."""
    half = size // 2
    keep = torch.cat([torch.arange(half), torch.arange(half - size, 0)]).to(spectrum.device)
    return spectrum[..., keep, :][..., keep]


def fold_spectrum(spectrum: Tensor, size: int) -> Tensor:
    """Coefficients (size, size) of a field (M, M) that is sampled on a coarser grid.

    Frequencies beyond the coarser grid's limit come back as lower ones, as on a camera.
    """
    target = torch.fft.fftfreq(len(spectrum), d=1 / len(spectrum), device=spectrum.device).long() % size
    rows = spectrum.new_zeros(size, len(spectrum)).index_add_(0, target, spectrum)
    return rows.new_zeros(size, size).index_add_(1, target, rows)
