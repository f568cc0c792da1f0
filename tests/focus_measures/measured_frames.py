"""Frames that focus measures are tried on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def cells(*, seed: int = 0, blur_px: float = 1.0) -> NDArray[np.float64]:
    """A bright field with soft-edged discs, shape (Y, X), mean near 1000."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :72]
    frame = np.full((64, 72), 1000.0)
    for cy, cx, radius in generator.uniform((8, 8, 4), (56, 64, 8), (6, 3)):
        frame[np.hypot(y - cy, x - cx) < radius] += 200
    return ndimage.gaussian_filter(frame, blur_px)


def texture(*, seed: int = 0, blur_px: float = 1.0) -> NDArray[np.float64]:
    """A bright field with a speck in every pixel, shape (Y, X), mean near 1000."""
    return 1000 + ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 400, (64, 72)), blur_px)
