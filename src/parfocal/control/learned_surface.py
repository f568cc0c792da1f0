"""LearnedSurface: where the focus is expected at any stage position and time, learned from every image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parfocal.control.focus_measurement import FocusMeasurement, FocusPrediction
from parfocal.control.surface_belief import SurfaceBelief
from parfocal.control.surface_doubt import (
    DoubtSettings,
    Surprise,
    common_move_um,
    moved_together,
    says_the_same,
)
from parfocal.control.surface_prior import SurfacePrior

MOST_DOUBTS = 1000
MOST_SUSPECTS = 20
"""Positions, seen last, of which one may have been wrong when all seem to move together."""
RARER = math.log(300.0)
"""A jump of the stage than a wrong answer: one frame in 10,000, not three in a hundred (assumed)."""


class Verdict(StrEnum):
    """What became of a measurement."""

    TAKEN = "taken"
    DOUBTED = "doubted"
    SAID_AGAIN = "said again"
    JUMP = "jump of all"
    OTHER_ODD = "another was odd"
    BEGUN_ANEW = "begun anew"


@dataclass(frozen=True, eq=False)
class SurfaceGrid:
    """A surface drawn over a grid at one time.

    Attributes
    ----------
    x_um, y_um : arrays, shapes (X,) and (Y,)
    focus_z_yx_um, std_yx_um : arrays, shape (Y, X)
    """

    x_um: NDArray[np.float64]
    y_um: NDArray[np.float64]
    focus_z_yx_um: NDArray[np.float64]
    std_yx_um: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LearnedSurface:
    """What is known of the focus over a stage and in time. A frozen value: `learn` gives a new one.

    Attributes
    ----------
    prior : SurfacePrior
    doubt : DoubtSettings
    belief : SurfaceBelief or None
        None before the first measurement.
    latest : tuple of Surprise
        How far the latest measurements were off, one a position, newest last.
    doubted : tuple of Surprise
        Measurements that were not taken in, one a position, newest last.
    verdict : Verdict or None
        What became of the last measurement: taken in, doubted and left out, taken in because the position had
        said the same before; taken in with those before it because all positions moved together, or because
        another position turned out to have been odd; or kept with those before it and all else forgotten.
    jumped_at : tuple of (float, float)
        Stage positions at which all positions were found to have moved together.
    n_taken, n_jumps : int
        Measurements that were taken in since it began or was begun anew, and jumps of the whole stage.

    Examples
    --------
    >>> surface = LearnedSurface()
    >>> for x_um, y_um, z_um in [(0.0, 0.0, 50.0), (9000.0, 0.0, 53.0), (0.0, 9000.0, 49.0)]:
    ...     surface = surface.learn(FocusMeasurement(0.0, x_um, y_um, z_um, std_um=0.2))
    >>> before_its_first_image = surface.at(9000.0, 9000.0, t_s=10.0)
    >>> round(before_its_first_image.focus_z_um), round(before_its_first_image.std_um)
    (52, 3)
    """

    prior: SurfacePrior = field(default_factory=SurfacePrior)
    doubt: DoubtSettings = field(default_factory=DoubtSettings)
    belief: SurfaceBelief | None = None
    latest: tuple[Surprise, ...] = ()
    doubted: tuple[Surprise, ...] = ()
    verdict: Verdict | None = None
    jumped_at: tuple[tuple[float, float], ...] = ()
    n_taken: int = 0
    n_jumps: int = 0

    def at(self, x_um: float, y_um: float, *, t_s: float) -> FocusPrediction:
        """Where the focus is expected at a stage position and time; for an earlier time, as last known."""
        [z_um], [std_um] = self.at_all([[x_um, y_um]], t_s=t_s)
        return FocusPrediction(float(z_um), float(std_um))

    def at_all(self, xy_um: ArrayLike, *, t_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same at many positions (M, 2) at once: focus z and its standard deviation in um, each (M,)."""
        z_um, variances = self.belief_at(t_s, near_um=xy_um).heights(xy_um)
        return z_um, np.sqrt(variances)

    def grid(self, x_um: ArrayLike, y_um: ArrayLike, *, t_s: float) -> SurfaceGrid:
        """The surface over the grid of some x (X,) and y (Y,) at a time, for drawing."""
        x_um, y_um = np.asarray(x_um, float), np.asarray(y_um, float)
        xy_um = np.stack(np.meshgrid(x_um, y_um), axis=-1).reshape(-1, 2)
        z_um, std_um = self.at_all(xy_um, t_s=t_s)
        shape = (len(y_um), len(x_um))
        return SurfaceGrid(x_um, y_um, z_um.reshape(shape), std_um.reshape(shape))

    def belief_at(self, t_s: float, *, near_um: ArrayLike) -> SurfaceBelief:
        """The Gaussian at a time; before the first measurement, about the first of some positions (M, 2)."""
        if self.belief is None:
            x_um, y_um = np.asarray(near_um, float).reshape(-1, 2)[0].tolist()
            return SurfaceBelief.at_first(self.prior, t_s=t_s, origin_um=(x_um, y_um))
        return self.belief.later(t_s)

    def learn(self, measurement: FocusMeasurement) -> LearnedSurface:
        """The surface after one more measurement, which it may doubt.

        Raises
        ------
        InputError
            If a number of the measurement is not finite, or its standard deviation is not above 0.

        Notes
        -----
        What became of it is in `verdict`. One that is too surprising is not, unless the same position
        has said the same before: then that position is different from what was thought. If position after
        position is off to the same side, all moved together: the level is opened, and what was doubted of
        them is taken in. A position that turns out to be odd says nothing about its neighbours from then on.
        """
        measurement.check()
        surface = self._surprised_by(measurement)
        now = surface.latest[-1]
        together = moved_together(surface.latest, settings=self.doubt)
        if together:
            return surface._after_all_moved(together)
        if abs(now.sds) <= self.doubt.gate_sds:
            return replace(surface._taking_in(now), verdict=Verdict.TAKEN)
        if says_the_same(now, surface.doubted, near_um=self.prior.near_um, settings=self.doubt):
            return replace(surface._opened_at(now)._taking_in(now), verdict=Verdict.SAID_AGAIN)
        doubted = (*self._others(surface.doubted, now), now)[-MOST_DOUBTS:]
        return replace(surface, doubted=doubted, verdict=Verdict.DOUBTED)

    def _surprised_by(self, measured: FocusMeasurement) -> LearnedSurface:
        """The belief moved on to the time of a measurement, which is the newest of the latest."""
        place = (measured.x_um, measured.y_um)
        belief = self.belief_at(measured.t_s, near_um=place)
        [expected_um], [variance] = belief.heights(place)
        std_um = max(measured.std_um, self.prior.least_std_um)
        now = Surprise(
            measured.t_s,
            *place,
            focus_z_um=measured.focus_z_um,
            std_um=std_um,
            off_um=measured.focus_z_um - float(expected_um),
            sd_um=math.sqrt(float(variance) + std_um**2),
        )
        latest = (*self._others(self.latest, now), now)[-self.doubt.most_together :]
        return replace(self, belief=belief, latest=latest)

    def _others(self, surprises: Sequence[Surprise], now: Surprise) -> tuple[Surprise, ...]:
        near_um = self.prior.near_um
        return tuple(s for s in surprises if math.hypot(s.x_um - now.x_um, s.y_um - now.y_um) > near_um)

    def _taking_in(self, surprise: Surprise) -> LearnedSurface:
        assert self.belief is not None
        belief = self.belief.take_in(
            surprise.x_um, surprise.y_um, focus_z_um=surprise.focus_z_um, std_um=surprise.std_um
        )
        oddness = np.abs(belief.oddness())
        oddest = int(np.argmax(oddness))
        if oddness[oddest] > self.doubt.gate_sds:
            belief = belief.made_odd(oddest)
        return replace(
            self,
            belief=belief,
            doubted=self._others(self.doubted, surprise),
            n_taken=self.n_taken + 1,
        )

    def _opened_at(self, surprise: Surprise) -> LearnedSurface:
        assert self.belief is not None
        place = (surprise.x_um, surprise.y_um)
        return replace(self, belief=self.belief.with_open_place(*place, surprise.off_um**2))

    def _after_all_moved(self, together: tuple[Surprise, ...]) -> LearnedSurface:
        """What was doubted taken in, by whatever explains best why position after position was off.

        A jump of the whole stage, or an earlier position that was wrong; where no more was known than speaks
        against it, or where the same was found before, the surface itself.
        """
        assert self.belief is not None
        doubted = [s for s in together if s in self.doubted or s is self.latest[-1]]
        if self.n_taken < len(doubted) or self._is_where_it_jumped(together):
            return self._begun_anew(doubted)
        moved = self.belief.with_open_level(common_move_um(together) ** 2)
        other = self._with_the_likeliest_odd(doubted)
        if _likelihood(other, doubted) > _likelihood(moved, doubted) - RARER:
            healed = replace(self, belief=other)._taking_in_all(doubted)
            return replace(healed, verdict=Verdict.OTHER_ODD)
        jumped_at = (*self.jumped_at, *((s.x_um, s.y_um) for s in together))[-MOST_DOUBTS:]
        surface = replace(self, belief=moved, jumped_at=jumped_at, n_jumps=self.n_jumps + 1)
        for surprise in together:  # what was taken in before it was understood spoilt their own heights
            if surprise not in doubted:
                surface = surface._opened_at(surprise)
        return replace(surface._taking_in_all(doubted), latest=(), verdict=Verdict.JUMP)

    def _with_the_likeliest_odd(self, doubted: Sequence[Surprise]) -> SurfaceBelief:
        """The belief in which that position is odd without which the doubted measurements are likeliest."""
        assert self.belief is not None
        suspects = np.argsort(self.belief.seen_s)[-MOST_SUSPECTS:].tolist()
        beliefs = [self.belief.made_odd(place) for place in suspects]
        return max(beliefs, key=lambda belief: _likelihood(belief, doubted), default=self.belief)

    def _is_where_it_jumped(self, surprises: Sequence[Surprise]) -> bool:
        near_um = self.prior.near_um
        return any(
            math.hypot(x_um - s.x_um, y_um - s.y_um) <= near_um
            for x_um, y_um in self.jumped_at
            for s in surprises
        )

    def _begun_anew(self, surprises: Sequence[Surprise]) -> LearnedSurface:
        """A surface that knows these only."""
        assert self.belief is not None
        t_s, origin_um = self.belief.t_s, self.belief.origin_um
        belief = SurfaceBelief.at_first(self.prior, t_s=t_s, origin_um=origin_um)
        surface = replace(self, belief=belief, latest=(), doubted=(), jumped_at=(), n_taken=0)
        return replace(surface._taking_in_all(surprises), verdict=Verdict.BEGUN_ANEW)

    def _taking_in_all(self, surprises: Sequence[Surprise]) -> LearnedSurface:
        surface = self
        for surprise in surprises:
            surface = surface._taking_in(surprise)
        return surface


def _likelihood(belief: SurfaceBelief, surprises: Sequence[Surprise]) -> float:
    """Log density of some measurements, one after the other."""
    total = 0.0
    for s in surprises:
        measured = {"focus_z_um": s.focus_z_um, "std_um": s.std_um}
        total += belief.log_density(s.x_um, s.y_um, **measured)
        belief = belief.take_in(s.x_um, s.y_um, **measured)
    return total
