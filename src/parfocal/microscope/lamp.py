"""The lamp: flicker from frame to frame, a beat with the mains, slow dimming."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from parfocal.microscope.drift import DAY_S
from parfocal.settings import Settings


class LampSettings(Settings):
    """How steady the light is.

    Attributes
    ----------
    flicker : float
        rms of the light of a frame, as a fraction: 0.002, a driven LED or a halogen lamp on a good supply
        (assumed).
    mains_beat : float
        Amplitude of the slow beat of the mains with the frames, as a fraction: 0.002 (assumed).
    beat_s : float
        Its period: 7 s, of 100 Hz light that is looked at 20 times a second, 0.14 % off (assumed).
    dimming_per_day : float
        Fraction of the light that is gone after a day: 0.03, a halogen lamp in its last weeks (assumed).
    """

    flicker: float = Field(default=0.002, ge=0, le=0.2)
    mains_beat: float = Field(default=0.002, ge=0, le=0.5)
    beat_s: float = Field(default=7.0, gt=0)
    dimming_per_day: float = Field(default=0.03, ge=0, lt=1)


def lamp_light(settings: LampSettings, *, t_s: float, frame: int, seed: int) -> float:
    """Light of one frame, where 1 is that at the start without flicker.

    Parameters
    ----------
    settings : LampSettings
    t_s : float
        When the frame is exposed.
    frame : int
        Its number, by which the flicker is drawn.
    seed : int
    """
    dimmed = (1 - settings.dimming_per_day) ** (t_s / DAY_S)
    beat = 1 + settings.mains_beat * math.sin(2 * math.pi * t_s / settings.beat_s + seed)
    flicker = 1 + settings.flicker * float(np.random.default_rng([seed, 8, frame]).standard_normal())
    return float(max(0.0, dimmed * beat * flicker))
