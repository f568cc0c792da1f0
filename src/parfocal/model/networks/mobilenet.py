"""MobileNetV3-Small with one number as its answer, as Liao et al. (2022) focus with it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from parfocal.model.networks.standardise import standardise

# Kernel, expanded channels, output channels, squeeze-and-excite, hard swish instead of ReLU, stride.
BLOCKS = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)
"""Table 2 of Howard et al. (2019)."""
STEM, LAST, HIDDEN = 16, 576, 1024
SPREAD_BINS = 0.8
"""Width of the Gaussian that stands for the one number: wide enough to be well sampled by bins."""


class MobileNetV3(nn.Module):
    """MobileNetV3-Small (Howard et al. 2019) for grey frames, ending in one regressed number.

    Parameters
    ----------
    n_bins : int
        Number of z bins.

    Notes
    -----
    The number is a place among the bins, the first being -1 and the last 1. Its logits are those of a
    Gaussian of `SPREAD_BINS` around it, always equally wide: a regression does not know how sure it is. The
    cross entropy with a label just as wide is, but for a constant, the squared error of the number.
    """

    def __init__(self, *, n_bins: int) -> None:
        super().__init__()
        channels = [STEM, *(block[2] for block in BLOCKS)]
        self.features = nn.Sequential(
            *_convolution(1, STEM, kernel=3, stride=2, activation=nn.Hardswish),
            *(_InvertedResidual(n_in, *block) for n_in, block in zip(channels, BLOCKS, strict=False)),
            *_convolution(channels[-1], LAST, kernel=1, activation=nn.Hardswish),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Sequential(
            nn.Linear(LAST, HIDDEN), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(HIDDEN, 1)
        )
        self.register_buffer("bins", torch.arange(n_bins, dtype=torch.float32), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (N, bins) of frames (N, 1, Y, X) in grey values."""
        bins = self.get_buffer("bins")
        place = (1 + self.head(self.features(standardise(frames))).float()) * (len(bins) - 1) / 2
        logits: Tensor = -0.5 * ((bins - place) / SPREAD_BINS) ** 2
        return logits

    def outputs(self, frames: Tensor) -> dict[str, Tensor]:
        """``logits`` (N, bins), all that this network says."""
        return {"logits": self(frames)}


class _InvertedResidual(nn.Module):
    def __init__(
        self, n_in: int, kernel: int, n_wide: int, n_out: int, squeezes: bool, swishes: bool, stride: int
    ) -> None:
        super().__init__()
        activation = nn.Hardswish if swishes else nn.ReLU
        expand = _convolution(n_in, n_wide, kernel=1, activation=activation) if n_wide != n_in else []
        self.body = nn.Sequential(
            *expand,
            *_convolution(n_wide, n_wide, kernel=kernel, stride=stride, groups=n_wide, activation=activation),
            *([_SqueezeExcite(n_wide)] if squeezes else []),
            *_convolution(n_wide, n_out, kernel=1),
        )
        self.adds = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.adds else y


class _SqueezeExcite(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = _multiple_of_8(width // 4)
        self.squeeze, self.excite = nn.Conv2d(width, narrow, 1), nn.Conv2d(narrow, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.excite(torch.relu(self.squeeze(x.mean(dim=(-2, -1), keepdim=True))))
        return x * functional.hardsigmoid(scale)


def _convolution(
    n_in: int,
    n_out: int,
    *,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None = None,
) -> list[nn.Module]:
    convolution = nn.Conv2d(
        n_in, n_out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
    )
    # Momentum 0.1 instead of the original's 0.01: its running means need a thousand steps to arrive.
    layers: list[nn.Module] = [convolution, nn.BatchNorm2d(n_out, eps=1e-3)]
    return [*layers, activation()] if activation else layers


def _multiple_of_8(width: int) -> int:
    """The nearest multiple of 8 that is not more than a tenth below."""
    rounded = max(8, (width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded
