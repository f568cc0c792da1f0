"""Koehler illumination: the condenser's aperture as plane waves of several directions and wavelengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parfocal.optics.instrument import VirtualMicroscope

GOLDEN_ANGLE_RAD = np.pi * (3 - np.sqrt(5))


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


def plane_waves(settings: VirtualMicroscope, *, seed: int) -> tuple[PlaneWaves, ...]:
    """The light of the condenser: one wave for each source point, each of one of the wavelengths.

    Parameters
    ----------
    settings : VirtualMicroscope
    seed : int
        Turns the pattern of source points.
    """
    points = source_points(settings.quality.n_source_points, generator=np.random.default_rng([seed, 1]))
    wavelengths = settings.spectrum.lines_um[: len(points)]
    return tuple(
        PlaneWaves(float(wavelength), _snapped(points[k :: len(wavelengths)], float(wavelength), settings))
        for k, wavelength in enumerate(wavelengths)
    )


def source_points(n: int, *, generator: np.random.Generator) -> NDArray[np.float64]:
    """Points that fill the unit disc evenly, shape (n, 2), turned by a random angle, in random order.

    Notes
    -----
    Vogel's sunflower spiral (1979). The order is mixed so that every wavelength sees the whole disc.
    """
    i = np.arange(n)
    radius = np.sqrt((i + 0.5) / n) if n > 1 else np.zeros(1)
    angle = i * GOLDEN_ANGLE_RAD + generator.uniform(0, 2 * np.pi)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return generator.permutation(points)


def _snapped(
    points: NDArray[np.float64], wavelength_um: float, settings: VirtualMicroscope
) -> NDArray[np.int64]:
    cycles = points * settings.condenser.numerical_aperture / wavelength_um * settings.camera.field_um
    nearest = np.round(cycles)
    widest = settings.objective.numerical_aperture / wavelength_um * settings.camera.field_um
    # With the condenser as wide as the objective, no wave may be rounded out of the objective's aperture.
    lost = np.hypot(*nearest.T) > widest
    return np.where(lost[:, None], np.trunc(cycles), nearest).astype(np.int64)
