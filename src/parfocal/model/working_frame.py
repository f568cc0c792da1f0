"""A camera frame as a network sees it: its centre cut out, averaged to the working pixel."""

from __future__ import annotations

import math
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from parfocal.data.area_mean import area_mean
from parfocal.errors import ModelError
from parfocal.model.networks import NetworkSettings

SAME_PIXEL = 0.01
"""Relative difference of pixel sizes that needs no resampling."""


def working_frame(
    frame_yx: NDArray[Any], *, scale: float, network: NetworkSettings, field_px: int | None = None
) -> Tensor:
    """A frame, shape (y, x), 32-bit floats, in grey values.

    Parameters
    ----------
    frame_yx : array, shape (Y, X), uint8, uint16 or float32
    scale : float
        Working pixel over camera pixel, at least 1.
    network : NetworkSettings
        ``wei2018`` takes the centre of the frame, the others all of it.
    field_px : int, optional
        See `field_of`.

    Raises
    ------
    ModelError
        If the field is smaller than the network's smallest input.
    """
    field = field_of(frame_yx, scale=scale, network=network, field_px=field_px)
    smallest = network.smallest_px
    if min(field.shape) / max(scale, 1.0) < smallest:
        raise ModelError(
            f"Expected a frame of at least {smallest} x {smallest} pixels after averaging {scale:.3g} X, "
            f"got {field.shape[1]} x {field.shape[0]} before it. Use a larger field of view."
        )
    image = area_mean(field, scale=scale if scale > 1 + SAME_PIXEL else 1.0)
    return torch.from_numpy(image if network.takes_any_size else image[:smallest, :smallest])


def field_of(
    frame_yx: NDArray[Any], *, scale: float, network: NetworkSettings, field_px: int | None = None
) -> NDArray[Any]:
    """The part of a camera frame that a network looks at: a view of its centre.

    Parameters
    ----------
    frame_yx : array, shape (Y, X)
    scale : float
        Working pixel over camera pixel.
    network : NetworkSettings
        ``wei2018`` takes a square of its own input, and no other field.
    field_px : int, optional
        Longest side of the field in camera pixels; the whole frame if not given.
    """
    if not network.takes_any_size:
        field_px = math.ceil(network.smallest_px * (scale if scale > 1 + SAME_PIXEL else 1.0) - 1e-6)
    if field_px is None:
        return frame_yx
    top, left = (max(length - field_px, 0) // 2 for length in frame_yx.shape)
    return frame_yx[top : top + field_px, left : left + field_px]
