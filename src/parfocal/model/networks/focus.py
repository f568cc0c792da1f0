"""FocusNetwork: small, fully convolutional, for frames of any size."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from parfocal.model.networks.standardise import Standardise


class FocusNetwork(nn.Module):
    """A small, fully convolutional network that takes frames of any size.

    Parameters
    ----------
    n_bins : int
        Number of z bins.
    widths : tuple of int
        Channels of each stage; the first stage has half the frame's resolution, each further one half again.
    blocks : tuple of int
        Residual blocks of each stage.

    Notes
    -----
    Each tile of the frame (16 pixels for four stages) gives logits over the bins and a weight; the frame's
    logits are the weighted mean of its tiles'. A tile without cells learns a small weight.
    """

    def __init__(
        self,
        *,
        n_bins: int,
        widths: tuple[int, ...] = (16, 32, 64, 128),
        blocks: tuple[int, ...] = (0, 1, 2, 2),
    ) -> None:
        super().__init__()
        self.standardise = Standardise()
        layers: list[nn.Module] = [
            nn.Conv2d(1, widths[0], 6, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        ]
        for k, (width, n_blocks) in enumerate(zip(widths, blocks, strict=True)):
            if k > 0:
                layers.append(_Downsample(widths[k - 1], width))
            layers += [_ResidualBlock(width) for _ in range(n_blocks)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Conv2d(widths[-1], n_bins + 1, 1)

    def outputs(self, frames: Tensor) -> dict[str, Tensor]:
        """All that the network says of frames (N, 1, Y, X) in grey values.

        Returns
        -------
        dict
            ``logits`` (N, bins); ``tile_logits`` (N, bins, y, x) and ``tile_weights`` (N, 1, y, x) of each
            tile, the weights summing to 1; ``features`` (N, channels), their weighted mean features.
        """
        features = self.features(self.standardise(frames))
        out = self.head(features).float()
        weights = torch.softmax(out[:, -1:].flatten(2), dim=2).view_as(out[:, -1:])
        return {
            "logits": (out[:, :-1] * weights).sum(dim=(-2, -1)),
            "tile_logits": out[:, :-1],
            "tile_weights": weights,
            "features": (features.float() * weights).sum(dim=(-2, -1)),
        }

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (N, bins) of frames (N, 1, Y, X) in grey values."""
        return self.outputs(frames)["logits"]


class _Downsample(nn.Sequential):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(
            nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
        )


class _ResidualBlock(nn.Module):
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
