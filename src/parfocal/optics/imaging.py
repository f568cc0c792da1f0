"""Partially coherent imaging: Abbe's sum over the condenser, and the objective's focus.

The stage position z is the travel of the objective toward the sample, zero where the coverslip's inner face
is in focus.

Sources: Abbe's sum over source points after Hopkins (1953); focusing through the immersion medium after
Gibson & Lanni (1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parfocal.errors import InputError
from parfocal.optics.camera import CameraSettings
from parfocal.optics.fourier import Shape, crop_spectrum, fast_fft_shape, fold_spectrum, frequencies
from parfocal.optics.illumination import PlaneWaves, plane_waves
from parfocal.optics.index_volume import IndexVolume, coarser, index_volume, sharpened
from parfocal.optics.instrument import FarSettings, VirtualMicroscope
from parfocal.optics.multislice import spectra_behind
from parfocal.optics.pupil import focus_phase_per_um, pupil
from parfocal.optics.scene import Scene

PATCH_WIDTH = 1.3
"""Of the disc that a source point stands for, over that of an equal share of the source. Discs that overlap
a little err less: at 10 um from focus 6.6 % instead of 7.2 %, and no more near it."""

FADED_AT = 1.6
"""Detail fades from ``near_um`` to this many times as far."""


@dataclass(frozen=True, eq=False)
class Line:
    """The light of one wavelength behind the specimen.

    Attributes
    ----------
    wavelength_um : float
    spectra : Tensor, shape (sources, Y, X), complex
        Fourier coefficients at the coverslip as the objective's pupil passes them, one for each source point.
    phase_per_um : Tensor, shape (Y, X)
        Phase in radians that 1 um of the objective's travel takes away.
    """

    wavelength_um: float
    spectra: Tensor
    phase_per_um: Tensor


@dataclass(frozen=True, eq=False)
class FarLight:
    """The same light on a coarser grid, for images far from focus.

    Attributes
    ----------
    alike : ExitField
        From the source points of the fine light.
    many : ExitField
        From many more source points.
    near_um : float
        Up to here from focus, images have all the detail.
    """

    alike: ExitField
    many: ExitField
    near_um: float

    def detail(self, distance_um: float) -> float:
        """Share of the fine light at a distance from focus: 1 near, 0 from `FADED_AT` times as far."""
        faded = (distance_um / self.near_um - 1) / (FADED_AT - 1)
        return float(np.clip(1 - faded, 0, 1))


@dataclass(frozen=True, eq=False)
class ExitField:
    """Light behind a specimen, from which the image at any stage position follows.

    Attributes
    ----------
    settings : VirtualMicroscope
    lines : tuple of Line
    focus_z_um : float
        Stage position at which the specimen's focus height is in focus, in um.
    empty : float
        Intensity of an empty field, which an image is divided by.
    far : FarLight, optional
        Takes over far from focus.

    Notes
    -----
    Near focus an image needs fine detail and few source points; far from it, where the points' images part,
    it needs many points and little detail. So the image from many points of coarse light is corrected by what
    fine light changes in the image from a few points; the correction fades with distance from focus.
    """

    settings: VirtualMicroscope
    lines: tuple[Line, ...]
    focus_z_um: float
    empty: float
    far: FarLight | None = None

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
        shape_yx = self.settings.camera.shape_yx
        image = torch.fft.irfft2(self._camera_spectrum(z_um), s=shape_yx, norm="forward")
        frame: NDArray[np.float32] = image.cpu().numpy()
        return frame

    def _camera_spectrum(self, z_um: float) -> Tensor:
        """Fourier coefficients of the image on the camera."""
        if not self.far:
            return self._own_camera_spectrum(z_um)
        detail = self.far.detail(abs(z_um - self.focus_z_um))
        spectrum = self.far.many._own_camera_spectrum(z_um)
        if detail:
            fine, coarse = (light._own_camera_spectrum(z_um) for light in (self, self.far.alike))
            spectrum += detail * (fine - coarse)
        return spectrum

    def _own_camera_spectrum(self, z_um: float) -> Tensor:
        one = self.lines[0].phase_per_um
        total = one.new_zeros(*one.shape, 2)  # squares of real and imaginary parts
        for line in self.lines:
            phase = line.phase_per_um * -z_um
            focusing = torch.complex(torch.cos(phase), torch.sin(phase))
            for spectrum in line.spectra:  # one at a time stays in the processor's cache
                field = torch.view_as_real(torch.fft.ifft2(spectrum * focusing, norm="forward"))
                total.addcmul_(field, field)
        mean = total.sum(dim=-1) / (self.n_sources * self.empty)
        camera = self.settings.camera
        transfer = _transfer(mean, camera, blur_radius_um=self._patch_radius_um(z_um))
        return fold_spectrum(torch.fft.fft2(mean, norm="forward") * transfer, camera.shape_yx)

    def _patch_radius_um(self, z_um: float) -> float:
        # Each source point stands for a patch of the condenser; out of focus the patches' images part.
        optics = self.settings
        condenser = optics.condenser
        source_area = condenser.numerical_aperture**2 - condenser.inner_numerical_aperture**2
        patch_na = PATCH_WIDTH * np.sqrt(source_area / self.n_sources)
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
    quality = settings.quality
    joined = quality.far.slices_joined if quality.far else 1
    n_slices = joined * max(1, round(scene.height_um / (joined * quality.slice_um)))
    grid_yx = _grid_yx(scene.field_yx_um, quality.grid_um, settings)
    volume = sharpened(index_volume(scene, grid_yx=grid_yx, n_slices=n_slices))
    return exit_field_of_volume(
        volume, settings, focus_height_um=scene.focus_height_um, seed=seed, device=device
    )


def _grid_yx(field_yx_um: tuple[float, float], grid_um: float, settings: VirtualMicroscope) -> Shape:
    """A grid of at most the given spacing that the objective's detail fits on."""
    per_um = max(1 / grid_um, settings.finest_detail_per_um)
    return fast_fft_shape((per_um * field_yx_um[0], per_um * field_yx_um[1]))


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
        If the volume's field is not the camera's, or its grid is coarser than the objective resolves.
    """
    _check_grid(volume, settings)
    focus_z_um = focus_height_um * settings.objective.immersion_index / volume.medium_index
    n_points, far = settings.quality.n_source_points, settings.quality.far
    light = partial(_light, settings=settings, focus_z_um=focus_z_um, device=torch.device(device))
    fine = light(volume, plane_waves(settings, n_points=n_points, seed=seed))
    if not far:
        return fine
    coarse = _coarser(volume, far)
    alike = light(coarse, plane_waves(settings, n_points=n_points, seed=seed))
    many = light(coarse, plane_waves(settings, n_points=far.n_source_points, seed=seed))
    return replace(fine, far=FarLight(alike, many, far.near_um))


def _coarser(volume: IndexVolume, far: FarSettings) -> IndexVolume:
    grid_yx = fast_fft_shape((volume.field_yx_um[0] / far.grid_um, volume.field_yx_um[1] / far.grid_um))
    rows, columns = (min(size, own) for size, own in zip(grid_yx, volume.grid_yx, strict=True))
    return coarser(volume, grid_yx=(rows, columns), slices_joined=far.slices_joined)


def _light(
    volume: IndexVolume,
    waves: tuple[PlaneWaves, ...],
    *,
    settings: VirtualMicroscope,
    focus_z_um: float,
    device: torch.device,
) -> ExitField:
    lines, empty = [], []
    for some in waves:
        aperture = _Aperture.of(volume, some.wavelength_um, settings, device=device)
        spectra = [aperture.take_in(spectrum) for spectrum in spectra_behind(volume, some, device=device)]
        lines.append(Line(some.wavelength_um, torch.stack(spectra), aperture.phase_per_um))
        empty += [aperture.direct_intensity(x, y) for x, y in some.cycles_xy.tolist()]
    return ExitField(settings, tuple(lines), focus_z_um, float(np.mean(empty)))


def _check_grid(volume: IndexVolume, settings: VirtualMicroscope) -> None:
    camera = settings.camera
    if not np.allclose(volume.field_yx_um, camera.field_yx_um, rtol=1e-6):
        raise InputError(
            f"Expected a specimen as large as the camera's field, {_sides(camera.field_yx_um)} um, "
            f"got {_sides(volume.field_yx_um)} um."
        )
    fewest = [int(np.ceil(settings.finest_detail_per_um * um)) for um in camera.field_yx_um]
    if any(got < least for got, least in zip(volume.grid_yx, fewest, strict=True)):
        raise InputError(
            f"Expected at least {_sides(fewest)} grid points along {_sides(camera.field_yx_um)} um, enough "
            f"for what the objective resolves, got {_sides(volume.grid_yx)}. Use a finer grid."
        )


def _sides(yx: Sequence[float]) -> str:
    return f"{yx[0]:g} x {yx[1]:g}"


@dataclass(frozen=True, eq=False)
class _Aperture:
    """What the objective takes in of one wavelength, on the smallest grid that holds the image."""

    pupil: Tensor  # (Y, X)
    phase_per_um: Tensor  # (Y, X)

    @classmethod
    def of(
        cls, volume: IndexVolume, wavelength_um: float, settings: VirtualMicroscope, *, device: torch.device
    ) -> _Aperture:
        rows, columns = _image_shape(settings)
        shape = min(rows, volume.grid_yx[0]), min(columns, volume.grid_yx[1])
        fy, fx = frequencies(shape, volume.field_yx_um, device=device)
        return cls(
            pupil(settings.objective, wavelength_um, fy, fx),
            focus_phase_per_um(settings.objective, wavelength_um, fy, fx).to(torch.float32),
        )

    def take_in(self, spectrum: Tensor) -> Tensor:
        rows, columns = self.pupil.shape
        return crop_spectrum(spectrum, (rows, columns)) * self.pupil

    def direct_intensity(self, cycles_x: int, cycles_y: int) -> float:
        """What the pupil leaves of the intensity of a plane wave."""
        return float(self.pupil[cycles_y, cycles_x].abs() ** 2)


def _image_shape(settings: VirtualMicroscope) -> Shape:
    """Grid on which what the camera resolves of the light's interference comes without aliasing.

    A ring dims the direct light, so that scattered light interfering with itself counts: on a grid for its
    interference with direct light alone, phase contrast of yeast errs 3 %.
    """
    shortest_um = float(settings.spectrum.lines_um.min())
    lens_na, condenser_na = settings.objective.numerical_aperture, settings.condenser.numerical_aperture
    with_direct_light = 2 * (lens_na + condenser_na) / shortest_um
    with_itself = 2 * lens_na / shortest_um + 1 / (2 * settings.camera.pixel_size_um)
    per_um = max(with_direct_light, with_itself)
    height_um, width_um = settings.camera.field_yx_um
    return fast_fft_shape((per_um * height_um, per_um * width_um))


def _transfer(intensity: Tensor, camera: CameraSettings, *, blur_radius_um: float) -> Tensor:
    """Transfer of a square pixel and of a blur by a disc, of the intensity's shape."""
    rows, columns = intensity.shape
    fy, fx = frequencies((rows, columns), camera.field_yx_um, device=intensity.device)
    pixel = torch.sinc(fy * camera.pixel_size_um) * torch.sinc(fx * camera.pixel_size_um)
    quadrant = torch.hypot(fy[: rows // 2 + 1], fx[:, : columns // 2 + 1])
    argument = (2 * np.pi * blur_radius_um * quadrant).clamp(min=1e-6)
    disc = 2 * torch.special.bessel_j1(argument) / argument
    down, across = (_mirrored(n, device=intensity.device) for n in (rows, columns))
    transfer: Tensor = (pixel * disc[down][:, across]).to(torch.float32)
    return transfer


def _mirrored(n: int, *, device: torch.device) -> Tensor:
    """Where each frequency's magnitude lies among those of one sign."""
    places: Tensor = torch.fft.fftfreq(n, d=1 / n, device=device).abs().round().long()
    return places
