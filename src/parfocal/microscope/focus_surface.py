"""The chamber's tilt and unevenness: where the focus is as the stage moves in x and y."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from pydantic import Field

from parfocal.settings import Settings

N_WAVES = 6


class SurfaceSettings(Settings):
    """The floor of the chamber, as the stage scans it.

    Attributes
    ----------
    tilt_um_per_mm : float
        1: a slide that lies a tenth of a millimetre higher at one end of an insert of 10 cm (assumed).
    profile_um : float
        rms of what is left beside the tilt: 0.5, a coverslip bent by its chip (assumed).
    profile_mm : float
        From one rise to the next, about (assumed: the spacing of a chip's channels and supports).
    """

    tilt_um_per_mm: float = Field(default=1.0, ge=0)
    profile_um: float = Field(default=0.5, ge=0)
    profile_mm: float = Field(default=3.0, gt=0)


def focus_surface(settings: SurfaceSettings, *, seed: int) -> Callable[[float, float], float]:
    """How much higher the focus lies at stage position x, y (in um) than at the origin, in um.

    Examples
    --------
    >>> higher_um = focus_surface(SurfaceSettings(profile_um=0.0), seed=1)
    >>> higher_um(0.0, 0.0), round(abs(complex(higher_um(1000.0, 0.0), higher_um(0.0, 1000.0))), 6)
    (0.0, 1.0)
    """
    generator = np.random.default_rng([seed, 6])
    downhill_rad = float(generator.uniform(0, 2 * np.pi))
    tilt_x = 1e-3 * settings.tilt_um_per_mm * math.cos(downhill_rad)
    tilt_y = 1e-3 * settings.tilt_um_per_mm * math.sin(downhill_rad)
    ways_rad, phases_rad = generator.uniform(0, 2 * np.pi, (2, N_WAVES))
    k = 2 * np.pi / (1000 * settings.profile_mm * generator.uniform(0.7, 1.5, N_WAVES))
    kx, ky = k * np.cos(ways_rad), k * np.sin(ways_rad)
    amplitude_um = settings.profile_um * math.sqrt(2 / N_WAVES)

    def higher_um(x_um: float, y_um: float) -> float:
        waves = np.sin(kx * x_um + ky * y_um + phases_rad) - np.sin(phases_rad)
        return tilt_x * x_um + tilt_y * y_um + amplitude_um * float(waves.sum())

    return higher_um
