"""The failure scenes of Wei & Roberts (2018, Fig S5), and what is said of frames that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from parfocal.estimate import FocusEstimate
from parfocal.optics import VirtualMicroscope

FEW_UP: Mapping[str, float] = MappingProxyType(
    {"fewest_cells": 2, "most_cells": 6, "on_floor": 0.15, "under_ceiling": 0.85}
)
"""Few cells, and most of them under the ceiling (S5a), in the field of ``yeast-40x``."""
HALF_UP: Mapping[str, float] = MappingProxyType(
    {"fewest_cells": 20, "most_cells": 80, "on_floor": 0.5, "under_ceiling": 0.5}
)
"""Two layers (S5b, S5c)."""


@dataclass(frozen=True)
class FailureScene:
    """One of the scenes: at which defocus its cells are looked at."""

    name: str
    lowest_um: float
    highest_um: float

    def holds(self, defocus_um: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which frames are of this scene, by their defocus."""
        return (self.lowest_um <= defocus_um) & (defocus_um <= self.highest_um)


SCENES = (
    FailureScene("few, most on the ceiling", -5.0, 5.0),
    FailureScene("two layers", -3.0, 3.0),
    FailureScene("two layers, above focus", 3.0, 10.0),
)
"""S5a to S5c, the first of `FEW_UP`, the others of `HALF_UP`."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What was told of frames at a known defocus, each of N."""

    actual_um: NDArray[np.float64]
    estimates: Sequence[FocusEstimate]

    def within(self, scene: FailureScene) -> Answers:
        """Those at the defocus of a scene."""
        holds = scene.holds(self.actual_um)
        chosen = [estimate for estimate, held in zip(self.estimates, holds, strict=True) if held]
        return Answers(self.actual_um[holds], chosen)

    @property
    def error_um(self) -> NDArray[np.float64]:
        """How far each answer is off, with its sign."""
        return np.array([estimate.defocus_um for estimate in self.estimates]) - self.actual_um

    @property
    def layered(self) -> float:
        """Share of frames of which more than one layer was told."""
        return float(np.mean([len(estimate.layers_um) > 1 for estimate in self.estimates]))


def with_cells(day: VirtualMicroscope, **changes: float) -> VirtualMicroscope:
    """A day with other cells."""
    cells, *others = day.specimens
    return day.replace(specimens=(cells.replace(**changes), *others))


def area_under_curve(ordinary: NDArray[np.float64], strange: NDArray[np.float64]) -> float:
    """How often an ordinary frame has the larger value than a strange one; ties count half.

    Examples
    --------
    >>> area_under_curve(np.array([3.0, 4.0]), np.array([1.0, 3.0]))
    0.875
    """
    ranks = rankdata(np.concatenate([ordinary, strange]))
    n = len(ordinary)
    return float((ranks[:n].mean() - (n + 1) / 2) / len(strange))


def count_modes(probabilities: ArrayLike, *, least: float = 0.1, valley: float = 0.5) -> int:
    """How many separate peaks a distribution over bins has.

    Parameters
    ----------
    probabilities : array, shape (bins,)
    least : float
        Lowest probability of a bin at the top of a peak.
    valley : float
        Between two peaks the probability falls below this share of the lower one.

    Examples
    --------
    >>> count_modes([0.0, 0.5, 0.1, 0.4, 0.0]), count_modes([0.0, 0.4, 0.3, 0.3, 0.0])
    (2, 1)
    """
    padded = np.pad(np.asarray(probabilities, np.float64), 1)
    tops = [
        k
        for k in range(1, len(padded) - 1)
        if padded[k] >= least and padded[k - 1] < padded[k] >= padded[k + 1]
    ]
    peaks: list[int] = []
    for top in tops:
        if peaks and padded[peaks[-1] : top].min() > valley * min(padded[peaks[-1]], padded[top]):
            peaks[-1] = max(peaks[-1], top, key=lambda k: float(padded[k]))
        else:
            peaks.append(top)
    return len(peaks)
