"""The first layer of every network: frames of any brightness and contrast become alike."""

from __future__ import annotations

from torch import Tensor


def standardise(frames: Tensor) -> Tensor:
    """Frames (N, 1, Y, X) with mean 0 and standard deviation 1 each; a blank frame becomes 0."""
    mean = frames.mean(dim=(-2, -1), keepdim=True)
    std = frames.std(dim=(-2, -1), keepdim=True)
    return (frames - mean) / (std + 1e-3 * mean.abs() + 1e-12)
