"""Small virtual microscopes and specimens for tests against closed-form optics."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.optics import ExitField, IndexVolume, Scene, VirtualMicroscope, exit_field_of_volume
from parfocal.optics.bodies import Ellipsoid
from parfocal.optics.specimens import YeastSettings, scene_of

WAVELENGTH_UM = 0.55
PINHOLE_NA = 1e-6
"""A condenser closed to a point: coherent, straight light."""


def microscope(
    *,
    numerical_aperture: float = 1.3,
    condenser_na: float = PINHOLE_NA,
    inner_condenser_na: float = 0.0,
    n_source_points: int = 1,
    immersion_index: float = 1.515,
    medium_index: float = 1.337,
    pixel_size_um: float = 0.16,
    frame_px: int = 128,
    grid_um: float = 0.16,
    slice_um: float = 0.375,
    objective: Mapping[str, Any] | None = None,
) -> VirtualMicroscope:
    """A microscope with a square camera, light of one wavelength and nothing in its chamber."""
    lens = {"numerical_aperture": numerical_aperture, "immersion_index": immersion_index}
    return VirtualMicroscope.parse(
        {
            "objective": lens | dict(objective or {}),
            "condenser": {"numerical_aperture": condenser_na, "inner_numerical_aperture": inner_condenser_na},
            "spectrum": {"shortest_um": WAVELENGTH_UM, "longest_um": WAVELENGTH_UM, "n_lines": 1},
            "chamber": {"medium_index": medium_index, "pillars": False},
            "specimens": [],
            "camera": {"pixel_size_um": pixel_size_um, "height_px": frame_px, "width_px": frame_px},
            "quality": {"grid_um": grid_um, "slice_um": slice_um, "n_source_points": n_source_points},
        },
        source="test",
    )


def sheet(phase_yx: NDArray, settings: VirtualMicroscope, *, height_um: float = 0.0) -> IndexVolume:
    """One thin sheet at a height that turns the phase; an imaginary part absorbs."""
    thickness_um = 2 * height_um if height_um else 1e-6  # a slice acts in its middle
    k_path = 2 * np.pi / WAVELENGTH_UM * thickness_um
    kind = np.complex64 if np.iscomplexobj(phase_yx) else np.float32
    delta_index = (phase_yx / k_path).astype(kind)[None]
    return IndexVolume(delta_index, settings.camera.field_yx_um, thickness_um, settings.chamber.medium_index)


def thin(phase_yx: NDArray, settings: VirtualMicroscope, *, height_um: float = 0.0) -> ExitField:
    """Light behind one thin sheet. In focus at its height."""
    volume = sheet(phase_yx, settings, height_um=height_um)
    return exit_field_of_volume(volume, settings, focus_height_um=height_um, seed=0)


def grid_um(settings: VirtualMicroscope, grid_px: int) -> tuple[NDArray, NDArray]:
    """Coordinates x (1, X) and y (Y, 1) of grid points, the field's middle at 0."""
    axis = (np.arange(grid_px) - grid_px // 2) * settings.camera.field_yx_um[0] / grid_px
    return axis[None, :], axis[:, None]


def grating(settings: VirtualMicroscope, *, cycles: int, peak_rad: float) -> NDArray:
    """Phase of a cosine along x, its peak in the first column, a value for each camera pixel."""
    camera = settings.camera
    x = np.arange(camera.width_px) / camera.width_px
    return np.broadcast_to(peak_rad * np.cos(2 * np.pi * cycles * x), (camera.height_px, camera.width_px))


def harmonic(image: NDArray, cycles: int) -> float:
    """Amplitude of ``cos(2 pi cycles x / field)`` in an image, as a sharp camera would have it."""
    amplitude = 2 * np.fft.fft2(image, norm="forward")[0, cycles].real
    return float(amplitude / np.sinc(cycles / image.shape[1]))


def brightest_z_um(field: ExitField, near_um: float) -> float:
    """Stage position at which a point is brightest, from a parabola about a first guess."""
    objective = field.settings.objective
    half_range_um = WAVELENGTH_UM * objective.immersion_index / objective.numerical_aperture**2
    z_um = np.linspace(-half_range_um, half_range_um, 31)
    peak = np.array([field.intensity(near_um + z).max() for z in z_um])
    curvature, slope, _ = np.polyfit(z_um, peak, 2)
    return float(near_um - slope / (2 * curvature))


def sphere(settings: VirtualMicroscope, *, radius_um: float, delta_index: complex) -> Scene:
    """One sphere on the coverslip in the middle of the field."""
    (height_um, width_um), chamber = settings.camera.field_yx_um, settings.chamber
    ball = Ellipsoid.turned((width_um / 2, height_um / 2, radius_um), (radius_um,) * 3, delta_index)
    return Scene((height_um, width_um), chamber.height_um, chamber.medium_index, (ball,), (), radius_um)


def yeast(settings: VirtualMicroscope, *, seed: int, n_cells: int) -> Scene:
    """A few yeast cells in the field of a camera."""
    field_yx_um = settings.camera.field_yx_um
    return scene_of((YeastSettings(),), settings.chamber, field_yx_um, seed=seed, n_cells=n_cells)


def relative_difference(image: NDArray, reference: NDArray) -> float:
    """L2 difference of two images over the contrast of the second."""
    return float(np.linalg.norm(image - reference) / np.linalg.norm(reference - 1))
