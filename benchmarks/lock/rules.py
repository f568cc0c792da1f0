"""What to do about a frame, by each contender but `FocusLock`: an answer or a score in, a move out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from parfocal.estimate import Estimator
from parfocal.focus_measures import FocusMeasure, tenengrad

PAPER_BAND_UM = 1.0
"""Of Wei & Roberts (2018, section 2.7): the estimate is kept within it."""
SMOOTH_BAND_UM, ALPHA = 0.25, 0.2
CLIMB_STEP_UM = 0.3


@dataclass(frozen=True)
class Wish:
    """What a rule makes of one frame: the defocus that it was told, if any, and the move that it wants.

    `is_refused` tells that the estimator would rather not have answered, heeded or not.
    """

    told_um: float | None
    move_um: float
    is_refused: bool = False


class Rule(Protocol):
    """Looks at one frame after another."""

    def look(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> Wish:
        """What to do about a frame of shape (Y, X)."""
        ...

    def moved(self, um: float) -> None:
        """Is told how far the drive then went, 0 where it stayed."""
        ...


class EachAnswer:
    """The rule of the 2018 paper: each answer is moved by when it is outside the dead band.

    The paper's network answers every frame, so a refusal of the model at hand is not heeded.
    """

    def __init__(self, estimator: Estimator, *, dead_band_um: float = PAPER_BAND_UM) -> None:
        self._estimator, self._dead_band_um = estimator, dead_band_um

    def look(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> Wish:
        """The answer, and the way back from it."""
        estimate = self._estimator.estimate(frame_yx, pixel_size_um=pixel_size_um)
        told_um = estimate.defocus_um
        move_um = -told_um if abs(told_um) > self._dead_band_um else 0.0
        return Wish(told_um, move_um, is_refused=not estimate.accepted)

    def moved(self, um: float) -> None:
        """Nothing is remembered."""


class Smoothed:
    """Accepted answers, smoothed exponentially; the mean is moved by when it is outside the dead band.

    A move is taken off the mean at once, so that answers from before it count as if they came after.
    """

    def __init__(
        self, estimator: Estimator, *, alpha: float = ALPHA, dead_band_um: float = SMOOTH_BAND_UM
    ) -> None:
        self._estimator, self._alpha, self._dead_band_um = estimator, alpha, dead_band_um
        self._mean_um: float | None = None

    def look(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> Wish:
        """The answer, and the way back from the mean; no move where the answer is not accepted."""
        estimate = self._estimator.estimate(frame_yx, pixel_size_um=pixel_size_um)
        told_um = estimate.defocus_um
        if not estimate.accepted:
            return Wish(told_um, 0.0, is_refused=True)
        before_um = told_um if self._mean_um is None else self._mean_um
        mean_um = self._mean_um = before_um + self._alpha * (told_um - before_um)
        return Wish(told_um, -mean_um if abs(mean_um) > self._dead_band_um else 0.0)

    def moved(self, um: float) -> None:
        """Takes a move off the mean."""
        if self._mean_um is not None:
            self._mean_um += um


class HillClimber:
    """No network: one small step each frame, turned round whenever the last one made things worse.

    The score is Tenengrad's gradient, and less is better: unstained cells have least contrast in focus.
    ``sharpness.py`` shows which measure is least there, and from how far it leads there.
    """

    def __init__(self, *, measure: FocusMeasure = tenengrad, step_um: float = CLIMB_STEP_UM) -> None:
        self._measure, self._step_um = measure, step_um
        self._before: float | None = None

    def look(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> Wish:
        """A step, in the direction of a lower score."""
        score = float(self._measure(np.asarray(frame_yx)[None])[0])
        if self._before is not None and score > self._before:
            self._step_um = -self._step_um
        self._before = score
        return Wish(None, self._step_um)

    def moved(self, um: float) -> None:
        """Nothing is remembered but the direction."""
