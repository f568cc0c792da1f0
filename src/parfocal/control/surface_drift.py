"""How a focus that drifts for hours in one direction may have moved on: a closed form in any time step."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SMALL = 1e-2
"""Of the time constant: for shorter steps the closed form is a difference of nearly equal numbers."""


def drift_step(
    dt_s: float, *, rate_um_per_s: float, keeps_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How level and rate go on in `dt_s` seconds: the factors, and the covariance that is added.

    Parameters
    ----------
    dt_s : float
        At least 0.
    rate_um_per_s : float
        Standard deviation of the rate.
    keeps_s : float
        Time constant in which it forgets its direction.

    Returns
    -------
    factors, added : arrays of shape (2, 2)
        For (level in um, rate in um/s).

    Notes
    -----
    The rate is an Ornstein-Uhlenbeck process, the level its integral. Two steps are as one of both lengths.
    The level grows by ``rate * dt`` at first and by the square root of the time after many time constants.
    """
    u = dt_s / keeps_s
    kept = math.exp(-u)
    gone = -math.expm1(-u)
    level = u**3 * (2 / 3 - u / 2 + 7 * u**2 / 30) if u < SMALL else 2 * u - 3 + 4 * kept - kept**2
    factors = np.array([[1.0, keeps_s * gone], [0.0, kept]])
    both = keeps_s * gone**2
    added = rate_um_per_s**2 * np.array([[keeps_s**2 * level, both], [both, -math.expm1(-2 * u)]])
    return factors, added
