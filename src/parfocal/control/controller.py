"""The controller: a belief in, a move out, and no state."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import Field

from parfocal.control.belief import Belief
from parfocal.settings import Settings

AGREED = 2
"""Answers, before a long move."""
LEAD = 0.5
"""Of the dead band, that a move goes beyond the target against the drift: it comes back by itself."""
SLOWEST_UM_PER_S = 0.5 / 3600
"""A slower drift has no direction to rely on."""
SURE = 0.2
"""Of the way to the target: a standard deviation that leaves no doubt on which side it is."""


class ControllerSettings(Settings):
    """When to move.

    Attributes
    ----------
    target_um : float
        The lock target: the defocus to hold.
    dead_band_um : float
        No move while the defocus is believed to be this close to the target. The 2018 paper has +-1 um; what
        is inside stays as it is, on top of the errors of the estimates. A move goes half a dead band beyond
        the target where the belief knows the direction of the drift.
    largest_sd_um : float
        No move while the belief is wider than this; far from the target, than a fifth of the way there.
    long_move_um : float
        A longer one needs a second answer that agrees with the first, and goes no further than the near end
        of the belief's interval: what lies beyond is seen better from there.
    """

    target_um: float = 0.0
    dead_band_um: float = Field(default=0.15, ge=0)
    largest_sd_um: float = Field(default=1.5, gt=0)
    long_move_um: float = Field(default=2.0, gt=0)

    def is_unsure(self, *, error_um: float, sd_um: float) -> bool:
        """Whether something so wide, so far from the target, is too uncertain to move by.

        Examples
        --------
        >>> settings = ControllerSettings()
        >>> settings.is_unsure(error_um=2.0, sd_um=1.8), settings.is_unsure(error_um=15.0, sd_um=1.8)
        (True, False)
        """
        return not sd_um <= max(self.largest_sd_um, SURE * abs(error_um))


@dataclass(frozen=True)
class Decision:
    """A wanted move of the stage in um, 0 to hold still, and why."""

    move_um: float
    reason: str


def decide(belief: Belief, settings: ControllerSettings) -> Decision:
    """What to do about a belief: go back to the target, or part of the way there, or nothing.

    Examples
    --------
    >>> decide(Belief(mean_um=1.5, variance_um2=0.1), ControllerSettings())
    Decision(move_um=-1.5, reason='outside the dead band')
    >>> decide(Belief(mean_um=3.0, variance_um2=9.0), ControllerSettings()).move_um
    0.0
    >>> far = Belief(mean_um=6.0, variance_um2=1.0, n_agreed=2)
    >>> round(decide(far, ControllerSettings()).move_um, 1)
    -4.4
    """
    error_um = belief.mean_um - settings.target_um
    if settings.is_unsure(error_um=error_um, sd_um=belief.sd_um):
        return Decision(0.0, "too uncertain to move")
    if belief.n_outliers:
        return Decision(0.0, "the last estimates contradict each other")
    if abs(error_um) <= settings.dead_band_um:
        return Decision(0.0, "within the dead band")
    if abs(error_um) <= settings.long_move_um:
        return Decision(-error_um - _lead_um(belief, settings), "outside the dead band")
    if belief.n_agreed < AGREED:
        return Decision(0.0, "a long move waits for a second answer")
    sure_um = max(abs(error_um) - belief.half90_um, abs(error_um) / 2)
    return Decision(-math.copysign(sure_um, error_um), "far from the target")


def _lead_um(belief: Belief, settings: ControllerSettings) -> float:
    if abs(belief.drift_um_per_s) < SLOWEST_UM_PER_S:
        return 0.0
    return math.copysign(LEAD * settings.dead_band_um, belief.drift_um_per_s)
