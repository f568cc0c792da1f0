"""SmallNetwork: an anchor that stays as it is while FocusNetwork grows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from parfocal.model.networks.standardise import Standardise

WIDTHS = (16, 32, 64, 128)
BLOCKS = (0, 1, 2, 2)


class SmallNetwork(nn.Module):
    """A residual network whose tiles of 16 pixels all count alike.

    Parameters
    ----------
    n_bins : int
        Number of z bins.

    Notes
    -----
    A stem of 6 x 6 pixels and stride 2, stages of `WIDTHS` channels and `BLOCKS` residual blocks, each at
    half the resolution of the one before; logits for each tile, and their mean.
    """

    def __init__(self, *, n_bins: int) -> None:
        super().__init__()
        self.standardise = Standardise()
        layers: list[nn.Module] = _convolution(1, WIDTHS[0], kernel=6, padding=2)
        for k, (width, n_blocks) in enumerate(zip(WIDTHS, BLOCKS, strict=True)):
            if k > 0:
                layers += _convolution(WIDTHS[k - 1], width, kernel=3, padding=1)
            layers += [_Residual(width) for _ in range(n_blocks)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Conv2d(WIDTHS[-1], n_bins, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (N, bins) of frames (N, 1, Y, X) in grey values."""
        logits: Tensor = self.head(self.features(self.standardise(frames)))
        return logits.float().mean(dim=(-2, -1))

    def outputs(self, frames: Tensor) -> dict[str, Tensor]:
        """``logits`` (N, bins), all that this network says."""
        return {"logits": self(frames)}


def _convolution(n_in: int, n_out: int, *, kernel: int, padding: int) -> list[nn.Module]:
    convolution = nn.Conv2d(n_in, n_out, kernel, stride=2, padding=padding, bias=False)
    return [convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))
