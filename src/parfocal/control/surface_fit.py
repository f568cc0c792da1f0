"""Which prior a plate's own measurements speak for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from parfocal.control.focus_measurement import FocusMeasurement
from parfocal.control.learned_surface import LearnedSurface
from parfocal.control.surface_doubt import DoubtSettings
from parfocal.control.surface_prior import SurfacePrior

FITTED = ("bow_um", "bow_mm", "own_um", "drift_um_per_h")
FEWEST = 12
"""Measurements: fewer speak for nothing."""
FACTOR = 3.0
"""By which a value may well differ from what was supposed: one standard deviation of its logarithm."""


def log_likelihood(
    measurements: Sequence[FocusMeasurement], prior: SurfacePrior, *, doubt: DoubtSettings | None = None
) -> float:
    """How well a prior predicts each measurement from those before: the sum of the log densities.

    What is too surprising counts as if it were just so much off, and is not learned from.
    """
    doubt = doubt or DoubtSettings()
    surface, total = LearnedSurface(prior=prior, doubt=doubt), 0.0
    for measurement in measurements:
        place = (measurement.x_um, measurement.y_um)
        expected = surface.at(*place, t_s=measurement.t_s)
        sd_um = math.hypot(expected.std_um, max(measurement.std_um, prior.least_std_um))
        sds = (measurement.focus_z_um - expected.focus_z_um) / sd_um
        total -= min(sds**2, doubt.gate_sds**2) / 2 + math.log(sd_um)
        surface = surface.learn(measurement)
    return total


def fit_prior(
    measurements: Sequence[FocusMeasurement],
    prior: SurfacePrior | None = None,
    *,
    doubt: DoubtSettings | None = None,
) -> SurfacePrior:
    """The prior that makes measurements likeliest; as it was where there are fewer than twelve.

    Parameters
    ----------
    measurements : sequence of FocusMeasurement
        In the order in which they were made. A pass over 96 wells takes some seconds, 384 a minute.
    prior : SurfacePrior, optional
        What to begin with: bow, own heights and drift are fitted and stay near these values, within a factor
        of three or so; the rest is kept.
    doubt : DoubtSettings, optional

    Notes
    -----
    Maximum of the marginal likelihood times a log-normal prior for each value (Nelder and Mead's search).
    """
    prior = prior or SurfacePrior()
    if len(measurements) < FEWEST:
        return prior

    def with_factors(logs: NDArray[np.float64]) -> SurfacePrior:
        values = [getattr(prior, name) * math.exp(log) for name, log in zip(FITTED, logs, strict=True)]
        return prior.replace(**dict(zip(FITTED, values, strict=True)))

    def cost(logs: NDArray[np.float64]) -> float:
        unlikely = float(np.square(logs / math.log(FACTOR)).sum()) / 2
        return unlikely - log_likelihood(measurements, with_factors(logs), doubt=doubt)

    start = np.vstack([np.zeros(len(FITTED)), 0.5 * np.eye(len(FITTED))])
    options = {"initial_simplex": start, "xatol": 0.05, "fatol": 0.1, "maxfev": 120}
    return with_factors(minimize(cost, start[0], method="Nelder-Mead", options=options).x)
