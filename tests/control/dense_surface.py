"""The Gaussian process of a focus surface, computed the direct way: one matrix over all that was seen."""

from __future__ import annotations

import math

import numpy as np

from parfocal.control import SurfacePrior

DAY_S = 24 * 3600.0
EXACT = SurfacePrior(level_um=200.0, bow_mm=20.0, knot_um=1e-4, own_um_per_day=3.0)
"""With a knot at every position."""


def drift_covariance(one_s, other_s, prior):
    """Of the integral of an Ornstein-Uhlenbeck process since 0."""
    tau, sigma = 3600 * prior.drift_h, prior.drift_um_per_h / 3600
    first = np.minimum(one_s, other_s)
    decays = np.exp(-one_s / tau) + np.exp(-other_s / tau) - np.exp(-np.abs(one_s - other_s) / tau)
    return sigma**2 * tau**2 * (2 * first / tau - 1 + decays)


def dense_covariance(one, other, *, first_seen_s, prior):
    """Between rows of (t_s, x_um, y_um), as sums of kernels. Times and tilt count from the first row seen."""
    t_one, t_other = one[:, None, 0], other[None, :, 0]
    at_one, at_other = 1e-3 * one[:, None, 1:], 1e-3 * other[None, :, 1:]
    apart2 = ((at_one - at_other) ** 2).sum(axis=-1)
    same = apart2 == 0
    began = np.array([[first_seen_s.get((x, y), math.inf) for _, x, y in one]]).T
    walked_s = np.clip(np.minimum(t_one, t_other) - began, 0.0, None)
    return (
        prior.level_um**2
        + prior.tilt_um_per_mm**2 * (at_one * at_other).sum(axis=-1)
        + prior.bow_um**2 * np.exp(-apart2 / 2 / prior.bow_mm**2)
        + same * (prior.own_um**2 + prior.own_um_per_day**2 * walked_s / DAY_S)
        + drift_covariance(t_one, t_other, prior)
    )


def dense_prediction(seen, z_um, std_um, asked, *, prior):
    """Mean and variance at the asked (t_s, x_um, y_um) of a Gaussian process over all that was seen."""
    first_seen_s = {}
    for t_s, x_um, y_um in seen:
        first_seen_s.setdefault((x_um, y_um), t_s)
    kernel = {"first_seen_s": first_seen_s, "prior": prior}
    noise = np.diag(np.full(len(seen), std_um**2))
    gram = dense_covariance(seen, seen, **kernel) + noise
    common = dense_covariance(asked, seen, **kernel)
    mean = prior.expected_z_um + common @ np.linalg.solve(gram, z_um - prior.expected_z_um)
    left = dense_covariance(asked, asked, **kernel) - common @ np.linalg.solve(gram, common.T)
    return mean, left.diagonal()


def visits(seed, n):
    """Rows of (t_s, x_um, y_um) over nine positions, the first at 0; and what was measured there."""
    random = np.random.default_rng(seed)
    x_um, y_um = 9000.0 * random.integers(0, 3, (2, n))
    x_um[0] = y_um[0] = 0.0
    t_s = np.cumsum(random.uniform(1.0, 4000.0, n))
    seen = np.stack([t_s - t_s[0], x_um, y_um], axis=1)
    return seen, random.normal(100.0, 30.0, n)
