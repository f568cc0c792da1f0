"""Partially coherent bright-field imaging: multislice through the specimen, Abbe sum over the condenser.

Notation: h is height above the coverslip and light travels toward -h; ``k0 = 2 pi / wavelength`` and
``rho = wavelength |f|`` is the sine of the angle times the index. The stage position z is the travel of the
objective toward the sample, zero where the coverslip's inner face is in focus.

Sources: beam propagation after Van Roey, van der Donk & Lagasse (1981); Abbe's sum over source points after
Hopkins (1953); focusing through the immersion medium after Gibson & Lanni (1992).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import j1
from torch import Tensor

from parfocal.optics.instrument import VirtualMicroscope
from parfocal.optics.scene import Scene, index_volume

GOLDEN_ANGLE_RAD = np.pi * (3 - np.sqrt(5))


@dataclass(frozen=True, eq=False)
class Line:
    """The light of one wavelength behind the specimen.

    Attributes
    ----------
    wavelength_um : float
    spectra : Tensor, shape (sources, M, M), complex
        Fourier coefficients at the coverslip, within the objective's aperture, one for each source point.
    """

    wavelength_um: float
    spectra: Tensor


@dataclass(frozen=True, eq=False)
class ExitField:
    """Light behind a specimen, from which the image at any stage position follows.

    Attributes
    ----------
    settings : VirtualMicroscope
    lines : tuple of Line
    focus_z_um : float
        Stage position at which the scene's focus height is in focus, in um.
    """

    settings: VirtualMicroscope
    lines: tuple[Line, ...]
    focus_z_um: float

    @property
    def n_sources(self) -> int:
        """Number of source points over all lines."""
        return sum(len(line.spectra) for line in self.lines)

    def intensity(self, z_um: float) -> NDArray[np.float32]:
        """The image at a stage position, averaged over camera pixels; an empty field is 1.

        Parameters
        ----------
        z_um : float
            Stage position in um, counted from focus on the coverslip.

        Returns
        -------
        array, shape (Y, X), float32
        """
        grid_px = self.lines[0].spectra.shape[-1]
        total = torch.zeros(grid_px, grid_px, device=self.lines[0].spectra.device)
        for line in self.lines:
            focusing = _focusing(line, z_um, settings=self.settings)
            for spectrum in line.spectra:  # one at a time stays in the processor's cache
                field = torch.fft.ifft2(spectrum * focusing, norm="forward")
                total += field.real.square() + field.imag.square()
        return self._to_camera(total / self.n_sources, blur_radius_um=self._patch_radius_um(z_um))

    def _patch_radius_um(self, z_um: float) -> float:
        # Each source point stands for a patch of the condenser; out of focus the patches' images part.
        optics = self.settings
        patch_na = optics.condenser.numerical_aperture / np.sqrt(self.n_sources)
        return float(abs(z_um - self.focus_z_um) * patch_na / optics.objective.immersion_index)

    def _to_camera(self, intensity: Tensor, *, blur_radius_um: float) -> NDArray[np.float32]:
        camera = self.settings.camera
        transfer = _camera_transfer(
            camera.frame_px, camera.pixel_size_um, blur_radius_um=round(blur_radius_um, 4)
        )
        spectrum = torch.fft.rfft2(intensity, norm="forward")
        cropped = _crop_half_spectrum(spectrum, camera.frame_px) * transfer.to(spectrum.device)
        image = torch.fft.irfft2(cropped, s=(camera.frame_px, camera.frame_px), norm="forward")
        array: NDArray[np.float32] = image.cpu().numpy()
        return array


def exit_field(
    scene: Scene, settings: VirtualMicroscope, *, seed: int, device: str | torch.device = "cpu"
) -> ExitField:
    """Light behind a scene, for every source point of the condenser.

    Parameters
    ----------
    scene : Scene
        Its field must be the camera's field.
    settings : VirtualMicroscope
    seed : int
        Turns the pattern of source points, so that a network cannot learn it.
    device : str or torch.device
        Where to compute.

    Notes
    -----
    One wavelength to each source point. Source points lie on a sunflower spiral and are snapped to the
    Fourier grid, which keeps tilted waves periodic so that one propagator serves them all.
    """
    grid_px = fast_fft_size(max(scene.field_um / settings.quality.grid_um, settings.camera.frame_px))
    n_slices = max(1, round(scene.height_um / settings.quality.slice_um))
    volume = torch.from_numpy(index_volume(scene, grid_px=grid_px, n_slices=n_slices)).to(device)
    points = source_points(settings.quality.n_source_points, generator=np.random.default_rng([seed, 1]))
    wavelengths = settings.spectrum.lines_um
    lines = []
    for k, wavelength_um in enumerate(wavelengths):
        directions = points[k :: len(wavelengths)] * settings.condenser.numerical_aperture
        if len(directions):
            spectra = _through_specimen(volume, directions, float(wavelength_um), scene=scene)
            lines.append(Line(float(wavelength_um), _within_aperture(spectra, wavelength_um, settings)))
    focus_z_um = scene.focus_height_um * settings.objective.immersion_index / scene.medium_index
    return ExitField(settings, tuple(lines), focus_z_um)


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


def fast_fft_size(least: float) -> int:
    """The smallest even size of the form ``2**a 3**b 5**c`` that is at least `least`.

    Examples
    --------
    >>> fast_fft_size(383.2), fast_fft_size(329)
    (384, 360)
    """
    size = int(np.ceil(least - 1e-9))
    while size % 2 or _largest_prime_factor(size) > 5:
        size += 1
    return size


def _largest_prime_factor(n: int) -> int:
    for p in (2, 3, 5):
        while n % p == 0:
            n //= p
    return n


def _frequencies(grid_px: int, field_um: float, device: torch.device) -> Tensor:
    """Squared spatial frequency |f|**2, shape (grid, grid), in 1/um**2."""
    f = torch.fft.fftfreq(grid_px, d=field_um / grid_px, device=device, dtype=torch.float64)
    squared: Tensor = f[:, None] ** 2 + f[None, :] ** 2
    return squared


def _through_specimen(
    volume: Tensor, directions: NDArray[np.float64], wavelength_um: float, *, scene: Scene
) -> Tensor:
    """Spectra at the coverslip for plane waves from some directions (n, 2: numerical aperture x, y)."""
    n_slices, grid_px = volume.shape[0], volume.shape[-1]
    k0 = 2 * np.pi / wavelength_um
    slice_um = scene.height_um / n_slices
    step = _propagator(grid_px, scene, wavelength_um, distance_um=slice_um, device=volume.device)
    half_step = _propagator(grid_px, scene, wavelength_um, distance_um=slice_um / 2, device=volume.device)
    spectra = []
    for direction in directions:
        cycles = np.round(direction / wavelength_um * scene.field_um)  # snapped to the Fourier grid
        sine = wavelength_um * float(np.hypot(*cycles)) / scene.field_um
        cosine = np.sqrt(1 - (sine / scene.medium_index) ** 2)
        field = _plane_wave(grid_px, cycles, device=volume.device)
        for k in range(n_slices):
            field = field * _transmission(volume[k], k0 * slice_um / cosine)
            spectrum = torch.fft.fft2(field, norm="forward")
            if k < n_slices - 1:
                field = torch.fft.ifft2(spectrum * step, norm="forward")
        spectra.append(spectrum * half_step)
    return torch.stack(spectra)


def _transmission(delta_index: Tensor, k_path: float) -> Tensor:
    """``exp(i k_path delta_index)``; cosine and sine are ten times faster than a complex exponential."""
    phase = k_path * (delta_index.real if delta_index.is_complex() else delta_index)
    wave = torch.complex(torch.cos(phase), torch.sin(phase))
    return wave * torch.exp(-k_path * delta_index.imag) if delta_index.is_complex() else wave


def _plane_wave(grid_px: int, cycles_xy: NDArray[np.float64], *, device: torch.device) -> Tensor:
    turn = 2 * np.pi * torch.arange(grid_px, device=device, dtype=torch.float64) / grid_px
    x, y = torch.exp(1j * cycles_xy[0] * turn), torch.exp(1j * cycles_xy[1] * turn)
    return (y[:, None] * x[None, :]).to(torch.complex64)


def _propagator(
    grid_px: int, scene: Scene, wavelength_um: float, *, distance_um: float, device: torch.device
) -> Tensor:
    """Angular-spectrum propagation through the medium; evanescent waves are dropped."""
    squared = scene.medium_index**2 - wavelength_um**2 * _frequencies(grid_px, scene.field_um, device)
    phase = 2 * np.pi / wavelength_um * distance_um * torch.sqrt(squared.clamp(min=0))
    return (torch.exp(1j * phase) * (squared > 0)).to(torch.complex64)


def _within_aperture(spectra: Tensor, wavelength_um: float, settings: VirtualMicroscope) -> Tensor:
    """The part of the spectra that the objective takes in, on the smallest grid that holds the image."""
    field_um = settings.camera.field_um
    camera_band = 0.5 / settings.camera.pixel_size_um
    shortest_um = float(settings.spectrum.lines_um.min())
    objective_na, condenser_na = settings.objective.numerical_aperture, settings.condenser.numerical_aperture
    band = max(2 * objective_na / shortest_um, (objective_na + condenser_na) / shortest_um + camera_band)
    smaller_px = min(fast_fft_size(max(band * field_um, settings.camera.frame_px)), spectra.shape[-1])
    cropped = _crop_spectrum(spectra, smaller_px)
    rho_squared = wavelength_um**2 * _frequencies(smaller_px, field_um, spectra.device)
    return cropped * (rho_squared <= objective_na**2)


def _crop_spectrum(spectra: Tensor, size: int) -> Tensor:
    keep = torch.cat([torch.arange(size // 2), torch.arange(-(size - size // 2), 0)]).to(spectra.device)
    return spectra[..., keep, :][..., keep]


def _crop_half_spectrum(spectrum: Tensor, size: int) -> Tensor:
    rows = torch.cat([torch.arange(size // 2), torch.arange(-(size - size // 2), 0)]).to(spectrum.device)
    return spectrum[rows][:, : size // 2 + 1]


def _focusing(line: Line, z_um: float, *, settings: VirtualMicroscope) -> Tensor:
    """Phase that the thinner immersion layer of an objective moved by z takes away (Gibson & Lanni)."""
    unit = _immersion_phase(
        line.spectra.shape[-1],
        settings.camera.field_um,
        line.wavelength_um,
        settings.objective.immersion_index,
        settings.objective.numerical_aperture,
    ).to(line.spectra.device)
    phase = unit * -z_um
    return torch.complex(torch.cos(phase), torch.sin(phase))


@lru_cache(maxsize=32)
def _immersion_phase(
    grid_px: int, field_um: float, wavelength_um: float, index: float, numerical_aperture: float
) -> Tensor:
    """Phase per um of travel, ``k0 (sqrt(n**2 - rho**2) - n)``, zero outside the aperture."""
    rho_squared = wavelength_um**2 * _frequencies(grid_px, field_um, torch.device("cpu"))
    inside = rho_squared <= numerical_aperture**2
    root = torch.sqrt((index**2 - rho_squared).clamp(min=0)) - index
    return (2 * np.pi / wavelength_um * root * inside).to(torch.float32)


@lru_cache(maxsize=64)
def _camera_transfer(frame_px: int, pixel_size_um: float, *, blur_radius_um: float) -> Tensor:
    """Transfer of a square pixel and of a blur by a disc, for a half spectrum, shape (Y, X // 2 + 1)."""
    fy = np.fft.fftfreq(frame_px, d=pixel_size_um)
    fx = np.fft.rfftfreq(frame_px, d=pixel_size_um)
    pixel = np.sinc(fy * pixel_size_um)[:, None] * np.sinc(fx * pixel_size_um)[None, :]
    argument = 2 * np.pi * blur_radius_um * np.hypot(fy[:, None], fx[None, :])
    disc = np.where(argument > 1e-6, 2 * j1(argument) / np.maximum(argument, 1e-6), 1.0)
    return torch.from_numpy((pixel * disc).astype(np.float32))
