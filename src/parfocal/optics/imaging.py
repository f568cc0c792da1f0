"""Partially coherent bright-field imaging: Abbe's sum over the condenser, and the objective's focus.

The stage position z is the travel of the objective toward the sample, zero where the coverslip's inner face
is in focus.

Sources: Abbe's sum over source points after Hopkins (1953); focusing through the immersion medium after
Gibson & Lanni (1992).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parfocal.errors import InputError
from parfocal.optics.fourier import crop_spectrum, fast_fft_size, fold_spectrum, squared_frequencies
from parfocal.optics.illumination import plane_waves
from parfocal.optics.index_volume import IndexVolume, index_volume
from parfocal.optics.instrument import CameraSettings, VirtualMicroscope
from parfocal.optics.multislice import spectra_behind
from parfocal.optics.scene import Scene


@dataclass(frozen=True, eq=False)
class Line:
    """The light of one wavelength behind the specimen.

    Attributes
    ----------
    wavelength_um : float
    spectra : Tensor, shape (sources, M, M), complex
        Fourier coefficients at the coverslip, within the objective's aperture, one for each source point.
    phase_per_um : Tensor, shape (M, M)
        Phase in radians that 1 um of the objective's travel takes away.
    """

    wavelength_um: float
    spectra: Tensor
    phase_per_um: Tensor


@dataclass(frozen=True, eq=False)
class ExitField:
    """Light behind a specimen, from which the image at any stage position follows.

    Attributes
    ----------
    settings : VirtualMicroscope
    lines : tuple of Line
    focus_z_um : float
        Stage position at which the specimen's focus height is in focus, in um.
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
        one = self.lines[0].phase_per_um
        total = one.new_zeros(*one.shape, 2)  # squares of real and imaginary parts
        for line in self.lines:
            phase = line.phase_per_um * -z_um
            focusing = torch.complex(torch.cos(phase), torch.sin(phase))
            for spectrum in line.spectra:  # one at a time stays in the processor's cache
                field = torch.view_as_real(torch.fft.ifft2(spectrum * focusing, norm="forward"))
                total.addcmul_(field, field)
        mean = total.sum(dim=-1) / self.n_sources
        return _on_camera(mean, self.settings.camera, blur_radius_um=self._patch_radius_um(z_um))

    def _patch_radius_um(self, z_um: float) -> float:
        # Each source point stands for a patch of the condenser; out of focus the patches' images part.
        optics = self.settings
        patch_na = optics.condenser.numerical_aperture / np.sqrt(self.n_sources)
        return float(abs(z_um - self.focus_z_um) * patch_na / optics.objective.immersion_index)


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

    Raises
    ------
    InputError
        If the scene's field is not the camera's.
    """
    grid_px = fast_fft_size(max(scene.field_um / settings.quality.grid_um, settings.camera.frame_px))
    n_slices = max(1, round(scene.height_um / settings.quality.slice_um))
    volume = index_volume(scene, grid_px=grid_px, n_slices=n_slices)
    return exit_field_of_volume(
        volume, settings, focus_height_um=scene.focus_height_um, seed=seed, device=device
    )


def exit_field_of_volume(
    volume: IndexVolume,
    settings: VirtualMicroscope,
    *,
    focus_height_um: float,
    seed: int,
    device: str | torch.device = "cpu",
) -> ExitField:
    """Light behind any refractive-index volume; grid and slices are the volume's own.

    Parameters
    ----------
    volume : IndexVolume
    settings : VirtualMicroscope
    focus_height_um : float
        Height above the coverslip that is called in focus.
    seed, device
        See `exit_field`.

    Raises
    ------
    InputError
        If the volume's field is not the camera's, or its grid is coarser than the camera's pixels or than
        the objective resolves.
    """
    _check_grid(volume, settings)
    lines = []
    for waves in plane_waves(settings, seed=seed):
        aperture = _Aperture.of(volume, waves.wavelength_um, settings, device=torch.device(device))
        spectra = [
            aperture.take_in(spectrum)
            for spectrum in spectra_behind(volume, waves, device=torch.device(device))
        ]
        lines.append(Line(waves.wavelength_um, torch.stack(spectra), aperture.phase_per_um))
    focus_z_um = focus_height_um * settings.objective.immersion_index / volume.medium_index
    return ExitField(settings, tuple(lines), focus_z_um)


def _check_grid(volume: IndexVolume, settings: VirtualMicroscope) -> None:
    field_um = settings.camera.field_um
    if not np.isclose(volume.field_um, field_um, rtol=1e-6):
        raise InputError(
            f"Expected a specimen as wide as the camera's field, {field_um:g} um, got {volume.field_um:g} um."
        )
    fewest = max(settings.camera.frame_px, settings.finest_detail_per_um * field_um)
    if volume.grid_px < fewest:
        raise InputError(
            f"Expected at least {int(np.ceil(fewest))} grid points along {field_um:g} um, enough for the "
            f"camera and the objective, got {volume.grid_px}. Use a finer grid."
        )


@dataclass(frozen=True, eq=False)
class _Aperture:
    """What the objective takes in of one wavelength, on the smallest grid that holds the image."""

    is_inside: Tensor  # (M, M)
    phase_per_um: Tensor  # (M, M)

    @classmethod
    def of(
        cls, volume: IndexVolume, wavelength_um: float, settings: VirtualMicroscope, *, device: torch.device
    ) -> _Aperture:
        grid_px = min(_image_grid_px(settings), volume.grid_px)
        rho_squared = wavelength_um**2 * squared_frequencies(grid_px, volume.field_um, device=device)
        is_inside = rho_squared <= settings.objective.numerical_aperture**2
        index = settings.objective.immersion_index
        # An objective nearer to the sample leaves a thinner layer of immersion medium (Gibson & Lanni).
        root = torch.sqrt((index**2 - rho_squared).clamp(min=0)) - index
        phase_per_um = 2 * np.pi / wavelength_um * root * is_inside
        return cls(is_inside, phase_per_um.to(torch.float32))

    def take_in(self, spectrum: Tensor) -> Tensor:
        return crop_spectrum(spectrum, len(self.is_inside)) * self.is_inside


def _image_grid_px(settings: VirtualMicroscope) -> int:
    """Grid on which the light of the aperture interferes with the direct light without aliasing."""
    na = settings.objective.numerical_aperture + settings.condenser.numerical_aperture
    shortest_um = float(settings.spectrum.lines_um.min())
    return fast_fft_size(max(2 * na / shortest_um * settings.camera.field_um, settings.camera.frame_px))


def _on_camera(intensity: Tensor, camera: CameraSettings, *, blur_radius_um: float) -> NDArray[np.float32]:
    """Mean over each pixel of an intensity (M, M) blurred by a disc, shape (Y, X)."""
    transfer = _transfer(len(intensity), camera, blur_radius_um=blur_radius_um, device=intensity.device)
    spectrum = torch.fft.fft2(intensity, norm="forward") * transfer
    sampled = torch.fft.ifft2(fold_spectrum(spectrum, camera.frame_px), norm="forward").real
    image: NDArray[np.float32] = sampled.contiguous().cpu().numpy()
    return image


def _transfer(grid_px: int, camera: CameraSettings, *, blur_radius_um: float, device: torch.device) -> Tensor:
    """Transfer of a square pixel and of a blur by a disc, shape (grid, grid)."""
    f = torch.arange(grid_px // 2 + 1, device=device, dtype=torch.float64) / camera.field_um
    pixel = torch.sinc(f * camera.pixel_size_um)
    argument = (2 * np.pi * blur_radius_um * torch.hypot(f[:, None], f[None, :])).clamp(min=1e-6)
    disc = 2 * torch.special.bessel_j1(argument) / argument
    quadrant = (pixel[:, None] * pixel[None, :] * disc).to(torch.float32)
    mirrored = torch.fft.fftfreq(grid_px, d=1 / grid_px, device=device).abs().long()
    transfer: Tensor = quadrant[mirrored][:, mirrored]
    return transfer
