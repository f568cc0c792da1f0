"""The refractive index of a scene on a grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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

    @property
    def filled_slices(self) -> NDArray[np.int64]:
        """The slices with anything in them, from the ceiling down."""
        return np.flatnonzero(self.delta_index.any(axis=(1, 2)))

    @property
    def occupied_um(self) -> tuple[float, float]:
        """Lowest and highest that anything lies, from the coverslip; twice 0 where there is nothing."""
        filled, n_slices = self.filled_slices, len(self.delta_index)
        if len(filled) == 0:
            return 0.0, 0.0
        slice_um = self.height_um / n_slices
        return float((n_slices - 1 - filled[-1]) * slice_um), float((n_slices - filled[0]) * slice_um)


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
    below_um = [_mean_of_lines(np.clip(k * slice_um, low_um, high_um)) for k in range(first, last + 1)]
    for k, (below, above) in enumerate(pairwise(below_um), start=first):
        from_floor[k][where] += (delta_index / slice_um * (above - below)).astype(from_floor.dtype)


def _mean_of_lines(values: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = (n // SUBCOLUMNS for n in values.shape)
    parts = values.reshape(rows, SUBCOLUMNS, columns, SUBCOLUMNS)
    return (
        np.asarray(sum(parts[:, i, :, j] for i in range(SUBCOLUMNS) for j in range(SUBCOLUMNS)))
        / SUBCOLUMNS**2
    )


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
    down, across = (_transfer_of_mean(n) for n in volume.grid_yx)
    half = volume.grid_yx[1] // 2 + 1
    transfer = torch.from_numpy((down[:, None] * across[:half]).astype(np.float32))
    return _with_parts(volume, torch.fft.rfft2(_parts(volume)) / transfer, volume.grid_yx)


def _transfer_of_mean(n: int) -> NDArray[np.float64]:
    within = (np.arange(SUBCOLUMNS) + 0.5) / SUBCOLUMNS - 0.5
    return np.asarray(np.cos(2 * np.pi * np.fft.fftfreq(n)[:, None] * within).mean(axis=1))


def coarser(volume: IndexVolume, *, grid_yx: tuple[int, int], slices_joined: int) -> IndexVolume:
    """The same specimen with less detail: on a coarser grid, in thicker slices.

    Parameters
    ----------
    volume : IndexVolume
    grid_yx : tuple of int
        No finer than the volume's own; both even.
    slices_joined : int
        Slices that become one. Their number is a multiple of it.
    """
    parts = _parts(volume)
    joined = parts.reshape(len(parts), -1, slices_joined, *volume.grid_yx).mean(dim=2)
    (rows, columns), (own_rows, own_columns) = grid_yx, volume.grid_yx
    spectrum = torch.fft.rfft2(joined)
    kept = torch.cat([spectrum[..., : rows // 2, :], spectrum[..., own_rows - rows // 2 :, :]], dim=-2)
    scale = rows * columns / (own_rows * own_columns)
    return _with_parts(volume, kept[..., : columns // 2 + 1] * scale, grid_yx)


def _parts(volume: IndexVolume) -> Tensor:
    """Real part, and imaginary part where there is one, shape (1 or 2, slices, Y, X)."""
    delta_index = volume.delta_index
    parts = [delta_index.real, delta_index.imag] if np.iscomplexobj(delta_index) else [delta_index]
    return torch.from_numpy(np.stack(parts))


def _with_parts(volume: IndexVolume, spectrum: Tensor, grid_yx: tuple[int, int]) -> IndexVolume:
    parts = torch.fft.irfft2(spectrum, s=grid_yx).numpy()
    # Beside sharp edges samples swing below zero, and what absorbs must not amplify.
    delta_index = parts[0] if len(parts) == 1 else parts[0] + 1j * np.maximum(parts[1], 0)
    return replace(volume, delta_index=delta_index)
