"""The virtual microscope once more, in the plainest way: an independent check of its images.

Double precision, one plane wave after the other, the whole grid, every plane straight from the light behind
the specimen; no recursion, no cropping, no blur in place of source points. Of `parfocal.optics` it knows the
settings and the index volume. Slow: seconds to minutes a stack.

Notation: h is height above the coverslip, light travels toward -h, z is the objective's travel toward the
sample, ``k0 = 2 pi / wavelength``, ``rho = wavelength |f|``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from parfocal.optics import IndexVolume, VirtualMicroscope

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Pupil = Callable[[Array, Array, float], ComplexArray]
"""Gives the factor of the objective's pupil at (rho, angle_rad, wavelength_um)."""
Wave = tuple[float, int, int]
"""Wavelength in um, and periods across the field along x and y."""


def reference_stack(
    volume: IndexVolume,
    settings: VirtualMicroscope,
    z_um: Sequence[float],
    *,
    n_source_points: int | None = None,
    wavelengths_um: Sequence[float] | None = None,
    waves: Sequence[Wave] | None = None,
    pupil: Pupil | None = None,
) -> Array:
    """Images at stage positions, averaged over camera pixels, shape (Z, Y, X); an empty field is 1.

    Parameters
    ----------
    volume : IndexVolume
        Of the camera's field.
    settings : VirtualMicroscope
        Objective, condenser, spectrum and camera; the quality is of no account.
    z_um : sequence of float
        Stage positions, counted from focus on the coverslip.
    n_source_points : int, optional
        For each wavelength; by default every point of the FFT grid inside the condenser's aperture.
    wavelengths_um : sequence of float, optional
        By default all lines of the spectrum.
    waves : sequence of (wavelength_um, cycles_x, cycles_y), optional
        Exactly these plane waves, in place of the two above.
    pupil : callable, optional
        A factor of the objective's pupil beyond what the settings say.
    """
    if waves is None:
        lines_um = settings.spectrum.lines_um if wavelengths_um is None else wavelengths_um
        waves = [
            (float(line), *cycles)
            for line in lines_um
            for cycles in source_cycles(settings, float(line), n_source_points=n_source_points)
        ]
    _, rows, columns = volume.delta_index.shape
    total, empty = np.zeros((len(z_um), 2 * rows, 2 * columns)), 0.0
    for wave in waves:
        wavelength_um, cycles_x, cycles_y = wave
        passes = objective_pupil(volume, settings, wavelength_um, pupil=pupil)
        taken_in = light_behind(volume, wave) * passes
        for intensity, z in zip(total, z_um, strict=True):
            intensity += _intensity(taken_in * _focusing(volume, settings, wavelength_um, z_um=z))
        empty += abs(passes[cycles_y, cycles_x]) ** 2
    return np.stack([on_camera(intensity, settings) for intensity in total]) / empty


def source_cycles(
    settings: VirtualMicroscope, wavelength_um: float, *, n_source_points: int | None = None
) -> list[tuple[int, int]]:
    """Periods across the field along x and y of the plane waves that the condenser gives.

    Without `n_source_points` all that fit the aperture; with it, as many on a sunflower spiral, snapped.
    """
    height_um, width_um = settings.camera.field_yx_um
    outer, inner = settings.condenser.numerical_aperture, settings.condenser.inner_numerical_aperture
    if n_source_points is not None:
        k = np.arange(n_source_points)
        na = np.sqrt(inner**2 + (outer**2 - inner**2) * (k + 0.5) / n_source_points)
        angle = k * np.pi * (3 - np.sqrt(5))
        x = np.rint(na * np.cos(angle) / wavelength_um * width_um)
        y = np.rint(na * np.sin(angle) / wavelength_um * height_um)
        return [(int(cx), int(cy)) for cx, cy in zip(x, y, strict=True)]
    most_x, most_y = (int(outer / wavelength_um * side) for side in (width_um, height_um))
    return [
        (cx, cy)
        for cx in range(-most_x, most_x + 1)
        for cy in range(-most_y, most_y + 1)
        if inner <= wavelength_um * np.hypot(cx / width_um, cy / height_um) <= outer
    ]


@dataclass(frozen=True, eq=False)
class _Frequencies:
    """Spatial frequency of each Fourier coefficient (Y, X) for one wavelength."""

    rho: Array
    angle_rad: Array

    @classmethod
    def of(cls, volume: IndexVolume, wavelength_um: float) -> _Frequencies:
        (height_um, width_um), (_, rows, columns) = volume.field_yx_um, volume.delta_index.shape
        fy = np.fft.fftfreq(rows, height_um / rows)[:, None]
        fx = np.fft.fftfreq(columns, width_um / columns)[None, :]
        return cls(wavelength_um * np.hypot(fx, fy), np.arctan2(fy, fx + 0 * fy))


def light_behind(volume: IndexVolume, wave: Wave) -> ComplexArray:
    """Fourier coefficients at the coverslip of a plane wave that went through the volume, shape (Y, X)."""
    wavelength_um, cycles_x, cycles_y = wave
    slices, rows, columns = volume.delta_index.shape
    height_um, width_um = volume.field_yx_um
    k0, slice_um = 2 * np.pi / wavelength_um, volume.height_um / slices
    sine = wavelength_um * np.hypot(cycles_x / width_um, cycles_y / height_um) / volume.medium_index
    path_um = slice_um / np.sqrt(1 - sine**2)
    root_squared = volume.medium_index**2 - _Frequencies.of(volume, wavelength_um).rho ** 2
    root = np.sqrt(np.maximum(root_squared, 0))
    half_step = np.where(root_squared > 0, np.exp(1j * k0 * slice_um / 2 * root), 0)
    spectrum = np.zeros((rows, columns), np.complex128)
    spectrum[cycles_y, cycles_x] = 1
    for layer in volume.delta_index.astype(np.complex128):
        field = np.fft.ifft2(spectrum * half_step, norm="forward")
        field = field * np.exp(1j * k0 * layer * path_um)
        spectrum = np.fft.fft2(field, norm="forward") * half_step
    return spectrum


