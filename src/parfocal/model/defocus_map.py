"""DefocusMap: the defocus of each part of a frame, and of single cells, from the evidence of its tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from parfocal.errors import InputError
from parfocal.model.layers import softmax
from parfocal.model.networks.bands import TILE_PX
from parfocal.model.networks.cell_reader import STRIDE_PX, Places
from parfocal.model.networks.focus import window_starts

WINDOW_TILES = 0.5
"""Standard deviation of the Gaussian window around each point, in distances between tiles."""
LEAST_EVIDENCE = 0.1
"""Of the weight per tile where the frame's evidence is; where there is less, nothing is told."""

Told = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Defocus in um, its standard deviation in um, and the evidence, of some points."""


@dataclass(frozen=True, eq=False)
class TileEvidence:
    """What a network says of each tile of a frame.

    Attributes
    ----------
    logits : array, shape (bins, y, x)
    weights : array, shape (y, x)
        Sum to 1.
    y_um, x_um : array, shape (y,) and (x,)
        Centres of the tiles, from the frame's upper left corner, in um.
    centres_um : array, shape (bins,)
        Defocus that each bin stands for.
    spread_scale : float
        See `parfocal.model.ModelHeader`.
    """

    logits: NDArray[np.float64]
    weights: NDArray[np.float64]
    y_um: NDArray[np.float64]
    x_um: NDArray[np.float64]
    centres_um: NDArray[np.float64]
    spread_scale: float

    @property
    def tile_um(self) -> float:
        """Distance between tiles; of a single one, its distance to the frame's edge."""
        sides = [*np.diff(self.x_um)[:1], *np.diff(self.y_um)[:1], self.x_um[0]]
        return float(sides[0])

    def at(self, y_um: NDArray[np.float64], x_um: NDArray[np.float64]) -> Told:
        """What is known of some points; `y_um` and `x_um` have one shape, which the results have too."""
        across, down = self._window(x_um.ravel(), self.x_um), self._window(y_um.ravel(), self.y_um)
        weight = np.einsum("py,px,yx->p", down, across, self.weights, optimize=True)
        logits = np.einsum("py,px,byx->bp", down, across, self.logits * self.weights, optimize=True)
        return self._told(logits, weight, (down.sum(1) * across.sum(1)), shape=x_um.shape)

    def on_grid(self, y_um: NDArray[np.float64], x_um: NDArray[np.float64]) -> Told:
        """What is known of the points of a grid, each of shape (len(y_um), len(x_um))."""
        across, down = self._window(x_um, self.x_um), self._window(y_um, self.y_um)
        weight = (down @ self.weights @ across.T).ravel()
        logits = (down @ (self.logits * self.weights) @ across.T).reshape(len(self.centres_um), -1)
        possible = np.outer(down.sum(1), across.sum(1)).ravel()
        return self._told(logits, weight, possible, shape=(len(y_um), len(x_um)))

    def _window(self, points_um: NDArray[np.float64], tiles_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much each tile counts along one side for each point, shape (points, tiles)."""
        apart = (points_um[:, None] - tiles_um[None]) / (WINDOW_TILES * self.tile_um)
        return np.exp(-0.5 * apart**2)

    def _told(
        self,
        weighted_logits: NDArray[np.float64],
        weight: NDArray[np.float64],
        possible: NDArray[np.float64],
        *,
        shape: tuple[int, ...],
    ) -> Told:
        """From sums over tiles, of logits (bins, points) by window and weight."""
        with np.errstate(invalid="ignore", divide="ignore"):  # far from all tiles, where nothing is told
            probabilities = softmax(weighted_logits / weight)
            evidence = weight / possible / self._usual_weight
        centres = self.centres_um
        mean = centres @ probabilities
        width = (centres[-1] - centres[0]) / (len(centres) - 1)
        variance = np.maximum(centres**2 @ probabilities - mean**2, 0) + width**2 / 12
        is_told = evidence >= LEAST_EVIDENCE
        defocus = np.where(is_told, mean, np.nan)
        std = np.where(is_told, self.spread_scale * np.sqrt(variance), np.nan)
        return defocus.reshape(shape), std.reshape(shape), np.nan_to_num(evidence).reshape(shape)

    @cached_property
    def _usual_weight(self) -> float:
        """Weight of the tile that an average piece of evidence comes from."""
        return float((self.weights**2).sum() / self.weights.sum())


@dataclass(frozen=True, eq=False)
class DefocusMap:
    """The defocus of each part of a frame.

    Positions are from the frame's upper left corner, in um. Where there is little evidence, as in an empty
    corner, defocus and standard deviation are NaN.

    Parameters
    ----------
    evidence : TileEvidence

    Notes
    -----
    A model that knows single cells (`parfocal.model.networks.CellReader`) tells each from the patch around
    it. Others have the windows of FocusNetwork, 64 pixels wide, which blur what differs over less than that;
    their standard deviation is scaled as that of whole frames, too little for a cell that is not where most
    cells are. The logits of neighbouring tiles are averaged with their weights and a Gaussian window of half
    their distance (standard deviation).
    """

    evidence: TileEvidence

    @property
    def tile_um(self) -> float:
        """Distance between tiles, in um."""
        return self.evidence.tile_um

    @property
    def x_um(self) -> NDArray[np.float64]:
        """Centres of the tiles across, shape (x,), in um."""
        return self.evidence.x_um

    @property
    def y_um(self) -> NDArray[np.float64]:
        """Centres of the tiles downward, shape (y,), in um."""
        return self.evidence.y_um

    @property
    def defocus_um(self) -> NDArray[np.float64]:
        """Defocus around each tile, shape (y, x), in um."""
        return self._on_tiles[0]

    @property
    def std_um(self) -> NDArray[np.float64]:
        """Standard deviation of `defocus_um`, shape (y, x), in um."""
        return self._on_tiles[1]

    @property
    def weight(self) -> NDArray[np.float64]:
        """Evidence around each tile, shape (y, x); 1 where an average piece of the frame's evidence is."""
        return self._on_tiles[2]

    def at(self, x_um: ArrayLike, y_um: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Defocus of single cells and its standard deviation, in um.

        Parameters
        ----------
        x_um, y_um : array, shape (N,)
            Centres of the cells.

        Raises
        ------
        InputError
            If there is not one `y_um` for each `x_um`.
        """
        x, y = np.atleast_1d(np.asarray(x_um, np.float64)), np.atleast_1d(np.asarray(y_um, np.float64))
        if x.shape != y.shape or x.ndim != 1:
            raise InputError(f"Expected as many x_um as y_um, got arrays of shapes {x.shape} and {y.shape}.")
        return self.evidence.at(y, x)[:2]

    def on_grid(
        self, x_um: NDArray[np.float64], y_um: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Defocus, standard deviation and evidence on another grid, each of shape (len(y_um), len(x_um))."""
        return self.evidence.on_grid(y_um, x_um)

    @cached_property
    def _on_tiles(self) -> Told:
        return self.evidence.on_grid(self.y_um, self.x_um)


def evidence_of_windows(
    outputs: Mapping[str, NDArray[np.float32]],
    frame_shape: tuple[int, ...],
    *,
    window_px: int,
    pixel_um: float,
    corner_um: Sequence[float],
    centres_um: NDArray[np.float64],
    spread_scale: float,
) -> TileEvidence:
    """What a network says of the windows of one frame.

    Parameters
    ----------
    outputs : mapping
        Of the network: ``tile_logits`` (1, bins, y, x) and ``tile_weights`` (1, 1, y, x).
    frame_shape : tuple of int
        Height and width of the frame that the network saw, in its pixels.
    window_px : int
        Side of a window of that network.
    pixel_um : float
        Side of such a pixel.
    corner_um : sequence of float
        Where that frame begins, down and across, in the frame of the camera.
    centres_um, spread_scale
        See `TileEvidence`.
    """
    logits, weights = outputs["tile_logits"][0], outputs["tile_weights"][0, 0]
    y_um, x_um = (
        corner + pixel_um * window_centres_px(side_px, window_px=window_px)
        for corner, side_px in zip(corner_um, frame_shape, strict=True)
    )
    return TileEvidence(
        logits.astype(np.float64), weights.astype(np.float64), y_um, x_um, centres_um, spread_scale
    )


def evidence_of_places(
    places: Places,
    *,
    pixel_um: float,
    corner_um: Sequence[float],
    centres_um: NDArray[np.float64],
    spread_scale: float,
) -> TileEvidence:
    """What a `CellReader` says of the places of one frame; parameters as of `evidence_of_windows`."""
    logits = places.logits[0].permute(2, 0, 1).double().numpy()
    presence = torch.sigmoid(places.presence[0].double()).numpy()
    y_um, x_um = (
        corner + pixel_um * STRIDE_PX * np.arange(n, dtype=np.float64)
        for corner, n in zip(corner_um, presence.shape, strict=True)
    )
    return TileEvidence(logits, presence / presence.sum(), y_um, x_um, centres_um, spread_scale)


def window_centres_px(side_px: int, *, window_px: int) -> NDArray[np.float64]:
    """Centres of the windows along one side of a frame, shape (windows,), in pixels from its edge.

    Parameters
    ----------
    side_px : int
    window_px : int
        Side of a window of FocusNetwork.

    Examples
    --------
    >>> window_centres_px(136, window_px=64)
    array([32., 64., 96.])
    """
    starts, window = window_starts(side_px // TILE_PX, window_px=window_px)
    return TILE_PX * (np.array(starts, np.float64) + window / 2)
