"""Pictures of frames for a page: 8 bit, small enough to send, with the defocus map over them if wanted."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parfocal.web.field_map import FieldMap

LONGER_SIDE_PX = 640
QUALITY = 80
DARKEST, BRIGHTEST = 0.5, 99.5
"""Percentiles of a frame that become black and white."""
OPAQUE = 0.55
"""Of the map's colour where there is most to tell it by: cells stay visible under it."""
LEAST_SPAN_UM = 2.0
"""Of the colours: differences below the accuracy of a cell should not look like differences."""
PLASMA = np.array(
    [
        (13, 8, 135),
        (84, 2, 163),
        (139, 10, 165),
        (185, 50, 137),
        (219, 92, 104),
        (244, 136, 73),
        (254, 188, 43),
        (240, 249, 33),
    ],
    np.float64,
)
"""In order of brightness too, and apart for every kind of colour vision."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A JPEG, its width and height in pixels, and the defocus in um at the ends of its colours, if any."""

    jpeg: bytes
    width_px: int
    height_px: int
    span_um: tuple[float, float] | None = None


def picture_of(frame_yx: NDArray[Any], *, field_map: FieldMap | None = None) -> Picture:
    """A frame of shape (Y, X) in grey, with its map in colour where there is one."""
    grey = _grey(frame_yx)
    width_px, height_px = grey.size
    span_um = None
    if field_map is not None and np.isfinite(field_map.defocus_um).any():
        span_um = _span_um(field_map.defocus_um)
        colours = _colours(field_map, span_um).resize(grey.size, Image.Resampling.BILINEAR)
        grey = Image.alpha_composite(grey.convert("RGBA"), colours).convert("RGB")
    written = io.BytesIO()
    grey.save(written, "JPEG", quality=QUALITY)
    return Picture(written.getvalue(), width_px, height_px, span_um)


def _grey(frame_yx: NDArray[Any]) -> Image.Image:
    coarser = -(-max(frame_yx.shape) // LONGER_SIDE_PX)
    height, width = (side // coarser * coarser for side in frame_yx.shape)
    blocks = frame_yx[:height, :width].reshape(height // coarser, coarser, width // coarser, coarser)
    small = blocks.mean((1, 3), dtype=np.float32)
    low, high = np.percentile(small, (DARKEST, BRIGHTEST)).tolist()
    scaled = (small - low) * (255 / max(high - low, 1.0))
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8))


def _span_um(defocus_um: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(defocus_um[np.isfinite(defocus_um)], (2, 98)).tolist()
    missing = max(LEAST_SPAN_UM - (high - low), 0.0)
    return low - missing / 2, high + missing / 2


def _colours(field_map: FieldMap, span_um: tuple[float, float]) -> Image.Image:
    low, high = span_um
    is_told = np.isfinite(field_map.defocus_um)
    place = np.where(is_told, (field_map.defocus_um - low) / (high - low), 0.0).clip(0, 1)
    stops = np.linspace(0, 1, len(PLASMA))
    rgba = np.empty((*place.shape, 4), np.uint8)
    for channel in range(3):
        rgba[..., channel] = np.interp(place, stops, PLASMA[:, channel])
    rgba[..., 3] = np.where(is_told, 255 * OPAQUE * np.sqrt(field_map.strength.clip(0, 1)), 0)
    return Image.fromarray(rgba)
