"""Partially coherent imaging: Abbe's sum over the condenser, and the objective's focus.

The stage position z is the travel of the objective toward the sample, zero where the coverslip's inner face
is in focus.

Sources: Abbe's sum over source points after Hopkins (1953); focusing through the immersion medium after
Gibson & Lanni (1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parfocal.errors import InputError
from parfocal.optics.camera import CameraSettings
from parfocal.optics.fourier import Shape, fast_fft_shape, fold_spectrum, frequencies
from parfocal.optics.illumination import plane_waves
from parfocal.optics.index_volume import IndexVolume, coarser, index_volume, sharpened
from parfocal.optics.instrument import FarSettings, VirtualMicroscope
from parfocal.optics.light import Light, light_behind
from parfocal.optics.scene import Scene

PATCH_WIDTH = 1.3
"""Of the disc that a source point stands for, over that of an equal share of the source. Discs that overlap
a little err less: at 10 um from focus 6.6 % instead of 7.2 %, and no more near it."""

FADED_AT = 2.0
"""Detail fades from ``near_um`` to this many times as far."""

WASHED_OUT = 2.7
"""Where the condenser blurs an image by this many times what the objective resolves, a grid of two thirds of
the points errs 1 % of the contrast; less beyond."""


@dataclass(frozen=True, eq=False)
class FarLight:
    """The same light on a coarser grid, for images far from focus.

    Attributes
    ----------
    few : Light
        From the source points of the fine light.
    rest : Light
        From further source points.
    near_um : float
        Up to here beyond the specimen, images have all the detail.
    """

    few: Light
    rest: Light
    near_um: float

    def detail(self, distance_um: float) -> float:
        """Share of the fine light so far beyond the specimen: 1 near, 0 from `FADED_AT` times as far."""
        faded = (distance_um / self.near_um - 1) / (FADED_AT - 1)
        return float(np.clip(1 - faded, 0, 1))


@dataclass(frozen=True, eq=False)
class ExitField:
    """Light behind a specimen, from which the image at any stage position follows.

    Attributes
    ----------
    settings : VirtualMicroscope
    light : Light
        From few source points, with fine detail.
    focus_z_um : float
        Stage position at which the specimen's focus height is in focus, in um.
    within_z_um : tuple of float
        Stage positions at which the lowest and the highest of the specimen is in focus, in um.
    far : FarLight, optional
        Takes over far from the specimen.

    Notes
    -----
    Near the specimen an image needs fine detail and few source points; far from it, where the points' images
    part, it needs many points and little detail. So the image from all points of coarse light is corrected by
    what fine light changes in the image from the few; the correction fades beyond the specimen.
    """

    settings: VirtualMicroscope
    light: Light
    focus_z_um: float
    within_z_um: tuple[float, float]
    far: FarLight | None = None

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
        light = self.light.without_detail if self._is_washed_out(z_um) else self.light
        n_fine, far = light.n_sources, self.far
        if not far:
            return self._on_camera(light.summed(z_um) / light.direct, n_fine, z_um)
        few, rest = far.few.summed(z_um), far.rest.summed(z_um)
        image = (few + rest) / (far.few.direct + far.rest.direct)
        spectrum = self._on_camera(image, n_fine + far.rest.n_sources, z_um)
        if detail := far.detail(self._beyond_um(z_um)):
            fine = self._on_camera(light.summed(z_um) / light.direct, n_fine, z_um)
            coarse = self._on_camera(few / far.few.direct, n_fine, z_um)
            spectrum += detail * (fine - coarse)
        return spectrum

    def _beyond_um(self, z_um: float) -> float:
        """How far a position is from where anything of the specimen is in focus."""
        lowest_um, highest_um = self.within_z_um
        return max(lowest_um - z_um, z_um - highest_um, 0.0)

    @property
    def _resolved_um(self) -> float:
        """What the objective resolves."""
        return self.settings.spectrum.centre_um / (2 * self.settings.objective.numerical_aperture)

    def _is_washed_out(self, z_um: float) -> bool:
        condenser, index = self.settings.condenser, self.settings.objective.immersion_index
        blur_um = self._beyond_um(z_um) * condenser.numerical_aperture / index
        return not condenser.inner_numerical_aperture and blur_um > WASHED_OUT * self._resolved_um

    def _on_camera(self, image: Tensor, n_sources: int, z_um: float) -> Tensor:
        """Fourier coefficients on the camera of an image from so many source points."""
        camera = self.settings.camera
        transfer = _transfer(image, camera, blur_radius_um=self._patch_radius_um(n_sources, z_um))
        return fold_spectrum(torch.fft.fft2(image, norm="forward") * transfer, camera.shape_yx)

    def _patch_radius_um(self, n_sources: int, z_um: float) -> float:
        # Each source point stands for a patch of the condenser; out of focus the patches' images part. The
        # limit, what the objective resolves, is for what is in focus elsewhere, as under a high ceiling.
        condenser, index = self.settings.condenser, self.settings.objective.immersion_index
        source_area = condenser.numerical_aperture**2 - condenser.inner_numerical_aperture**2
        per_um = float(PATCH_WIDTH * np.sqrt(source_area / n_sources) / index)
        most_um = self._resolved_um + self._beyond_um(z_um) * per_um
        return min(abs(z_um - self.focus_z_um) * per_um, most_um)


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
    deeper = settings.objective.immersion_index / volume.medium_index
    focus_z_um = focus_height_um * deeper
    lowest_um, highest_um = volume.occupied_um
    within_z_um = (lowest_um * deeper, highest_um * deeper)
    n_points, far = settings.quality.n_source_points, settings.quality.far
    light = partial(light_behind, settings=settings, device=torch.device(device))
    few = plane_waves(settings, n_points=n_points, seed=seed)
    if not far:
        return ExitField(settings, light(volume, few), focus_z_um, within_z_um)
    rest = plane_waves(settings, n_points=far.n_source_points, seed=seed + 1)  # turned otherwise
    coarse = _coarser(volume, far, settings)
    far_light = FarLight(light(coarse, few), light(coarse, rest), far.near_um)
    return ExitField(settings, light(volume, few), focus_z_um, within_z_um, far_light)


def _coarser(volume: IndexVolume, far: FarSettings, settings: VirtualMicroscope) -> IndexVolume:
    """A volume for the far light: on a grid that holds the condenser's waves and half as much again."""
    shortest_um = float(settings.spectrum.lines_um.min())
    per_um = max(1 / far.grid_um, 3 * settings.condenser.numerical_aperture / shortest_um)
    grid_yx = fast_fft_shape((per_um * volume.field_yx_um[0], per_um * volume.field_yx_um[1]))
    rows, columns = (min(size, own) for size, own in zip(grid_yx, volume.grid_yx, strict=True))
    return coarser(volume, grid_yx=(rows, columns), slices_joined=far.slices_joined)


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
