"""Batches for training: random crops of random planes, turned, flipped and brought to the working pixel."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from itertools import islice
from typing import Any, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from parfocal.errors import DatasetError
from parfocal.settings import Settings
from parfocal.zstack import ZStack

T = TypeVar("T")

# Relative difference of pixel sizes that needs no resampling.
_PIXEL_TOLERANCE = 0.01
# A crop that is larger than the field by no more than this is clipped to the field.
_CROP_TOLERANCE = 0.05
# Lets 0.24 / 0.06 count as 4 in spite of rounding.
_ROUNDING = 1e-6


class SamplingSettings(Settings):
    """How crops are drawn.

    Attributes
    ----------
    crop_um : float
        Side of the square crop, in um.
    smallest_crop_um : float or None
        If given, each batch takes a random side from this to `crop_um`.
    pixel_size_um : float
        Working pixel: crops are averaged down to it, in um.
    flips : bool
        Mirror each crop at random in x and in y.
    quarter_turns : bool
        Turn each crop by a random multiple of 90 degrees.
    any_angle : bool
        Turn each crop by a random angle, at the camera's pixel and by bilinear interpolation, which costs
        sharpness where the working pixel is not coarser than the camera's.
    gain_jitter : float
        Grey values of each crop are multiplied by a random factor from 1 - jitter to 1 + jitter.
    """

    crop_um: float = Field(default=60.0, gt=0)
    smallest_crop_um: float | None = Field(default=None, gt=0)
    pixel_size_um: float = Field(default=0.24, gt=0)
    flips: bool = True
    quarter_turns: bool = True
    any_angle: bool = False
    gain_jitter: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _crops_make_sense(self) -> Self:
        smallest_um = self.crop_um if self.smallest_crop_um is None else self.smallest_crop_um
        if not self.pixel_size_um <= smallest_um <= self.crop_um:
            raise ValueError(
                f"expected pixel_size_um <= smallest_crop_um <= crop_um, "
                f"got {self.pixel_size_um}, {smallest_um} and {self.crop_um}"
            )
        return self


def area_resample(frames: Tensor, *, scale: float) -> Tensor:
    """Frames on a coarser grid, each new pixel the mean over the area that it covers.

    Parameters
    ----------
    frames : Tensor, shape (..., Y, X)
        Grey values of any type.
    scale : float
        Side of a new pixel in old pixels, at least 1; it need not be an integer.

    Returns
    -------
    Tensor, shape (..., floor(Y / scale), floor(X / scale))
        32-bit floats. What is left at the far edges, less than one new pixel, is dropped.

    Raises
    ------
    DatasetError
        If `scale` is below 1, or the frames are smaller than one new pixel.

    Notes
    -----
    An exact integral over the old pixels, as two separable weight matrices whose rows sum to 1. The first is
    applied as sums of few rows and the second, on what is left, as a matrix product: at a scale of 3.37
    a 1000 x 1000 frame takes 1.9 ms where two matrix products take 5.3 ms (one thread).

    Examples
    --------
    >>> area_resample(torch.tensor([[1.0, 2.0, 6.0]]).repeat(3, 1), scale=1.5)
    tensor([[1.3333, 4.6667],
            [1.3333, 4.6667]])
    """
    n_y, n_x = (_resampled(length, scale=scale) for length in frames.shape[-2:])
    if scale < 1 or not (n_y and n_x):
        raise DatasetError(
            f"Expected a scale of at least 1 and frames of at least one new pixel; "
            f"got scale {scale:g} and frames of {tuple(frames.shape[-2:])} pixels."
        )
    frames = frames.to(torch.float32)
    whole = round(scale)
    if abs(scale - whole) < _ROUNDING:
        kept = frames[..., : n_y * whole, : n_x * whole]
        rows = kept.reshape(*frames.shape[:-2], n_y, whole, n_x * whole).mean(-2)
        return rows.reshape(*frames.shape[:-2], n_y, n_x, whole).mean(-1)
    return _average_rows(frames, scale=scale) @ _column_weights(frames.shape[-1], scale).to(frames.device)


class FrameSampler:
    """Draws batches from annotated stacks; each batch is a pure function of the seed and the step.

    Parameters
    ----------
    stacks : sequence of (ZStack, float)
        Stacks with their focus positions in um. Frames stay in memory in their own type, uncopied.
    settings : SamplingSettings
        How crops are drawn.
    seed : int
        Equal seeds give equal batches.

    Raises
    ------
    DatasetError
        If there is no stack, a camera pixel is coarser than the working pixel, or a field is too small.
        A crop that is larger than the smallest field by up to 5 % is clipped to it.

    Examples
    --------
    >>> stack = ZStack(np.ones((3, 40, 40), np.uint16), [-1.0, 0.0, 1.0], 0.12)
    >>> sampler = FrameSampler([(stack, 0.0)], SamplingSettings(crop_um=2.4), seed=0)
    >>> frames, defocus_um = sampler.batch(0, size=5)
    >>> frames.shape, defocus_um.shape
    (torch.Size([5, 1, 10, 10]), torch.Size([5]))
    """

    def __init__(
        self, stacks: Sequence[tuple[ZStack, float]], settings: SamplingSettings, *, seed: int
    ) -> None:
        if not stacks:
            raise DatasetError("Expected at least one annotated stack to draw crops from, got none.")
        self._settings = settings
        self._seed = seed
        self._stacks = tuple(stack for stack, _ in stacks)
        self._scales = tuple(_scale(stack, settings) for stack in self._stacks)
        self._planes = [(i, plane) for i, stack in enumerate(self._stacks) for plane in range(stack.n_planes)]
        self._defocus_um = np.concatenate([stack.defocus_um(focus_z_um) for stack, focus_z_um in stacks])
        self._sides_px = self._allowed_sides()

    @property
    def n_planes(self) -> int:
        """Number of planes to draw from."""
        return len(self._planes)

    @property
    def sides_px(self) -> tuple[int, int]:
        """Smallest and largest side of a crop, in working pixels."""
        return self._sides_px

    def batch(self, step: int, *, size: int) -> tuple[Tensor, Tensor]:
        """The batch of one step.

        Parameters
        ----------
        step : int
            Number of the step, from 0; the same step gives the same batch.
        size : int
            Number of crops.

        Returns
        -------
        frames : Tensor, shape (size, 1, Y, X)
            Grey values as the camera gives them (times the gain jitter), 32-bit floats.
        defocus_um : Tensor, shape (size,)
            Stage position minus focus position, in um.
        """
        generator = np.random.default_rng([self._seed, step])
        side = int(generator.integers(self._sides_px[0], self._sides_px[1], endpoint=True))
        drawn = generator.integers(len(self._planes), size=size)
        frames = torch.empty(size, 1, side, side)
        for index, plane in enumerate(drawn):
            frames[index, 0] = self._crop(*self._planes[plane], side=side, generator=generator)
        return frames, torch.from_numpy(self._defocus_um[drawn].astype(np.float32))

    def crop(self, plane: int, *, side: int, generator: np.random.Generator) -> tuple[Tensor, float]:
        """A random crop of one plane.

        Parameters
        ----------
        plane : int
            From 0 to `n_planes` - 1.
        side : int
            In working pixels, from `sides_px`.
        generator : numpy.random.Generator

        Returns
        -------
        crop : Tensor, shape (side, side)
            Grey values, 32-bit floats.
        defocus_um : float
            Stage position minus focus position, in um.
        """
        return self._crop(*self._planes[plane], side=side, generator=generator), float(
            self._defocus_um[plane]
        )

    def _crop(self, stack: int, plane: int, *, side: int, generator: np.random.Generator) -> Tensor:
        # Every draw is made whatever the settings, so that one setting does not shift the others' draws.
        y, x, angle, gain = generator.random(4)
        mirror_y, mirror_x, turns = generator.integers([2, 2, 4])
        scale, settings = self._scales[stack], self._settings
        angle = 2 * math.pi * angle if settings.any_angle else 0.0
        native = _native_side(side, scale=scale)
        enclosing = _enclosing_side(native, angle=angle)
        crop = _square(self._stacks[stack].frames_zyx[plane], side=enclosing, at=(y, x))
        if angle:
            crop = _turned(crop, side=native, angle=angle)
        if scale > 1:
            crop = area_resample(crop, scale=scale)
        # Mirrors and quarter turns commute with averaging and are cheaper on the small crop.
        if settings.flips:
            crop = crop.flip([axis for axis, mirror in enumerate((mirror_y, mirror_x)) if mirror])
        if settings.quarter_turns:
            crop = torch.rot90(crop, int(turns))
        return crop * (1 + settings.gain_jitter * (2 * gain - 1)) if settings.gain_jitter else crop

    def _allowed_sides(self) -> tuple[int, int]:
        settings = self._settings
        largest = round(settings.crop_um / settings.pixel_size_um)
        smallest = round((settings.smallest_crop_um or settings.crop_um) / settings.pixel_size_um)
        fields_px = [self._field_px(stack) for stack in self._stacks]
        field_um = min(px * stack.pixel_size_um for px, stack in zip(fields_px, self._stacks, strict=True))
        field = min(_resampled(px, scale=scale) for px, scale in zip(fields_px, self._scales, strict=True))
        if field < 1 or settings.crop_um > field_um * (1 + _CROP_TOLERANCE):
            room, advice = (" and room to turn it", " or no any_angle") if settings.any_angle else ("", "")
            raise DatasetError(
                f"Expected fields that hold a crop of {settings.crop_um:g} um{room}; the smallest field "
                f"holds {field_um:.4g} um. Use a smaller crop_um{advice}."
            )
        return min(smallest, field), min(largest, field)

    def _field_px(self, stack: ZStack) -> int:
        """Side of the largest square that can be cut, in camera pixels."""
        side = min(stack.frame_shape_yx)
        return math.floor((side - 2) / math.sqrt(2)) if self._settings.any_angle else side


def prefetch(make: Callable[[int], T], steps: Iterable[int], *, ahead: int = 4) -> Generator[T]:
    """Results of `make` in the order of the steps, computed ahead in one background thread.

    Parameters
    ----------
    make : callable
        Makes the batch of one step.
    steps : iterable of int
        The steps; it may be endless.
    ahead : int
        How many batches to keep ready, at least 1.

    Yields
    ------
    T
        What `make` gives; an error of `make` is raised at the step that it belongs to.

    Notes
    -----
    The thread ends with the iterator: when it is used up, closed, or stopped by an error.

    Examples
    --------
    >>> list(prefetch(lambda step: step**2, range(4)))
    [0, 1, 4, 9]
    """
    remaining = iter(steps)
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parfocal-prefetch")
    try:
        ready: deque[Future[T]] = deque(pool.submit(make, step) for step in islice(remaining, max(ahead, 1)))
        while ready:
            result = ready.popleft().result()
            ready.extend(pool.submit(make, step) for step in islice(remaining, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _scale(stack: ZStack, settings: SamplingSettings) -> float:
    scale = settings.pixel_size_um / stack.pixel_size_um
    if scale < 1 - _PIXEL_TOLERANCE:
        raise DatasetError(
            f"Expected camera pixels no coarser than the working pixel of {settings.pixel_size_um:g} um; a "
            f"stack has {stack.pixel_size_um:g} um. Use a working pixel_size_um of at least that."
        )
    return 1.0 if abs(scale - 1) <= _PIXEL_TOLERANCE else scale


def _resampled(length: int, *, scale: float) -> int:
    return math.floor(length / scale + _ROUNDING)


def _native_side(side: int, *, scale: float) -> int:
    return math.ceil(side * scale - _ROUNDING)


def _enclosing_side(side: int, *, angle: float) -> int:
    if angle == 0:
        return side
    return math.ceil(side * (abs(math.cos(angle)) + abs(math.sin(angle)))) + 1


def _square(frame_yx: NDArray[Any], *, side: int, at: tuple[float, float]) -> Tensor:
    """A square of the frame as 32-bit floats, its corner at a fraction of the room there is."""
    y, x = (int(part * (length - side + 1)) for part, length in zip(at, frame_yx.shape, strict=True))
    return torch.from_numpy(frame_yx[y : y + side, x : x + side].astype(np.float32))


def _turned(crop: Tensor, *, side: int, angle: float) -> Tensor:
    """The middle of a crop after turning it, shape (side, side); bilinear."""
    reach = (side - 1) / (len(crop) - 1)
    cosine, sine = reach * math.cos(angle), reach * math.sin(angle)
    theta = torch.tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0]]])
    grid = functional.affine_grid(theta, [1, 1, side, side], align_corners=True)
    return functional.grid_sample(crop[None, None], grid, mode="bilinear", align_corners=True)[0, 0]


def _average_rows(frames: Tensor, *, scale: float) -> Tensor:
    """Weighted sums of the rows that each new row covers, shape (..., floor(Y / scale), X)."""
    *outer, n_rows, n_columns = frames.shape
    indices, weights = (part.to(frames.device) for part in _coverage(n_rows, scale))
    starts = torch.arange(math.prod(outer), device=frames.device) * n_rows
    bags = (starts[:, None, None] + indices).flatten(0, 1)
    rows = functional.embedding_bag(
        bags,
        frames.reshape(-1, n_columns),
        mode="sum",
        per_sample_weights=weights.repeat(len(starts), 1),
    )
    return rows.reshape(*outer, len(indices), n_columns)


@lru_cache(maxsize=32)
def _coverage(length: int, scale: float) -> tuple[Tensor, Tensor]:
    """Old pixels that each new pixel covers and the share of each, both of shape (new, taps)."""
    starts = torch.arange(_resampled(length, scale=scale), dtype=torch.float64)[:, None] * scale
    indices = starts.floor() + torch.arange(math.ceil(scale) + 1)
    covered = torch.minimum(starts + scale, indices + 1) - torch.maximum(starts, indices)
    weights = covered.clamp(min=0.0) * (indices < length)
    weights = weights / weights.sum(1, keepdim=True)
    return indices.long().clamp(max=length - 1), weights.to(torch.float32)


@lru_cache(maxsize=32)
def _column_weights(length: int, scale: float) -> Tensor:
    """The same as a dense matrix, shape (length, new); columns sum to 1."""
    indices, weights = _coverage(length, scale)
    return torch.zeros(len(indices), length).scatter_add_(1, indices, weights).T.contiguous()