def objective_pupil(
    volume: IndexVolume, settings: VirtualMicroscope, wavelength_um: float, *, pupil: Pupil | None = None
) -> ComplexArray:
    """Factor of each Fourier coefficient (Y, X) on its way to the camera, with the coverslip in focus."""
    objective, at = settings.objective, _Frequencies.of(volume, wavelength_um)
    path_um = _coverslip_path_um(settings, at.rho)
    orders_um = objective.aberrations.model_dump().values()
    for noll, rms_um in enumerate(orders_um, start=4):
        path_um = path_um + rms_um * zernike(noll, at.rho / objective.numerical_aperture, at.angle_rad)
    passes = np.where(at.rho <= objective.numerical_aperture, np.exp(2j * np.pi / wavelength_um * path_um), 0)
    if ring := objective.phase_ring:
        on_ring = (at.rho >= ring.inner_na) & (at.rho <= ring.outer_na)
        passes = passes * np.where(on_ring, np.sqrt(ring.transmission) * np.exp(1j * ring.phase_rad), 1)
    return passes if pupil is None else passes * pupil(at.rho, at.angle_rad, wavelength_um)


def _coverslip_path_um(settings: VirtualMicroscope, rho: Array) -> Array:
    """Gibson & Lanni (1992), less the part in rho**2, which the user's refocusing takes away."""
    slip, n_oil = settings.objective.coverslip, settings.objective.immersion_index
    n_designed = slip.designed_immersion_index or n_oil
    real = [(slip.thickness_um, slip.index), (slip.working_distance_um, n_oil)]
    designed = [(slip.designed_thickness_um, slip.designed_index), (slip.working_distance_um, n_designed)]
    path_um, refocus_um = np.zeros_like(rho), 0.0
    for sign, layers in ((1, real), (-1, designed)):
        for thickness_um, index in layers:
            path_um += sign * thickness_um * (np.sqrt(np.maximum(index**2 - rho**2, 0)) - index)
            refocus_um += sign * thickness_um * n_oil / index
    return path_um - refocus_um * (np.sqrt(np.maximum(n_oil**2 - rho**2, 0)) - n_oil)


def zernike(noll: int, radius: Array, angle_rad: Array) -> Array:
    """Zernike polynomial of Noll's index (1976), of rms 1 over the unit disc."""
    n = 0
    while (n + 1) * (n + 2) // 2 < noll:
        n += 1
    within = noll - n * (n + 1) // 2 - 1
    m = (within + 1) // 2 * 2 if n % 2 == 0 else within // 2 * 2 + 1
    radial = sum(
        (-1) ** s
        * factorial(n - s)
        / (factorial(s) * factorial((n + m) // 2 - s) * factorial((n - m) // 2 - s))
        * radius ** (n - 2 * s)
        for s in range((n - m) // 2 + 1)
    )
    turn = np.cos(m * angle_rad) if noll % 2 == 0 else np.sin(m * angle_rad)
    return np.asarray(np.sqrt(n + 1) * radial * (np.sqrt(2) * turn if m else 1))


def _focusing(
    volume: IndexVolume, settings: VirtualMicroscope, wavelength_um: float, *, z_um: float
) -> ComplexArray:
    """What travel toward the sample does to each Fourier coefficient: a thinner layer of immersion."""
    rho, index = _Frequencies.of(volume, wavelength_um).rho, settings.objective.immersion_index
    path_um = z_um * (np.sqrt(np.maximum(index**2 - rho**2, 0)) - index)
    return np.exp(-2j * np.pi / wavelength_um * path_um)


def _intensity(spectrum: ComplexArray) -> Array:
    """Intensity of a field of these Fourier coefficients, shape (2 Y, 2 X).

    Twice as fine, so that no two waves of the spectrum interfere beyond the grid's limit.
    """
    rows, columns = spectrum.shape
    fine = np.zeros((2 * rows, 2 * columns), np.complex128)
    cycles_y, cycles_x = (np.rint(np.fft.fftfreq(n, 1 / n)).astype(int) for n in (rows, columns))
    fine[np.ix_(cycles_y, cycles_x)] = spectrum
    return np.asarray(np.abs(np.fft.ifft2(fine, norm="forward")) ** 2)


def on_camera(intensity: Array, settings: VirtualMicroscope) -> Array:
    """Mean over each pixel of an intensity on a grid, shape (Y, X)."""
    y = _pixel_means(intensity.shape[0], settings.camera.height_px)
    x = _pixel_means(intensity.shape[1], settings.camera.width_px)
    return np.asarray((y @ np.fft.fft2(intensity, norm="forward") @ x.T).real)


def _pixel_means(grid_px: int, pixels: int) -> ComplexArray:
    """Fourier series (pixels, grid) of the mean over each pixel; pixel k lies around k pixel sides."""
    cycles = np.fft.fftfreq(grid_px, 1 / grid_px)
    return np.sinc(cycles / pixels) * np.exp(2j * np.pi * np.arange(pixels)[:, None] / pixels * cycles)
