"""A scene: what lies in the chamber, as ellipsoids and pillars, and its refractive index on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Ellipsoids:
    """Ellipsoids that each add an amount of refractive index where they are.

    Attributes
    ----------
    centres_um : array, shape (N, 3)
        Centres as (x, y, height above the coverslip), in um.
    shapes : array, shape (N, 3, 3)
        Matrices A of ``(r - c)^T A (r - c) <= 1``, in 1/um**2.
    delta_index : array, shape (N,)
        Index added inside; complex for an absorbing body (positive imaginary part absorbs).
    """

    centres_um: NDArray[np.float64]
    shapes: NDArray[np.float64]
    delta_index: NDArray[np.complex128]

    def __len__(self) -> int:
        return len(self.centres_um)


@dataclass(frozen=True)
class Pillar:
    """A vertical cylinder from floor to ceiling; lengths in um."""

    x_um: float
    y_um: float
    radius_um: float
    delta_index: float


@dataclass(frozen=True, eq=False)
class Scene:
    """What lies in one periodic square field of view.

    Attributes
    ----------
    field_um : float
        Side of the field; the scene repeats beyond it.
    height_um : float
        Height of the chamber above the coverslip.
    medium_index : float
        Refractive index between the bodies.
    ellipsoids : Ellipsoids
        Cells and their parts.
    pillars : tuple of Pillar
    cells_xyh_um : array, shape (cells, 3)
        Centre of each cell: the ground truth for single-cell focus.
    focus_height_um : float
        Height that an annotator calls in focus: the mean mid-height of the cells on the floor.
    """

    field_um: float
    height_um: float
    medium_index: float
    ellipsoids: Ellipsoids
    pillars: tuple[Pillar, ...]
    cells_xyh_um: NDArray[np.float64]
    focus_height_um: float


def ellipsoid_shapes(semi_axes_um: NDArray[np.float64], yaw_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape matrices of ellipsoids turned about the vertical.

    Parameters
    ----------
    semi_axes_um : array, shape (N, 3)
        Semi-axes along the body's own x, y and height, in um.
    yaw_rad : array, shape (N,)
        Turn about the vertical.

    Returns
    -------
    array, shape (N, 3, 3)
    """
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    zero, one = np.zeros_like(c), np.ones_like(c)
    turn = np.array([[c, -s, zero], [s, c, zero], [zero, zero, one]]).transpose(2, 0, 1)
    shapes: NDArray[np.float64] = np.einsum("nij,nj,nkj->nik", turn, semi_axes_um**-2.0, turn)
    return shapes


def index_volume(scene: Scene, *, grid_px: int, n_slices: int) -> NDArray[Any]:
    """Refractive index above the medium's, shape (slices, grid, grid), slice 0 at the ceiling.

    Real 32-bit floats, or complex ones where something absorbs.

    Notes
    -----
    Each vertical line cuts an ellipsoid in one segment, known in closed form, so the optical path of every
    column is exact whatever the thickness of a slice. Light meets the ceiling first: slice 0 is the top.
    """
    absorbs = bool(np.any(scene.ellipsoids.delta_index.imag != 0))
    volume = np.zeros((n_slices, grid_px, grid_px), np.complex64 if absorbs else np.float32)
    dx_um = scene.field_um / grid_px
    slice_um = scene.height_um / n_slices
    for pillar in scene.pillars:
        volume += _pillar_cover(pillar, scene.field_um, grid_px=grid_px)
    for centre, shape, delta in zip(
        scene.ellipsoids.centres_um, scene.ellipsoids.shapes, scene.ellipsoids.delta_index, strict=True
    ):
        _add_ellipsoid(
            volume, centre, shape, delta if absorbs else delta.real, dx_um=dx_um, slice_um=slice_um
        )
    return volume[::-1].copy()


def _pillar_cover(pillar: Pillar, field_um: float, *, grid_px: int) -> NDArray[np.float32]:
    axis_um = np.arange(grid_px) * field_um / grid_px
    dx = (axis_um - pillar.x_um + field_um / 2) % field_um - field_um / 2
    dy = (axis_um - pillar.y_um + field_um / 2) % field_um - field_um / 2
    outside_um = np.hypot(dx[None, :], dy[:, None]) - pillar.radius_um
    cover = np.clip(0.5 - outside_um * grid_px / field_um, 0, 1)  # one pixel of soft edge
    return (pillar.delta_index * cover).astype(np.float32)


def _add_ellipsoid(
    volume_from_floor: NDArray[Any],
    centre_um: NDArray[np.float64],
    shape: NDArray[np.float64],
    delta: complex,
    *,
    dx_um: float,
    slice_um: float,
) -> None:
    n_slices, grid_px = volume_from_floor.shape[:2]
    reach_um = np.sqrt(np.diag(np.linalg.inv(shape)))  # half extents of the bounding box
    columns = [_span(centre_um[i], reach_um[i], dx_um) for i in (0, 1)]
    x = columns[0] * dx_um - centre_um[0]
    y = columns[1][:, None] * dx_um - centre_um[1]
    # a h**2 + 2 b h + c = 0 along the vertical through (x, y)
    a, b = shape[2, 2], shape[0, 2] * x + shape[1, 2] * y
    c = shape[0, 0] * x**2 + 2 * shape[0, 1] * x * y + shape[1, 1] * y**2 - 1
    half_um = np.sqrt(np.maximum(b**2 - a * c, 0)) / a
    middle_um = centre_um[2] - b / a
    low, high = middle_um - half_um, middle_um + half_um
    first = int(np.clip((centre_um[2] - reach_um[2]) // slice_um, 0, n_slices))
    last = int(np.clip((centre_um[2] + reach_um[2]) // slice_um + 1, 0, n_slices))
    rows = np.ix_(columns[1] % grid_px, columns[0] % grid_px)
    for k in range(first, last):
        inside_um = np.minimum(high, (k + 1) * slice_um) - np.maximum(low, k * slice_um)
        volume_from_floor[k][rows] += (delta * np.maximum(inside_um, 0) / slice_um).astype(
            volume_from_floor.dtype
        )


def _span(centre_um: float, reach_um: float, dx_um: float) -> NDArray[np.int64]:
    first = int(np.floor((centre_um - reach_um) / dx_um))
    return np.arange(first, int(np.ceil((centre_um + reach_um) / dx_um)) + 1)
