"""A scene: what lies in the chamber, as ellipsoids and pillars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """One of `Ellipsoids`: a body that adds an amount of refractive index where it is."""

    centre_um: NDArray[np.float64]
    shape: NDArray[np.float64]
    delta_index: np.complex128

    @property
    def reach_um(self) -> NDArray[np.float64]:
        """Half the sides of the upright box around the body, shape (3,), in um."""
        reach: NDArray[np.float64] = np.sqrt(np.diag(np.linalg.inv(self.shape)))
        return reach

    def vertical_cut(
        self, x_um: NDArray[np.float64], y_um: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest height of the body on vertical lines; equal where a line misses it."""
        A, x, y = self.shape, x_um - self.centre_um[0], y_um - self.centre_um[1]
        # a h**2 + 2 b h + c = 0 along the vertical through (x, y)
        a, b = A[2, 2], A[0, 2] * x + A[1, 2] * y
        c = A[0, 0] * x**2 + 2 * A[0, 1] * x * y + A[1, 1] * y**2 - 1
        half_um = np.sqrt(np.maximum(b**2 - a * c, 0)) / a
        middle_um = self.centre_um[2] - b / a
        return middle_um - half_um, middle_um + half_um


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

    def __iter__(self) -> Iterator[Ellipsoid]:
        for centre_um, shape, delta_index in zip(self.centres_um, self.shapes, self.delta_index, strict=True):
            yield Ellipsoid(centre_um, shape, delta_index)


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
