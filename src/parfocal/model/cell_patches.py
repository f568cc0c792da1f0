"""Patches about single cells whose heights are known, and about places where there is nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from parfocal.data.cells import Cells
from parfocal.errors import DatasetError
from parfocal.model.networks import Bands
from parfocal.model.networks.bands import frame_numbers, moments_of
from parfocal.model.networks.cell_reader import PATCH_PX
from parfocal.model.networks.flat_field import gains_at, light_of
from parfocal.settings import Settings
from parfocal.zstack import ZStack

HALF_PX = PATCH_PX // 2
FREE_PX = 10
"""A place is empty where no cell's edge is nearer than that."""
_TRIES = 12
"""Places looked at for an empty one."""


class CellSettings(Settings):
    """How a network learns the heights of single cells, see `parfocal.model.networks.CellReader`.

    Attributes
    ----------
    steps, batch_size : int
    learning_rate : float
        At its highest.
    label_sigma_um : float
    empty : float
        Share of patches in which there is no cell.
    smallest_radius_px : float
        Of a cell that can be told.
    jitter_px : int
        How far from its middle a patch may show a cell.
    contrast, noise : float
        Standard deviation of the logarithm of the contrast; largest noise, in standard deviations of a frame.
    """

    steps: Annotated[int, Field(ge=1)] = 10_000
    batch_size: Annotated[int, Field(ge=1)] = 256
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    label_sigma_um: Annotated[float, Field(gt=0)] = 0.6
    empty: Annotated[float, Field(ge=0, lt=1)] = 0.2
    smallest_radius_px: Annotated[float, Field(ge=0)] = 1.5
    jitter_px: Annotated[int, Field(ge=0)] = 4
    contrast: Annotated[float, Field(ge=0)] = 0.1
    noise: Annotated[float, Field(ge=0)] = 0.05


class Place(NamedTuple):
    """A pixel of a frame, and the defocus in um of the cell there; NaN where there is none."""

    y_px: int
    x_px: int
    defocus_um: float


class PatchBatch(NamedTuple):
    """Patches of single places.

    Attributes
    ----------
    contrast : Tensor, shape (N, 1, 72, 72)
        In standard deviations of the frame.
    numbers : Tensor, shape (N, n)
        That describe the frame as a whole.
    defocus_um : Tensor, shape (N,)
        Of the cell; NaN where there is none.
    """

    contrast: Tensor
    numbers: Tensor
    defocus_um: Tensor


class PatchSampler:
    """Draws batches of patches; each batch is a pure function of the seed and the step.

    Parameters
    ----------
    stacks : sequence of ZStack
        Of the working pixel.
    cells : sequence of Cells
        Of each stack.
    settings : CellSettings
    bands : Bands
        For the numbers that describe a frame as a whole.
    reach_um : float
        Cells within so much of their focus are drawn.
    seed : int

    Raises
    ------
    DatasetError
        If there is no such cell.
    """

    def __init__(
        self,
        stacks: Sequence[ZStack],
        cells: Sequence[Cells],
        *,
        settings: CellSettings,
        bands: Bands,
        reach_um: float,
        seed: int,
    ) -> None:
        self._stacks = tuple(stacks)
        self._cells = tuple(
            _large(of_stack, stack, settings) for of_stack, stack in zip(cells, stacks, strict=True)
        )
        self._settings, self._bands, self._reach_um, self._seed = settings, bands, reach_um, seed
        self._planes = [(k, plane) for k, stack in enumerate(stacks) for plane in range(stack.n_planes)]
        self._frames: dict[int, _Seen] = {}
        if not any(
            (np.abs(stack.z_um[:, None] - of_stack.focus_z_um) <= reach_um).any()
            for stack, of_stack in zip(self._stacks, self._cells, strict=True)
        ):
            raise DatasetError(
                f"Expected cells within {reach_um:g} um of their focus to learn from; the table has none."
            )

    def batch(self, step: int, *, size: int) -> PatchBatch:
        """So many patches: the same step gives the same ones."""
        generator = np.random.default_rng([self._seed, step])
        patches: list[tuple[NDArray[np.float32], Tensor, float]] = []
        while len(patches) < size:
            frame = int(generator.integers(len(self._planes)))
            place = self._place(frame, generator)
            if place is not None:
                patches.append(self._patch(frame, place, generator))
        contrast, numbers, defocus_um = zip(*patches, strict=True)
        return PatchBatch(
            torch.from_numpy(np.stack(contrast))[:, None],
            torch.stack(numbers),
            torch.tensor(defocus_um, dtype=torch.float32),
        )

    def _place(self, frame: int, generator: np.random.Generator) -> Place | None:
        """A cell of a frame, or an empty place; None where there is no such."""
        number, plane = self._planes[frame]
        stack, cells = self._stacks[number], self._cells[number]
        if generator.random() < self._settings.empty:
            return _empty_place(stack, cells, generator)
        defocus_um = float(stack.z_um[plane]) - cells.focus_z_um
        near = np.flatnonzero(np.abs(defocus_um) <= self._reach_um)
        if not len(near):
            return None
        k = int(generator.choice(near))
        aside_px = generator.integers(-self._settings.jitter_px, self._settings.jitter_px, 2, endpoint=True)
        y_px, x_px = (
            min(max(round(float(at_um[k]) / stack.pixel_size_um) + int(aside), 0), side - 1)
            for at_um, aside, side in zip(
                (cells.y_um, cells.x_um), aside_px, stack.frame_shape_yx, strict=True
            )
        )
        return Place(y_px, x_px, float(defocus_um[k]))

    def _patch(
        self, frame: int, place: Place, generator: np.random.Generator
    ) -> tuple[NDArray[np.float32], Tensor, float]:
        number, plane = self._planes[frame]
        frame_yx, settings = self._stacks[number].frames_zyx[plane], self._settings
        seen = self._described(frame)
        rows, columns = _about(place, frame_yx.shape)
        cut = frame_yx[np.ix_(rows, columns)].astype(np.float32) * seen.gains(rows, columns)
        patch = (cut - np.float32(seen.mean)) / np.float32(seen.sd)
        more = generator.normal(0, settings.contrast)
        grain = generator.uniform(0, settings.noise) * generator.standard_normal(patch.shape, np.float32)
        changed = seen.numbers.clone()
        changed[-self._bands.count :] += more
        return _turned(patch + grain.astype(np.float32), generator), changed, place.defocus_um

    def _described(self, frame: int) -> _Seen:
        """What is known of a frame: made once, 3 ms each."""
        if frame not in self._frames:
            number, plane = self._planes[frame]
            frame_yx = torch.from_numpy(self._stacks[number].frames_zyx[plane].astype(np.float32))
            self._frames[frame] = _seen(frame_yx, self._bands)
        return self._frames[frame]


