"""Koehler illumination: the condenser's aperture as plane waves of several directions and wavelengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parfocal.optics.instrument import VirtualMicroscope

GOLDEN_ANGLE_RAD = np.pi * (3 - np.sqrt(5))
STEP_PER_TURN = 2


@dataclass(frozen=True, eq=False)
class PlaneWaves:
    """Plane waves of one wavelength, equally bright.

    Attributes
    ----------
    wavelength_um : float
        In vacuum.
    cycles_xy : array of int, shape (waves, 2)
        Periods across the field along x and y. Whole numbers keep tilted waves periodic, so that one
        propagator serves them all.
    """

    wavelength_um: float
    cycles_xy: NDArray[np.int64]


def plane_waves(settings: VirtualMicroscope, *, n_points: int, seed: int) -> tuple[PlaneWaves, ...]:
    """The light of the condenser: one wave for each source point, each of one of the wavelengths.

    Parameters
    ----------
    settings : VirtualMicroscope
    n_points : int
        Source points.
    seed : int
        Turns the pattern of source points.

    Notes
    -----
    The wavelengths take turns along the spiral, so that each of them fills the whole source: beside points
    of random wavelengths, half as many give the same error near focus. Their order changes from turn to
    turn: every fifth point of a golden spiral lies on one of a few arms.
    """
    condenser = settings.condenser
    points = source_points(
        n_points,
        inner=condenser.inner_numerical_aperture / condenser.numerical_aperture,
        generator=np.random.default_rng([seed, 1]),
    )
    wavelengths = _spread(settings.spectrum.lines_um, n_points)
    turn, place = np.divmod(np.arange(n_points), len(wavelengths))
    line = (place + STEP_PER_TURN * turn) % len(wavelengths)
    return tuple(
        PlaneWaves(float(wavelength), _snapped(points[line == k], float(wavelength), settings))
        for k, wavelength in enumerate(wavelengths)
    )


def _spread(lines_um: NDArray[np.float64], n_points: int) -> NDArray[np.float64]:
    """As many of the lines as there are points, from all over the spectrum."""
    if n_points >= len(lines_um):
        return lines_um
    middles = (np.arange(n_points) + 0.5) / n_points * len(lines_um)
    return np.asarray(lines_um[middles.astype(int)])


def source_points(n: int, *, inner: float = 0.0, generator: np.random.Generator) -> NDArray[np.float64]:
    """Points that fill the unit disc evenly outside a radius, shape (n, 2), turned by a random angle.

    Notes
    -----
    Vogel's sunflower spiral (1979).
    """
    i = np.arange(n)
    radius = np.sqrt(inner**2 + (1 - inner**2) * (i + 0.5) / n) if n > 1 else np.full(1, inner)
    angle = i * GOLDEN_ANGLE_RAD + generator.uniform(0, 2 * np.pi)
    return np.asarray(radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _snapped(
    points: NDArray[np.float64], wavelength_um: float, settings: VirtualMicroscope
) -> NDArray[np.int64]:
    condenser, objective = settings.condenser, settings.objective
    field_xy_um = np.array(settings.camera.field_yx_um[::-1])
    cycles = points * condenser.numerical_aperture / wavelength_um * field_xy_um
    nearest = np.round(cycles)
    # With the condenser as wide as the objective, no wave may be rounded out of the objective's aperture.
    sine = np.hypot(*(nearest / field_xy_um * wavelength_um).T)
    lost = sine > objective.numerical_aperture
    return np.asarray(np.where(lost[:, None], np.trunc(cycles), nearest), dtype=np.int64)
