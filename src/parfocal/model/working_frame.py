"""A camera frame as a network sees it: averaged to the working pixel, cropped to the input."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parfocal.data.sampling import area_resample
from parfocal.errors import ModelError
from parfocal.model.networks import NetworkSettings

SAME_PIXEL = 0.01
"""Relative difference of pixel sizes that needs no resampling."""


def working_frame(frame_yx: NDArray[Any], *, scale: float, network: NetworkSettings) -> Tensor:
    """A frame, shape (y, x), in grey values.

    Parameters
    ----------
    frame_yx : array, shape (Y, X)
    scale : float
        Working pixel over camera pixel, at least 1.
    network : NetworkSettings
        ``wei2018`` takes the centre of the frame, ``focus`` all of it.

    Raises
    ------
    ModelError
        If the frame is smaller than the network's smallest input.
    """
    image = torch.from_numpy(frame_yx.astype(np.float32))
    smallest = network.smallest_px
    if min(image.shape) / max(scale, 1.0) < smallest:
        raise ModelError(
            f"Expected a frame of at least {smallest} x {smallest} pixels after averaging {scale:.3g} X, "
            f"got {image.shape[1]} x {image.shape[0]} before it. Use a larger field of view."
        )
    if scale > 1 + SAME_PIXEL:
        image = area_resample(image, scale=scale)
    if network.architecture == "focus":
        return image
    top, left = (image.shape[0] - smallest) // 2, (image.shape[1] - smallest) // 2
    return image[top : top + smallest, left : left + smallest]