@dataclass(frozen=True, eq=False)
class _Seen:
    """A frame as a whole: mean and standard deviation in even light, its numbers, and the light it is in."""

    mean: float
    sd: float
    numbers: Tensor
    shape_yx: tuple[int, int]
    raw_mean: float
    light: Tensor | None

    def gains(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32] | np.float32:
        """What to multiply the pixels of some rows and columns by, to see them in even light."""
        if self.light is None:
            return np.float32(1)
        at = (torch.from_numpy(rows).float(), torch.from_numpy(columns).float())
        gains: NDArray[np.float32] = gains_at(
            self.light, *at, shape_yx=self.shape_yx, mean=self.raw_mean
        ).numpy()
        return gains


def _seen(frame_yx: Tensor, bands: Bands) -> _Seen:
    even_yx = bands.even(frame_yx)
    return _Seen(
        mean=float(even_yx.mean()),
        sd=max(float(even_yx.std()), 1e-6),
        numbers=frame_numbers(moments_of(even_yx, bands), bands),
        shape_yx=(frame_yx.shape[0], frame_yx.shape[1]),
        raw_mean=float(frame_yx.mean()),
        light=light_of(frame_yx) if bands.flat_field else None,
    )


def _large(cells: Cells, stack: ZStack, settings: CellSettings) -> Cells:
    """Those that can be told, with their middles in the frame."""
    height_um, width_um = (side * stack.pixel_size_um for side in stack.frame_shape_yx)
    inside = (cells.x_um >= 0) & (cells.x_um < width_um) & (cells.y_um >= 0) & (cells.y_um < height_um)
    return cells.where(inside & (cells.radius_um >= settings.smallest_radius_px * stack.pixel_size_um))


def _empty_place(stack: ZStack, cells: Cells, generator: np.random.Generator) -> Place | None:
    y_px, x_px = (generator.integers(side, size=_TRIES) for side in stack.frame_shape_yx)
    free_um = FREE_PX * stack.pixel_size_um
    for y, x in zip(y_px.tolist(), x_px.tolist(), strict=True):
        away_um = np.hypot(cells.y_um - y * stack.pixel_size_um, cells.x_um - x * stack.pixel_size_um)
        if (away_um > cells.radius_um + free_um).all():
            return Place(y, x, math.nan)
    return None


def _about(place: Place, shape_yx: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the patch about a place; beyond the frame's edges it is mirrored."""
    rows, columns = (
        _mirrored(np.arange(at - HALF_PX, at + HALF_PX), side)
        for at, side in zip((place.y_px, place.x_px), shape_yx, strict=True)
    )
    return rows, columns


def _mirrored(index: NDArray[np.intp], side: int) -> NDArray[np.intp]:
    beyond = np.abs(index)
    return np.where(beyond >= side, 2 * side - 2 - beyond, beyond)


def _turned(patch: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    turns, mirror = generator.integers((4, 2))
    turned = np.rot90(patch, int(turns))
    return np.ascontiguousarray(turned[:, ::-1] if mirror else turned)
