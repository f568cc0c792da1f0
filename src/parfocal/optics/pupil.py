"""The objective's pupil: aperture, phase ring, coverslip mismatch, aberrations and focus.

``rho = wavelength |f|`` is the sine of the angle times the index. Light's phase grows along its way, so a
longer optical path adds phase.

Sources: focus and mismatch after Gibson & Lanni (1992); Zernike polynomials in Noll's norm (1976); the phase
ring after Zernike (1942).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from parfocal.optics.fourier import unit_wave
from parfocal.optics.instrument import ObjectiveSettings, PhaseRingSettings


def pupil(objective: ObjectiveSettings, wavelength_um: float, fy: Tensor, fx: Tensor) -> Tensor:
    """What the objective does to light of each frequency when focused on the coverslip's inner face.

    Parameters
    ----------
    objective : ObjectiveSettings
    wavelength_um : float
        In vacuum.
    fy, fx : Tensor
        Frequencies in 1/um that broadcast to the result's shape.

    Returns
    -------
    Tensor, complex64
        0 beyond the aperture.
    """
    rho_squared = wavelength_um**2 * (fy**2 + fx**2)
    path_um = _coverslip_path_um(objective, rho_squared)
    path_um = path_um + _aberration_path_um(objective, wavelength_um * fy, wavelength_um * fx)
    inside = rho_squared <= objective.numerical_aperture**2
    passed = inside * unit_wave(2 * np.pi / wavelength_um * path_um)
    return passed * _ring(objective.phase_ring, rho_squared) if objective.phase_ring else passed


def focus_phase_per_um(objective: ObjectiveSettings, wavelength_um: float, fy: Tensor, fx: Tensor) -> Tensor:
    """Phase in radians that 1 um of travel toward the sample takes away, 0 beyond the aperture.

    An objective nearer to the sample leaves a thinner layer of immersion medium (Gibson & Lanni).
    """
    rho_squared = wavelength_um**2 * (fy**2 + fx**2)
    inside = rho_squared <= objective.numerical_aperture**2
    return 2 * np.pi / wavelength_um * _path_per_um(objective.immersion_index, rho_squared) * inside


def _path_per_um(index: float, rho_squared: Tensor) -> Tensor:
    """Optical path of a layer 1 um thick, less that of straight light."""
    return torch.sqrt((index**2 - rho_squared).clamp(min=0)) - index


def _coverslip_path_um(objective: ObjectiveSettings, rho_squared: Tensor) -> Tensor:
    """Path that coverslip and immersion have too much, seen from where straight light comes to focus."""
    slip, index = objective.coverslip, objective.immersion_index
    designed_index = slip.designed_immersion_index or index
    layers = (
        (slip.thickness_um, slip.index),
        (-slip.designed_thickness_um, slip.designed_index),
        (slip.working_distance_um, index),
        (-slip.working_distance_um, designed_index),
    )
    path_um = sum(um * _path_per_um(n, rho_squared) for um, n in layers)
    # To second order in rho a layer is as -um / (2 n): the user's refocusing takes that away.
    refocus_um = index * sum(um / n for um, n in layers)
    return path_um - refocus_um * _path_per_um(index, rho_squared)


def _aberration_path_um(objective: ObjectiveSettings, rho_y: Tensor, rho_x: Tensor) -> Tensor:
    y, x = rho_y / objective.numerical_aperture, rho_x / objective.numerical_aperture
    path_um = torch.zeros_like(y * x)
    for name, polynomial in _ZERNIKE.items():
        if rms_um := getattr(objective.aberrations, name):
            path_um += rms_um * polynomial(y, x)
    return path_um


_ZERNIKE: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "defocus_um": lambda y, x: np.sqrt(3) * (2 * (x**2 + y**2) - 1),
        "oblique_astigmatism_um": lambda y, x: 2 * np.sqrt(6) * x * y,
        "vertical_astigmatism_um": lambda y, x: np.sqrt(6) * (x**2 - y**2),
        "vertical_coma_um": lambda y, x: np.sqrt(8) * (3 * (x**2 + y**2) - 2) * y,
        "horizontal_coma_um": lambda y, x: np.sqrt(8) * (3 * (x**2 + y**2) - 2) * x,
        "vertical_trefoil_um": lambda y, x: np.sqrt(8) * (3 * x**2 - y**2) * y,
        "oblique_trefoil_um": lambda y, x: np.sqrt(8) * (x**2 - 3 * y**2) * x,
        "primary_spherical_um": lambda y, x: np.sqrt(5) * (6 * (x**2 + y**2) * (x**2 + y**2 - 1) + 1),
    }
)
"""Noll's polynomials 4 to 11 over the unit disc, x toward the right and y downward in the image."""


def _ring(ring: PhaseRingSettings, rho_squared: Tensor) -> Tensor:
    """Amplitude of the ring: dimmed and turned on it, 1 beside it."""
    on_ring = (rho_squared >= ring.inner_na**2) & (rho_squared <= ring.outer_na**2)
    direct = np.sqrt(ring.transmission) * np.exp(1j * ring.phase_rad)
    beside = torch.ones((), dtype=torch.complex64, device=rho_squared.device)
    return torch.where(on_ring, direct * beside, beside)
