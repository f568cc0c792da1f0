"""The networks: the one of Wei & Roberts (2018), and FocusNetwork, small and fully convolutional."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from parfocal.settings import Settings


class NetworkSettings(Settings):
    """Which network, and how large.

    `input_px`, the side of the square input, is fixed for ``wei2018``; ``focus`` takes any size from
    `smallest_px` up. `widths` and `blocks` belong to ``focus``: channels and residual blocks of each stage,
    each stage at half the resolution of the one before.
    """

    architecture: Literal["focus", "wei2018"] = "focus"
    input_px: Annotated[int, Field(ge=50)] = 250
    literal_initialisation: bool = False
    widths: tuple[int, ...] = (16, 32, 64, 128)
    blocks: tuple[int, ...] = (0, 1, 2, 2)

    @property
    def smallest_px(self) -> int:
        """Side of the smallest frame that the network takes."""
        return self.input_px if self.architecture == "wei2018" else 2 ** (len(self.widths) + 1)


def build_network(settings: NetworkSettings, *, n_bins: int) -> FocusNetwork | Wei2018Network:
    """A network with fresh weights."""
    if settings.architecture == "wei2018":
        network = Wei2018Network(n_bins=n_bins, input_px=settings.input_px)
        if settings.literal_initialisation:
            network.initialise_as_published()
        return network
    return FocusNetwork(n_bins=n_bins, widths=settings.widths, blocks=settings.blocks)


def count_parameters(network: nn.Module) -> int:
    """Number of trainable numbers."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def standardise(frames: Tensor) -> Tensor:
    """Frames (N, 1, Y, X) with mean 0 and standard deviation 1 each; a blank frame becomes 0."""
    mean = frames.mean(dim=(-2, -1), keepdim=True)
    std = frames.std(dim=(-2, -1), keepdim=True)
    return (frames - mean) / (std + 1e-3 * mean.abs() + 1e-12)


class Wei2018Network(nn.Module):
    """The classifier of Wei & Roberts (2018), section 2.1 and figure 1a.

    Parameters
    ----------
    n_bins : int
        Number of z bins.
    input_px : int
        Side of the square input: 500, 250 or 100 for 1000 pixels downsampled 2X, 4X or 10X.

    Notes
    -----
    The scaling of the input is not published; frames are standardised, as the tutorials of that time did.
    Max-pooling before ReLU gives the same output as after it, and trains 1.5 times faster.
    """

    def __init__(self, *, n_bins: int, input_px: int) -> None:
        super().__init__()
        self.input_px = input_px
        self.pad = nn.ZeroPad2d((4, 5, 4, 5))  # "same" padding of an even kernel
        self.conv1 = nn.Conv2d(1, 32, 10)
        self.conv2 = nn.Conv2d(32, 64, 10)
        self.pool = nn.MaxPool2d(5, stride=5)
        self.dropout = nn.Dropout(0.5)
        self.fc1 = nn.Linear(64 * (input_px // 25) ** 2, 1024)
        self.fc2 = nn.Linear(1024, n_bins)

    def initialise_as_published(self) -> None:
        """Weights from a normal distribution of sd 0.1 cut at two sd, biases 0.1."""
        for layer in (self.conv1, self.conv2, self.fc1, self.fc2):
            nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
            nn.init.constant_(layer.get_parameter("bias"), 0.1)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (N, bins) of frames (N, 1, input_px, input_px) in grey values."""
        x = standardise(frames)
        x = torch.relu(self.pool(self.conv1(self.pad(x))))
        x = torch.relu(self.pool(self.conv2(self.pad(x))))
        x = self.dropout(torch.relu(self.fc1(x.flatten(1))))
        logits: Tensor = self.fc2(x)
        return logits


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

    def tiles(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, bins, y, x) and weights (N, 1, y, x) of each tile; the weights sum to 1."""
        out = self.head(self.features(standardise(frames))).float()
        weights = torch.softmax(out[:, -1:].flatten(2), dim=2).view_as(out[:, -1:])
        return out[:, :-1], weights

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (N, bins) of frames (N, 1, Y, X) in grey values."""
        logits, weights = self.tiles(frames)
        return (logits * weights).sum(dim=(-2, -1))


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
