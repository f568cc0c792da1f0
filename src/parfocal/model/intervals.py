"""Intervals that hold the truth as often as they say, also for stacks and days that the model never saw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

NEW_DAY_FACTOR = 1.5
"""How much further models err on days that they did not learn from.

Measured on simulated days whose condensers differ by up to 12 %, with a regression that learns in a second:
the error that nine frames in ten stay below was 1.3 to 1.9 times as large, 1.5 times in all, where their day
was left out as where as many stacks of all days were. Nothing but another day would tell it for one model.
"""
STEPS = 4
"""From focus to the farthest answer, for the stretch."""
FEW = 20.0
"""Frames: so many, and the local quantile counts half."""
WRONG_UM, MOST_WRONG = 1.0, 0.001
"""Answers that are too broad, see `widest_spread_um`."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Intervals:
    """How wide intervals are, beside the overall scale in the model's header.

    Attributes
    ----------
    at_um, stretch : array, shape (steps,)
        Distances from focus, and how much further than on average the truth lies there, in spreads.
    widest_spread_um : float
        A broader distribution is no answer; its spread counts stretched, as near focus the same spread goes
        with smaller errors.
    """

    at_um: Floats
    stretch: Floats
    widest_spread_um: float

    def stretch_at(self, defocus_um: Floats | float) -> Floats:
        """Factor by which an interval at some answers is wider than on average."""
        return np.asarray(np.interp(np.abs(defocus_um), self.at_um, self.stretch), np.float64)

    def is_too_broad(self, *, defocus_um: float, spread_um: float) -> bool:
        """Whether a distribution is too broad to act on."""
        return spread_um * float(self.stretch_at(defocus_um)) > self.widest_spread_um

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a model file keeps."""
        return {
            "interval.at_um": self.at_um.astype(np.float32),
            "interval.stretch": self.stretch.astype(np.float32),
            "interval.widest_spread_um": np.array([self.widest_spread_um], np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` gave.

        Raises
        ------
        KeyError
            If one is missing.
        """
        at_um, stretch = (arrays[f"interval.{name}"].astype(np.float64) for name in ("at_um", "stretch"))
        return cls(at_um, stretch, float(arrays["interval.widest_spread_um"][0]))


EVEN = Intervals(np.zeros(1), np.ones(1), math.inf)
"""As wide everywhere, and never too broad."""


def learn_stretch(defocus_um: Floats, ratios: Floats, *, coverage: float = 0.9) -> tuple[Floats, Floats]:
    """Distances from focus, and the ratio there that so many frames do not exceed over the mean of these.

    Parameters
    ----------
    defocus_um, ratios : array, shape (N,)
        Answers, and |error| / spread.
    coverage : float

    Notes
    -----
    Quantiles weighted by nearness, and drawn half-way to that of all frames where they stand on few.
    """
    distance = np.abs(defocus_um)
    at_um = np.linspace(0, max(float(distance.max()), 1e-6), STEPS + 1)
    width_um = 0.6 * at_um[1]
    nearness = np.exp(-0.5 * ((distance - at_um[:, None]) / width_um) ** 2)
    local = np.array([_quantile(ratios, weights, coverage) for weights in nearness])
    whole = _quantile(ratios, np.ones(len(ratios)), coverage)
    trust = nearness.sum(axis=1) / (nearness.sum(axis=1) + FEW)
    stretched = np.maximum(trust * local + (1 - trust) * whole, 1e-6)
    return at_um, stretched / stretched.mean()


def stack_scale(ratios: Floats, stacks: NDArray[Any], *, coverage: float = 0.9) -> float:
    """How many spreads wide an interval must be to hold the truth of a frame of a further stack.

    Parameters
    ----------
    ratios : array, shape (N,)
        |error| / spread of held-out frames, N > 0.
    stacks : array, shape (N,)
        Which stack each is of.
    coverage : float
        How often it must hold the truth, below 1.

    Notes
    -----
    Hierarchical conformal prediction (Lee, Barber & Willett 2023): each of K stacks weighs 1 / (K + 1), and
    the stack to come is one that may err beyond all; the largest ratio where K is below coverage / (1 -
    coverage). Holds for stacks of the same days.

    Examples
    --------
    >>> stack_scale(np.arange(1.0, 20.0), np.arange(19))
    18.0
    """
    _, of_stack, counts = np.unique(stacks, return_inverse=True, return_counts=True)
    weights = 1 / counts[of_stack] / (len(counts) + 1)
    return _quantile(ratios, weights, coverage, total=1.0)


def widest_spread_um(spread_um: Floats, error_um: Floats, *, most_refused: float) -> float:
    """The spread from which on an answer is too broad to act on.

    Parameters
    ----------
    spread_um, error_um : array, shape (N,)
        Of held-out frames, the spreads stretched.
    most_refused : float
        Not so strict that more of the frames are refused, as a share.

    Notes
    -----
    The largest below which no more than `MOST_WRONG` of the answers are wrong by more than `WRONG_UM`.
    """
    order = np.argsort(spread_um)
    wrong = np.cumsum(np.abs(error_um[order]) > WRONG_UM) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(wrong <= MOST_WRONG)
    strict = spread_um[order[good[-1]]] if len(good) else 0.0
    return float(max(strict, np.quantile(spread_um, 1 - most_refused)))


def _quantile(values: Floats, weights: Floats, share: float, *, total: float | None = None) -> float:
    """The smallest value that values of so much weight do not exceed; the largest where there is no such."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / (weights.sum() if total is None else total)
    return float(values[order][min(int(np.searchsorted(reached, share - 1e-9)), len(values) - 1)])
