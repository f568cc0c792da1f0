"""Vibration: how floor, fans and pumps shake the focus."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from parfocal.optics.specimens.ranges import check_order
from parfocal.settings import Settings

N_LINES = 5


class VibrationSettings(Settings):
    """How much the distance from objective to sample shakes.

    Attributes
    ----------
    rms_um : float
        0.03: what is left on an ordinary optical table (assumed; 0.01 to 0.1 is usual).
    slowest_hz, fastest_hz : float
        Where buildings and fans shake most (assumed).
    """

    rms_um: float = Field(default=0.03, ge=0)
    slowest_hz: float = Field(default=10.0, gt=0)
    fastest_hz: float = Field(default=30.0, gt=0)

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        check_order(self, "slowest_hz", "fastest_hz")
        return self


def vibration(settings: VibrationSettings, *, seed: int) -> Callable[[float], float]:
    """How far the focal plane is shaken from its place, in um, as a function of the time in s.

    Notes
    -----
    A few lines of equal strength between the slowest and the fastest, drawn by the seed.
    """
    generator = np.random.default_rng([seed, 5])
    hz = generator.uniform(settings.slowest_hz, settings.fastest_hz, N_LINES).tolist()
    phases_rad = generator.uniform(0, 2 * np.pi, N_LINES).tolist()
    amplitude_um = settings.rms_um * math.sqrt(2 / N_LINES)

    def shaken_um(t_s: float) -> float:
        waves = (math.sin(2 * math.pi * f * t_s + phase) for f, phase in zip(hz, phases_rad, strict=True))
        return amplitude_um * sum(waves)

    return shaken_um
