"""The first layer of every network: frames of any brightness and contrast become alike."""

from __future__ import annotations

from torch import Tensor, nn


def standardise(frames: Tensor) -> Tensor:
    """Frames (N, 1, Y, X) with mean 0 and standard deviation 1 each; a blank frame becomes 0."""
    mean = frames.mean(dim=(-2, -1), keepdim=True)
    std = frames.std(dim=(-2, -1), keepdim=True)
    return (frames - mean) / (std + 1e-3 * mean.abs() + 1e-12)


class Standardise(nn.Module):
    """`standardise` as a layer.

    Networks keep it as their attribute ``standardise``, so that a back end that rounds its numbers can take
    it off and do it in full precision: in bfloat16 a background of 30000 has steps of 128 grey values.
    """

    def forward(self, frames: Tensor) -> Tensor:
        """See `standardise`."""
        return standardise(frames)
