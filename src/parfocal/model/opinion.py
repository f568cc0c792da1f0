"""An opinion on whether frames are familiar, from one view of them.

It adds two things. One is the distance of what is seen of a frame from what training frames at the same
defocus are like (class-conditional Mahalanobis distance, Lee et al. 2018); it needs no examples of strange
frames and so is open to all of them. The other is a small network that was shown strange frames, see
`parfocal.model.strange_frames`, and judges what it knows better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from parfocal.model.judge import NOBODY, Judge, train_judge

SHRINKAGE, SCARCITY = 0.02, 0.1
"""Of the covariance towards its diagonal: at least, and times numbers over frames where those are few."""
GROUP_UM, GROUPS_APART_UM = 1.5, 2.0
"""Training frames within about so far are what a frame is compared to; and how densely that is kept."""
FARTHEST = 700.0
"""In the exponent of a weight: a little more, and it is 0."""
UNITS = 64
_OF_DISTANCE = ("groups_um", "means", "whitening", "levels")

Floats = NDArray[np.float64]


class View(NamedTuple):
    """What is seen of some frames.

    Attributes
    ----------
    numbers : array, shape (N, numbers)
    defocus_um, spread_um : array, shape (N,)
        The network's answers and how wide they are.
    probabilities : array, shape (N, bins)
    """

    numbers: Floats
    defocus_um: Floats
    spread_um: Floats
    probabilities: Floats


@dataclass(frozen=True, eq=False)
class Opinion:
    """What familiar frames are like in one view, and what strange ones are like if any were seen.

    Attributes
    ----------
    groups_um : array, shape (groups,)
    means : array, shape (groups, numbers)
        What frames at about that defocus are like.
    whitening : array, shape (numbers, numbers)
        Turns differences into units of the spread within a group.
    judge : Judge
        `NOBODY` where no strange frames were seen.
    levels : array, shape (4,)
        Of held-out frames: median and step of the distance, and the same of the judgement.
    """

    groups_um: Floats
    means: Floats
    whitening: Floats
    judge: Judge
    levels: Floats

    def of(self, view: View) -> Floats:
        """About 0 for familiar frames and below for strange ones, shape (N,)."""
        residuals = self._residuals(view)
        opinion: Floats = (self.levels[0] - _log_distance(residuals)) / self.levels[1]
        if self.judge:
            # However sure the judge is, the distance is heard.
            judged = (self._judged(residuals, view) - self.levels[2]) / self.levels[3]
            opinion = opinion + np.minimum(judged, 1.0)
        return opinion

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, by name."""
        kept = {name: getattr(self, name).astype(np.float32) for name in _OF_DISTANCE}
        return {**kept, **self.judge.arrays()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` gave.

        Raises
        ------
        KeyError
            If one is missing.
        """
        kept = {name: arrays[name].astype(np.float64) for name in _OF_DISTANCE}
        return cls(judge=Judge.from_arrays(arrays), **kept)

    def _residuals(self, view: View) -> Floats:
        nearness = _nearness(view.defocus_um, self.groups_um)
        usual = nearness / nearness.sum(axis=1, keepdims=True) @ self.means
        residuals: Floats = (view.numbers - usual) @ self.whitening
        return residuals

    def _judged(self, residuals: Floats, view: View) -> Floats:
        return self.judge.of(_judge_inputs(residuals, view))


def learn_opinion(familiar: View, strange: View | None, *, held_out: View, seed: int) -> Opinion:
    """An opinion from frames of both kinds, or of the first alone.

    Parameters
    ----------
    familiar, strange : View
    held_out : View
        Of familiar frames of other stacks. A judge that finds them strange is not heard.
    seed : int
        Of the judge's first weights.
    """
    lowest, highest = familiar.defocus_um.min(), familiar.defocus_um.max()
    groups_um = np.linspace(lowest, highest, max(round((highest - lowest) / GROUPS_APART_UM), 1) + 1)
    nearness = _nearness(familiar.defocus_um, groups_um)
    means = nearness.T @ familiar.numbers / nearness.sum(axis=0)[:, None]
    spread_out = familiar.numbers - nearness / nearness.sum(axis=1, keepdims=True) @ means
    learned = Opinion(groups_um, means, _whitening(spread_out), NOBODY, np.array([0.0, 1, 0, 1]))
    if strange is not None:
        judging = _with_judge(learned, familiar, strange, seed=seed)
        # A judge that finds held-out frames strange knows its few training frames by heart, and no more.
        if np.median(judging._judged(judging._residuals(held_out), held_out)) > 0:
            learned = judging
    return _levelled(learned, held_out)


def _nearness(defocus_um: Floats, groups_um: Floats) -> Floats:
    apart = (np.clip(defocus_um, groups_um[0], groups_um[-1])[:, None] - groups_um) / GROUP_UM
    # No weight is 0: where none is near, in a gap of the answers, all frames count alike.
    nearness: Floats = np.exp(-np.minimum(0.5 * apart**2, FARTHEST))
    return nearness


def _whitening(residuals: Floats) -> Floats:
    covariance = residuals.T @ residuals / len(residuals)
    n_frames, n_numbers = residuals.shape
    shrinkage = max(SHRINKAGE, SCARCITY * n_numbers / (SCARCITY * n_numbers + n_frames))
    floor = shrinkage * np.diag(np.diag(covariance)) + 1e-4 * np.eye(n_numbers)
    values, vectors = np.linalg.eigh((1 - shrinkage) * covariance + floor)
    whitening: Floats = vectors / np.sqrt(values)
    return whitening


def _log_distance(residuals: Floats) -> Floats:
    distance: Floats = np.log((residuals**2).mean(axis=1) + 1e-12)
    return distance


def _judge_inputs(residuals: Floats, view: View) -> Floats:
    alone = np.stack([_log_distance(residuals), np.log(view.spread_um)], axis=1)
    return np.concatenate([residuals, residuals**2 / 4, 3 * alone, view.probabilities], axis=1)


def _with_judge(learned: Opinion, familiar: View, strange: View, *, seed: int) -> Opinion:
    of_familiar, of_strange = (_judge_inputs(learned._residuals(view), view) for view in (familiar, strange))
    return replace(learned, judge=train_judge(of_familiar, of_strange, units=UNITS, seed=seed))


def _levelled(learned: Opinion, held_out: View) -> Opinion:
    residuals = learned._residuals(held_out)
    judged = learned._judged(residuals, held_out) if learned.judge else np.zeros(len(residuals))
    levels = np.array([*_level(_log_distance(residuals), towards=0.95), *_level(judged, towards=0.05)])
    return replace(learned, levels=levels)


def _level(values: Floats, *, towards: float) -> tuple[float, float]:
    median = float(np.median(values))
    return median, max(abs(float(np.quantile(values, towards)) - median), 0.05)
