"""The learned surface beside scikit-learn's Gaussian process with the same prior: answers and times.

The library's process is fitted anew for each measurement, with fixed values of the prior; the filter takes
one more in. Both then predict one position.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel

from parfocal.control import FocusMeasurement, LearnedSurface, SurfacePrior, serpentine, well_positions_um

Array = NDArray[np.float64]
NOISE_UM = 0.2
PRIOR = SurfacePrior(own_um_per_day=0.0)


class SurfaceKernel(Kernel):  # type: ignore[misc]
    """Plane, bow, own heights and drift between rows of (t_s, x_um, y_um); times and tilt count from 0."""

    def __init__(self) -> None:
        """Scikit-learn asks for this."""

    def __call__(self, X: Array, Y: Array | None = None, eval_gradient: bool = False) -> Any:
        """The covariance of the rows of X and Y; there is nothing to be fitted, so gradients are empty."""
        other = X if Y is None else Y
        covariance = _covariance(X, other)
        return (covariance, np.empty((*covariance.shape, 0))) if eval_gradient else covariance

    def diag(self, X: Array) -> Array:
        """Variances."""
        return np.array([_covariance(row[None], row[None])[0, 0] for row in X])

    def is_stationary(self) -> bool:
        """No: tilt and drift grow."""
        return False


def _covariance(one: Array, other: Array) -> Array:
    tau_s, rate = 3600 * PRIOR.drift_h, PRIOR.drift_um_per_h / 3600
    t, u = one[:, :1], other[:, :1].T
    decays = np.exp(-t / tau_s) + np.exp(-u / tau_s) - np.exp(-np.abs(t - u) / tau_s)
    drift = (rate * tau_s) ** 2 * (2 * np.minimum(t, u) / tau_s - 1 + decays)
    at_mm, other_mm = 1e-3 * one[:, 1:], 1e-3 * other[:, 1:]
    apart2 = ((at_mm[:, None] - other_mm[None]) ** 2).sum(axis=-1)
    bow = PRIOR.bow_um**2 * np.exp(-apart2 / 2 / PRIOR.bow_mm**2)
    plane = PRIOR.level_um**2 + PRIOR.tilt_um_per_mm**2 * at_mm @ other_mm.T
    total: Array = plane + bow + drift + PRIOR.own_um**2 * (apart2 == 0)
    return total


def measurements(n_wells: int, n_passes: int) -> list[FocusMeasurement]:
    """Made-up passes over a plate, an hour apart."""
    random = np.random.default_rng(1)
    wells_um = well_positions_um(n_wells)
    own_um = random.normal(0, 0.8, n_wells)
    told = []
    for k in range(n_passes):
        for nth, well in enumerate(serpentine(wells_um)):
            t_s, (x_um, y_um) = 3600.0 * k + 2 * nth, wells_um[well].tolist()
            z_um = 2e-3 * x_um - 1e-3 * y_um + 20 * np.sin(x_um / 4e4) + own_um[well] + 4e-4 * t_s
            told.append(FocusMeasurement(t_s, x_um, y_um, float(z_um + random.normal(0, NOISE_UM)), NOISE_UM))
    return told


def main() -> None:
    for n_wells, n_passes in ((96, 1), (384, 1), (384, 4), (384, 8)):
        told = measurements(n_wells, n_passes)
        surface = LearnedSurface(prior=PRIOR)
        for measurement in told[:-1]:
            surface = surface.learn(measurement)
        asked = (told[-1].t_s, 13_000.0, 21_000.0)
        starts = [time.perf_counter()]
        ours = surface.learn(told[-1]).at(*asked[1:], t_s=asked[0])
        starts.append(time.perf_counter())
        batch = GaussianProcessRegressor(SurfaceKernel(), alpha=NOISE_UM**2, optimizer=None)
        rows = np.array([[m.t_s, m.x_um, m.y_um] for m in told])
        batch.fit(rows, np.array([m.focus_z_um for m in told]))
        mean_um, std_um = batch.predict(np.array([asked]), return_std=True)
        starts.append(time.perf_counter())
        filter_ms, batch_ms = 1e3 * np.diff(starts)
        print(
            f"{n_wells} wells, {n_passes} passes: filter {filter_ms:.1f} ms, batch {batch_ms:.0f} ms; "
            f"{ours.focus_z_um:.4f} +- {ours.std_um:.4f} and {mean_um[0]:.4f} +- {std_um[0]:.4f} um"
        )


if __name__ == "__main__":
    main()
