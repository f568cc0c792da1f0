"""Batches of descriptions: each frame is described in a few looks, once, and drawn many times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from parfocal.data.sampling import FrameSampler, SamplingSettings
from parfocal.model.networks import Bands, CellReader, Look, NetworkSettings
from parfocal.model.networks.focus import STRIDE_PX, describe
from parfocal.settings import Settings
from parfocal.zstack import ZStack


class LookSettings(Settings):
    """How else frames could have looked: what differs between microscopes, days and samples.

    Attributes
    ----------
    count : int
        Looks of each frame, each of another crop; the first is the frame as it is.
    new_every : int
        Steps after which another look is taken up.
    magnification, condenser : float
        Largest change, as a logarithm, see `parfocal.model.networks.bands.Look`.
    condenser_na : float
        Supposed where nobody says it; it only decides how far from focus a change of condenser shows.
    contrast : float
        Standard deviation of the logarithm of the specimen's contrast, drawn anew with each batch.
    noise : float
        Largest noise to add, relative to the background.
    """

    count: Annotated[int, Field(ge=1)] = 8
    new_every: Annotated[int, Field(ge=1)] = 100
    magnification: Annotated[float, Field(ge=0, le=0.5)] = 0.08
    condenser: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    condenser_na: Annotated[float, Field(gt=0)] = 0.3
    contrast: Annotated[float, Field(ge=0)] = 0.1
    noise: Annotated[float, Field(ge=0, le=0.1)] = 0.008


class DescriptionSampler:
    """Draws batches of descriptions; each batch is a pure function of the seed and the step.

    Parameters
    ----------
    stacks : sequence of (ZStack, float)
        Stacks with their focus positions in um.
    settings : SamplingSettings
        How crops are drawn.
    looks : LookSettings
    network : NetworkSettings
        Of the network that is to learn from them.
    immersion_index : float
        Light of one angle goes as far aside per um of the stage as in the immersion.
    seed : int

    Attributes
    ----------
    reader : CellReader or None
        Of the network, to be set before the first batch.

    Notes
    -----
    A description is made when it is first drawn and kept in 16-bit floats, 30 kB each. Looks are taken up one
    after the other: a network that has seen each frame once already knows a good deal.
    """

    def __init__(
        self,
        stacks: Sequence[tuple[ZStack, float]],
        settings: SamplingSettings,
        *,
        looks: LookSettings,
        network: NetworkSettings,
        immersion_index: float,
        seed: int,
    ) -> None:
        self._frames = FrameSampler(stacks, settings, seed=seed)
        self._looks = looks
        self._bands = Bands(network.octaves, network.per_octave, network.flat_field)
        self._window_px = network.window_px
        self._blur_px_per_um = looks.condenser_na / immersion_index / settings.pixel_size_um
        self._seed = seed
        self._kept: dict[int, tuple[Tensor, float]] = {}
        self.reader: CellReader | None = None

    @property
    def sides_px(self) -> tuple[int, int]:
        """Smallest and largest side of a crop, in working pixels."""
        return self._frames.sides_px

    def batch(self, step: int, *, size: int) -> tuple[Tensor, Tensor]:
        """The batch of one step.

        Parameters
        ----------
        step : int
            Number of the step, from 0; the same step gives the same batch.
        size : int
            Number of descriptions.

        Returns
        -------
        descriptions : Tensor, shape (size, 1 + windows, n)
            See `parfocal.model.networks.focus.describe`.
        defocus_um : Tensor, shape (size,)
            Of the look, in um.
        """
        generator = np.random.default_rng([self._seed, step])
        look = int(generator.integers(min(self._looks.count, 1 + step // self._looks.new_every)))
        drawn = generator.integers(self._frames.n_planes, size=size)
        described, defocus_um = zip(*(self._described(int(plane), look) for plane in drawn), strict=True)
        batch = torch.stack(described).float()
        end = self._bands.n_channels
        batch[:, :, end - self._bands.count : end] += self._contrasts(size, generator)[:, None, None]
        return batch, torch.tensor(defocus_um, dtype=torch.float32)

    def _contrasts(self, size: int, generator: np.random.Generator) -> Tensor:
        drawn: NDArray[np.float64] = self._looks.contrast * generator.standard_normal(size)
        return torch.from_numpy(drawn.astype(np.float32))

    def _described(self, plane: int, look: int) -> tuple[Tensor, float]:
        key = plane * self._looks.count + look
        if key not in self._kept:
            self._kept[key] = self._describe(plane, look)
        return self._kept[key]

    def _describe(self, plane: int, look: int) -> tuple[Tensor, float]:
        generator = np.random.default_rng([self._seed, plane, look])
        side = self._side_px(look)
        crop, defocus_um = self._frames.crop(plane, side=side, generator=generator)
        magnification, condenser = (
            math.exp(generator.uniform(-largest, largest)) if look else 1.0
            for largest in (self._looks.magnification, self._looks.condenser)
        )
        if look and self._looks.noise:
            grain = torch.from_numpy(generator.standard_normal(crop.shape, np.float32))
            crop = crop + crop.mean() * generator.uniform(0, self._looks.noise) * grain
        blur_px = abs(defocus_um) * self._blur_px_per_um
        description = describe(
            crop,
            self._bands,
            window_px=self._window_px,
            look=Look(magnification, condenser, blur_px),
            reader=self.reader,
        )
        return description.half(), defocus_um * magnification**2

    def _side_px(self, look: int) -> int:
        """Of all crops of one look, in whole tiles: large to small, by like factors where looks are few."""
        smallest, largest = (side // STRIDE_PX for side in self.sides_px)
        steps, last = largest - smallest, self._looks.count - 1
        if last >= steps:
            return STRIDE_PX * (largest - look % (steps + 1))
        smaller: float = (smallest / largest) ** (look / max(last, 1))
        return STRIDE_PX * round(largest * smaller)
