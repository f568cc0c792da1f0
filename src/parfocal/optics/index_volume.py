"""The refractive index of a scene on a grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from parfocal.errors import InputError
from parfocal.optics.bodies import Body
from parfocal.optics.scene import Scene

SUBCOLUMNS = 2
"""Vertical lines per grid point and axis."""


@dataclass(frozen=True, eq=False)
class IndexVolume:
    """Refractive index on a grid, periodic in x and y.

    Attributes
    ----------
    delta_index : array, shape (slices, Y, X), float32 or complex64
        Index above the medium's; slice 0 lies under the ceiling, where light enters. A positive imaginary
        part absorbs. Grid point i of n along an axis lies at ``i * field_um / n``.
    field_yx_um : tuple of float
        Height and width of the field.
    height_um : float
        From the coverslip to the ceiling.
    medium_index : float

    Raises
    ------
    InputError
        If the array is not of that shape or type.
    """

    delta_index: NDArray[Any]
    field_yx_um: tuple[float, float]
    height_um: float
    medium_index: float

    def __post_init__(self) -> None:
        shape, kind = self.delta_index.shape, self.delta_index.dtype
        if len(shape) != 3 or 0 in shape:
            raise InputError(f"Expected an index volume of shape (slices, Y, X), got {shape}.")
        if kind not in (np.float32, np.complex64):
            raise InputError(f"Expected an index volume of float32 or complex64, got {kind}.")

    @property
    def grid_yx(self) -> tuple[int, int]:
        """Grid points along the height and the width of the field."""
        return self.delta_index.shape[1], self.delta_index.shape[2]


def index_volume(scene: Scene, *, grid_yx: tuple[int, int], n_slices: int) -> IndexVolume:
    """The refractive index of a scene.

    Notes
    -----
    Each vertical line cuts a body in one segment, known in closed form, so the optical path of every line is
    exact whatever the thickness of a slice.
    """
    absorbs = any(complex(body.delta_index).imag for body in scene.bodies)
    from_floor = np.zeros((n_slices, *grid_yx), np.complex64 if absorbs else np.float32)
    for body in scene.bodies:
        _add_body(from_floor, body, scene)
    from_ceiling = from_floor[::-1].copy()  # light meets the ceiling first
    return IndexVolume(from_ceiling, scene.field_yx_um, scene.height_um, scene.medium_index)


def _add_body(from_floor: NDArray[Any], body: Body, scene: Scene) -> None:
    n_slices, *grid_yx = from_floor.shape
    slice_um = scene.height_um / n_slices
    (y_spacing_um, x_spacing_um) = (um / n for um, n in zip(scene.field_yx_um, grid_yx, strict=True))
    middle_um, reach_um = body.centre_um, body.reach_um
    columns, x_um = _lines(middle_um[0], reach_um[0], spacing_um=x_spacing_um)
    rows, y_um = _lines(middle_um[1], reach_um[1], spacing_um=y_spacing_um)
    low_um, high_um = body.vertical_cut(x_um[None, :], y_um[:, None])
    first = int(np.clip((middle_um[2] - reach_um[2]) // slice_um, 0, n_slices))
    last = int(np.clip((middle_um[2] + reach_um[2]) // slice_um + 1, 0, n_slices))
    where = np.ix_(rows % grid_yx[0], columns % grid_yx[1])
    delta_index = body.delta_index if np.iscomplexobj(from_floor) else complex(body.delta_index).real
    for k in range(first, last):
        inside_um = np.minimum(high_um, (k + 1) * slice_um) - np.maximum(low_um, k * slice_um)
        filled = np.maximum(inside_um, 0) / slice_um
        filled = filled.reshape(len(rows), SUBCOLUMNS, len(columns), SUBCOLUMNS).mean(axis=(1, 3))
        from_floor[k][where] += (delta_index * filled).astype(from_floor.dtype)


def _lines(
    centre_um: float, reach_um: float, *, spacing_um: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Grid points that a body reaches along one axis, and the positions of the lines that stand for them."""
    first = int(np.floor((centre_um - reach_um) / spacing_um))
    points = np.arange(first, int(np.ceil((centre_um + reach_um) / spacing_um)) + 1)
    within = (np.arange(SUBCOLUMNS) + 0.5) / SUBCOLUMNS - 0.5
    return points, ((points[:, None] + within) * spacing_um).ravel()


def sharpened(volume: IndexVolume) -> IndexVolume:
    """A volume of samples from one of means over grid cells, as `index_volume` gives.

    Notes
    -----
    The mean over a cell blurs what is near the grid's limit; dividing by its transfer function gives that
    back. On a 0.16 um grid this takes the error at focus from 4 % to 2 %.
    """
    spectrum = fft.fft2(volume.delta_index)
    down, across = (_transfer_of_mean(n) for n in volume.grid_yx)
    transfer = (down[:, None] * across).astype(np.float32)
    return _with_samples(volume, fft.ifft2(spectrum / transfer))


def _transfer_of_mean(n: int) -> NDArray[np.float64]:
    within = (np.arange(SUBCOLUMNS) + 0.5) / SUBCOLUMNS - 0.5
    return np.asarray(np.cos(2 * np.pi * np.fft.fftfreq(n)[:, None] * within).mean(axis=1))


def coarser(volume: IndexVolume, *, grid_yx: tuple[int, int], slices_joined: int) -> IndexVolume:
    """The same specimen with less detail: on a coarser grid, in thicker slices.

    Parameters
    ----------
    volume : IndexVolume
    grid_yx : tuple of int
        No finer than the volume's own; both axes even.
    slices_joined : int
        Slices that become one. Their number is a multiple of it.
    """
    joined = volume.delta_index.reshape(-1, slices_joined, *volume.grid_yx).mean(axis=1)
    keep = np.ix_(*(np.r_[: n // 2, -(n // 2) : 0] for n in grid_yx))
    spectrum = fft.fft2(joined, norm="forward")[:, *keep]
    return _with_samples(volume, fft.ifft2(spectrum, norm="forward"))


def _with_samples(volume: IndexVolume, samples: NDArray[np.complex64]) -> IndexVolume:
    kept = samples if np.iscomplexobj(volume.delta_index) else samples.real
    delta_index = np.ascontiguousarray(kept, dtype=volume.delta_index.dtype)
    return replace(volume, delta_index=delta_index)
