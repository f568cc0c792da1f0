"""Thermal drift of the focus: a smooth curve over a day."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

# Shares of the trend and of the waves, and how often each wave comes round in one run: one slow day and
# night, a small wander, and the switching of a heater (assumed).
_TREND = 0.3
_SHARES = np.array([0.5, 0.06, 0.02])
_TURNS = np.array([1.0, 3.3, 8.7])


def thermal_drift(*, range_um: float, hours: float, seed: int) -> Callable[[float], float]:
    """How far the focus has wandered since the start, in um, as a function of the time in s.

    Parameters
    ----------
    range_um : float
        Highest focus minus lowest over the run, in um.
    hours : float
        Length of the run.
    seed : int
        Turns the waves.

    Examples
    --------
    >>> drift_um = thermal_drift(range_um=40.0, hours=24.0, seed=1)
    >>> focus_um = [drift_um(t_s) for t_s in np.linspace(0, 24 * 3600, 1000)]
    >>> focus_um[0], round(max(focus_um) - min(focus_um), 1)
    (0.0, 40.0)
    """
    phases_rad = np.random.default_rng([seed, 3]).uniform(0, 2 * np.pi, len(_TURNS))

    def shape(fraction: NDArray[np.float64]) -> NDArray[np.float64]:
        waves = _SHARES * np.sin(2 * np.pi * _TURNS * fraction[:, None] + phases_rad)
        return np.asarray(_TREND * fraction + waves.sum(axis=1))

    scale_um = range_um / float(np.ptp(shape(np.linspace(0, 1, 2001))))
    start = float(shape(np.zeros(1))[0])

    def drift_um(t_s: float) -> float:
        return scale_um * float(shape(np.array([t_s / (3600 * hours)]))[0] - start)

    return drift_um
