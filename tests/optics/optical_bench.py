"""Small virtual microscopes and specimens for tests against closed-form optics."""

import numpy as np
from numpy.typing import NDArray

from parfocal.optics import ExitField, IndexVolume, Scene, VirtualMicroscope, exit_field_of_volume
from parfocal.optics.scene import Ellipsoids, ellipsoid_shapes

WAVELENGTH_UM = 0.55
PINHOLE_NA = 1e-6
"""A condenser closed to a point: coherent, straight light."""


def microscope(
    *,
    numerical_aperture: float = 1.3,
    condenser_na: float = PINHOLE_NA,
    n_source_points: int = 1,
    immersion_index: float = 1.515,
    medium_index: float = 1.337,
    pixel_size_um: float = 0.16,
    frame_px: int = 128,
    grid_um: float = 0.16,
    slice_um: float = 0.375,
) -> VirtualMicroscope:
    """A microscope with light of one wavelength and nothing in its chamber."""
    return VirtualMicroscope.parse(
        {
            "objective": {"numerical_aperture": numerical_aperture, "immersion_index": immersion_index},
            "condenser": {"numerical_aperture": condenser_na},
            "spectrum": {"shortest_um": WAVELENGTH_UM, "longest_um": WAVELENGTH_UM, "n_lines": 1},
            "chamber": {"medium_index": medium_index, "pillars": False},
            "camera": {"pixel_size_um": pixel_size_um, "frame_px": frame_px},
            "quality": {"grid_um": grid_um, "slice_um": slice_um, "n_source_points": n_source_points},
        },
        source="test",
    )


def thin(phase_yx: NDArray, settings: VirtualMicroscope, *, height_um: float = 0.0) -> ExitField:
    """Light behind one thin sheet that turns the phase; an imaginary part absorbs. In focus at its height."""
    thickness_um = 2 * height_um if height_um else 1e-6  # a slice acts in its middle
    k_path = 2 * np.pi / WAVELENGTH_UM * thickness_um
    kind = np.complex64 if np.iscomplexobj(phase_yx) else np.float32
    delta_index = (phase_yx / k_path).astype(kind)[None]
    volume = IndexVolume(delta_index, settings.camera.field_um, thickness_um, settings.chamber.medium_index)
    return exit_field_of_volume(volume, settings, focus_height_um=height_um, seed=0)


def grid_um(settings: VirtualMicroscope, grid_px: int) -> tuple[NDArray, NDArray]:
    """Coordinates x (1, X) and y (Y, 1) of grid points, the field's middle at 0."""
    axis = (np.arange(grid_px) - grid_px // 2) * settings.camera.field_um / grid_px
    return axis[None, :], axis[:, None]


def sphere(settings: VirtualMicroscope, *, radius_um: float, delta_index: complex) -> Scene:
    """One sphere on the coverslip in the middle of the field."""
    field_um, chamber = settings.camera.field_um, settings.chamber
    centre = np.array([[field_um / 2, field_um / 2, radius_um]])
    shapes = ellipsoid_shapes(np.full((1, 3), radius_um), np.zeros(1))
    ellipsoids = Ellipsoids(centre, shapes, np.array([delta_index], np.complex128))
    return Scene(field_um, chamber.height_um, chamber.medium_index, ellipsoids, (), centre, radius_um)


def relative_difference(image: NDArray, reference: NDArray) -> float:
    """L2 difference of two images over the contrast of the second."""
    return float(np.linalg.norm(image - reference) / np.linalg.norm(reference - 1))
