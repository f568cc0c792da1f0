"""SpectralNetwork: 35 numbers that describe a frame, and a small network that reads them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from parfocal.model.networks.standardise import standardise

N_BANDS = 20
N_LEVELS = 5
N_NUMBERS = N_BANDS + 3 * N_LEVELS
HIDDEN = 128
_FLOOR = 1e-9
"""Keeps the logarithms of a blank frame finite; far below the power of a frame's noise."""


class SpectralNetwork(nn.Module):
    """What any network must beat: 20 powers and 15 moments of a frame, and two hidden layers.

    Parameters
    ----------
    n_bins : int
        Number of z bins.

    Notes
    -----
    The numbers are set to mean 0 and variance 1 by running statistics of the training frames. They describe
    whole frames: of small crops they scatter much more.
    """

    def __init__(self, *, n_bins: int) -> None:
        super().__init__()
        self.scaling = nn.BatchNorm1d(N_NUMBERS, affine=False)
        self.features = nn.Sequential(
            nn.Linear(N_NUMBERS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()
        )
        self.head = nn.Linear(HIDDEN, n_bins)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (N, bins) of frames (N, 1, Y, X) in grey values."""
        # Nothing to learn in front of the numbers, and bfloat16 would blur their logarithms.
        with torch.no_grad(), torch.autocast(frames.device.type, enabled=False):
            numbers = spectral_numbers(frames)
        logits: Tensor = self.head(self.features(self.scaling(numbers)))
        return logits

    def outputs(self, frames: Tensor) -> dict[str, Tensor]:
        """``logits`` (N, bins), all that this network says."""
        return {"logits": self(frames)}


def spectral_numbers(frames: Tensor) -> Tensor:
    """Numbers that describe frames whatever their gain.

    Parameters
    ----------
    frames : Tensor, shape (N, 1, Y, X)
        Grey values, 96 x 96 pixels at least.

    Returns
    -------
    Tensor, shape (N, N_NUMBERS)
        The logarithms of the mean power in `N_BANDS` rings of spatial frequency, equally wide up to the
        finest that pixels hold; then skewness, logarithm of the kurtosis and logarithm of the standard
        deviation of each of `N_LEVELS` octaves of detail, finest first.

    Notes
    -----
    The octaves are those of a Laplacian pyramid (Burt and Adelson 1983): each level is an image less its
    binomial blur, and what was blurred goes on at half the resolution.
    """
    image = standardise(frames.float())
    return torch.cat([_ring_powers(image), *(_moments(level) for level in _pyramid(image))], dim=1)


def _ring_powers(image: Tensor) -> Tensor:
    n_y, n_x = image.shape[-2:]
    window = torch.outer(*(torch.hann_window(n, periodic=False, device=image.device) for n in (n_y, n_x)))
    spectrum = torch.fft.rfft2(image[:, 0] * window, norm="ortho")
    power = spectrum.real.square() + spectrum.imag.square()
    f_y, f_x = torch.fft.fftfreq(n_y, device=image.device), torch.fft.rfftfreq(n_x, device=image.device)
    ring = (torch.hypot(f_y[:, None], f_x[None, :]) / 0.5 * N_BANDS).long().clamp(max=N_BANDS - 1)
    in_ring = functional.one_hot(ring.flatten(), N_BANDS).float()  # (frequencies, rings)
    return torch.log(power.flatten(1) @ (in_ring / in_ring.sum(0)) + _FLOOR)


def _pyramid(image: Tensor) -> list[Tensor]:
    levels = []
    for _ in range(N_LEVELS):
        blurred = _blurred(_blurred(image).transpose(-2, -1)).transpose(-2, -1)
        levels.append(image[..., 1:-1, 1:-1] - blurred)
        image = blurred[..., ::2, ::2]
    return levels


def _blurred(image: Tensor) -> Tensor:
    """Rows blurred by their neighbours with weights 1, 2, 1; shorter by the first and the last."""
    # Sums of slices: a convolution with one channel takes ten times as long.
    return (image[..., :-2, :] + image[..., 2:, :]) / 4 + image[..., 1:-1, :] / 2


def _moments(level: Tensor) -> Tensor:
    """Skewness, log kurtosis and log standard deviation of each image, shape (N, 3)."""
    x = level.flatten(1)
    x = x - x.mean(1, keepdim=True)
    squares = x * x
    variance = squares.mean(1) + _FLOOR
    skewness = (squares * x).mean(1) / variance**1.5
    kurtosis = (squares * squares).mean(1) / variance**2
    return torch.stack([skewness, torch.log(kurtosis + _FLOOR), 0.5 * torch.log(variance)], dim=1)
