"""Places: how far the focus of each place of a sample lies from where the plan has it."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

DRIFT_UM_PER_H = 10.0
"""To be ready for, between two looks at a place."""
LEAST_SD_UM = 0.15
"""What all images of one place err alike."""
GATE_SDS = 4.0
OUTLIERS = 2
"""In a row at one place, and it did jump."""


@dataclass(frozen=True)
class Shift:
    """From the plan to the focus, in um; how far off that may be; and when it was seen."""

    um: float
    sd_um: float
    t_s: float
    n_outliers: int = 0

    def at(self, t_s: float) -> Shift:
        """The same, some time later."""
        sd_um = self.sd_um + DRIFT_UM_PER_H * max(t_s - self.t_s, 0.0) / 3600
        return Shift(self.um, sd_um, t_s, self.n_outliers)


class Places:
    """Learns of each place where its focus is, and expects at the others what the last one showed."""

    def __init__(self) -> None:
        self._of: dict[Hashable, Shift] = {}
        self._last: Shift | None = None

    def expect(self, place: Hashable, *, t_s: float) -> Shift | None:
        """What is to be expected there; None if nothing was learned yet."""
        known = self._of.get(place, self._last)
        return None if known is None else known.at(t_s)

    def learn(self, place: Hashable, *, shift_um: float, sd_um: float, t_s: float) -> None:
        """Take in what an image there told."""
        noise_um = math.hypot(sd_um, LEAST_SD_UM)
        before = self._of.get(place)
        if before is None:
            self._of[place] = self._last = Shift(shift_um, noise_um, t_s)
            return
        prior = before.at(t_s)
        if abs(shift_um - prior.um) > GATE_SDS * math.hypot(prior.sd_um, noise_um):
            if prior.n_outliers + 1 < OUTLIERS:
                self._of[place] = Shift(prior.um, prior.sd_um, t_s, prior.n_outliers + 1)
                return
            self._of[place] = self._last = Shift(shift_um, noise_um, t_s)
            return
        gain = prior.sd_um**2 / (prior.sd_um**2 + noise_um**2)
        sd_um = max(math.sqrt(1 - gain) * prior.sd_um, LEAST_SD_UM / 2)
        self._of[place] = self._last = Shift(prior.um + gain * (shift_um - prior.um), sd_um, t_s)
