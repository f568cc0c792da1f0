"""A prior is fitted to what a plate's own measurements say."""

from __future__ import annotations

import numpy as np
import pytest
from dense_surface import EXACT, dense_covariance, visits
from scipy.stats import multivariate_normal

from parfocal.control import FocusMeasurement, SurfacePrior, fit_prior, well_positions_um
from parfocal.control.surface_doubt import DoubtSettings
from parfocal.control.surface_fit import log_likelihood


def measured(own_um, *, bow_um=8.0, n=40, seed=1):
    """Some wells of a plate that was drawn with these values."""
    random = np.random.default_rng(seed)
    wells_um = well_positions_um(96)[random.permutation(96)[:n]]
    apart2 = ((wells_um[:, None] - wells_um[None]) ** 2).sum(axis=-1) / 40_000.0**2
    covariance = bow_um**2 * np.exp(-apart2 / 2) + own_um**2 * np.eye(n)
    z_um = 100.0 + random.multivariate_normal(np.zeros(n), covariance) + random.normal(0, 0.2, n)
    return [FocusMeasurement(5.0 * k, *wells_um[k].tolist(), float(z_um[k]), 0.2) for k in range(n)]


@pytest.mark.parametrize("own_um", [0.3, 3.0])
def test_own_heights_are_found_within_a_factor(own_um):
    measurements = measured(own_um)
    fitted = fit_prior(measurements)
    assert own_um / 2 < fitted.own_um < own_um * 2
    assert log_likelihood(measurements, fitted) > log_likelihood(measurements, SurfacePrior())


def test_few_measurements_fit_nothing():
    prior = SurfacePrior(own_um=0.7)
    assert fit_prior(measured(3.0)[:11], prior) is prior


def test_what_is_not_fitted_stays():
    prior = SurfacePrior(expected_z_um=99.0, tilt_um_per_mm=2.0)
    fitted = fit_prior(measured(1.0)[:12], prior)
    assert (fitted.expected_z_um, fitted.tilt_um_per_mm) == (99.0, 2.0)


def test_the_likelihood_is_that_of_a_dense_gaussian_process():
    seen, z_um = visits(3, 12)
    z_um = EXACT.expected_z_um + 0.1 * (z_um - 100.0)
    first_seen_s = {}
    for t_s, x_um, y_um in seen:
        first_seen_s.setdefault((x_um, y_um), t_s)
    covariance = dense_covariance(seen, seen, first_seen_s=first_seen_s, prior=EXACT) + 0.3**2 * np.eye(12)
    expected = multivariate_normal(np.zeros(12), covariance).logpdf(z_um) + 6 * np.log(2 * np.pi)
    measurements = [FocusMeasurement(*row, z, 0.3) for row, z in zip(seen.tolist(), z_um, strict=True)]
    never = DoubtSettings(gate_sds=1e6, chance=1e-300)
    assert log_likelihood(measurements, EXACT, doubt=never) == pytest.approx(expected, abs=1e-3)
