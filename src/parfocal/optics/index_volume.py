"""The refractive index of a scene on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.errors import InputError
from parfocal.optics.scene import Ellipsoid, Pillar, Scene

SUBCOLUMNS = 2
"""Vertical lines per grid point and axis: at focus, one errs 8 % on a 0.16 um grid, two 4 %."""


@dataclass(frozen=True, eq=False)
class IndexVolume:
    """Refractive index on a grid, periodic in x and y.

    Attributes
    ----------
    delta_index : array, shape (slices, grid, grid), float32 or complex64
        Index above the medium's; slice 0 lies under the ceiling, where light enters. A positive imaginary
        part absorbs. Grid point i lies at ``i * field_um / grid``.
    field_um : float
        Side of the square field.
    height_um : float
        From the coverslip to the ceiling.
    medium_index : float

    Raises
    ------
    InputError
        If the array is no pile of squares, or of another type.
    """

    delta_index: NDArray[Any]
    field_um: float
    height_um: float
    medium_index: float

    def __post_init__(self) -> None:
        shape, kind = self.delta_index.shape, self.delta_index.dtype
        if len(shape) != 3 or 0 in shape or shape[1] != shape[2]:
            raise InputError(f"Expected an index volume of shape (slices, grid, grid), got {shape}.")
        if kind not in (np.float32, np.complex64):
            raise InputError(f"Expected an index volume of float32 or complex64, got {kind}.")

    @property
    def grid_px(self) -> int:
        """Grid points along a side of the field."""
        return int(self.delta_index.shape[-1])


def index_volume(scene: Scene, *, grid_px: int, n_slices: int) -> IndexVolume:
    """The refractive index of a scene.

    Notes
    -----
    Each vertical line cuts an ellipsoid in one segment, known in closed form, so the optical path of every
    line is exact whatever the thickness of a slice.
    """
    absorbs = bool(np.any(scene.ellipsoids.delta_index.imag != 0))
    from_floor = np.zeros((n_slices, grid_px, grid_px), np.complex64 if absorbs else np.float32)
    for pillar in scene.pillars:
        from_floor += _pillar_cover(pillar, scene.field_um, grid_px=grid_px)
    for ellipsoid in scene.ellipsoids:
        _add_ellipsoid(from_floor, ellipsoid, scene)
    from_ceiling = from_floor[::-1].copy()  # light meets the ceiling first
    return IndexVolume(from_ceiling, scene.field_um, scene.height_um, scene.medium_index)


def _pillar_cover(pillar: Pillar, field_um: float, *, grid_px: int) -> NDArray[np.float32]:
    axis_um = np.arange(grid_px) * field_um / grid_px
    dx = (axis_um - pillar.x_um + field_um / 2) % field_um - field_um / 2
    dy = (axis_um - pillar.y_um + field_um / 2) % field_um - field_um / 2
    outside_um = np.hypot(dx[None, :], dy[:, None]) - pillar.radius_um
    cover = np.clip(0.5 - outside_um * grid_px / field_um, 0, 1)  # one pixel of soft edge
    return (pillar.delta_index * cover).astype(np.float32)


def _add_ellipsoid(from_floor: NDArray[Any], ellipsoid: Ellipsoid, scene: Scene) -> None:
    n_slices, grid_px = from_floor.shape[:2]
    dx_um, slice_um = scene.field_um / grid_px, scene.height_um / n_slices
    middle_um, reach_um = ellipsoid.centre_um, ellipsoid.reach_um
    columns, x_um = _lines(middle_um[0], reach_um[0], dx_um=dx_um)
    rows, y_um = _lines(middle_um[1], reach_um[1], dx_um=dx_um)
    low_um, high_um = ellipsoid.vertical_cut(x_um[None, :], y_um[:, None])
    first = int(np.clip((middle_um[2] - reach_um[2]) // slice_um, 0, n_slices))
    last = int(np.clip((middle_um[2] + reach_um[2]) // slice_um + 1, 0, n_slices))
    where = np.ix_(rows % grid_px, columns % grid_px)
    delta_index = ellipsoid.delta_index if np.iscomplexobj(from_floor) else ellipsoid.delta_index.real
    for k in range(first, last):
        inside_um = np.minimum(high_um, (k + 1) * slice_um) - np.maximum(low_um, k * slice_um)
        filled = np.maximum(inside_um, 0) / slice_um
        filled = filled.reshape(len(rows), SUBCOLUMNS, len(columns), SUBCOLUMNS).mean(axis=(1, 3))
        from_floor[k][where] += (delta_index * filled).astype(from_floor.dtype)


def _lines(
    centre_um: float, reach_um: float, *, dx_um: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Grid points that a body reaches along one axis, and the positions of the lines that stand for them."""
    first = int(np.floor((centre_um - reach_um) / dx_um))
    points = np.arange(first, int(np.ceil((centre_um + reach_um) / dx_um)) + 1)
    within = (np.arange(SUBCOLUMNS) + 0.5) / SUBCOLUMNS - 0.5
    return points, ((points[:, None] + within) * dx_um).ravel()
