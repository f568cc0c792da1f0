"""A single rod-shaped cell under the virtual microscope, drawn onto the pixels of a recorded stack.

The outline is given in pixels of the recording, so that it stays where it is while the size of a pixel in the
sample is searched for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import map_coordinates

from parfocal.optics import (
    CameraSettings,
    ChamberSettings,
    CondenserSettings,
    QualitySettings,
    Scene,
    SpectrumSettings,
    VirtualMicroscope,
    exit_field,
    preset,
)
from parfocal.optics.bodies import box_between
from parfocal.studies.recording import Recording

Array = NDArray[np.float64]

CAMERA_PIXEL_UM = 0.1
"""Of the simulated camera, from whose frames the recording's pixels are interpolated."""

CHAMBER_UM = 6.4
"""Room for a rod of 3.5 to 4 um at every pixel size and height that is tried."""

MARGIN_UM = 4.5
"""Between the crop and the edge of the simulated field, beyond which the field repeats."""

BALLS = 31


@dataclass(frozen=True, eq=False)
class ChainOfBalls:
    """All points of balls along a line, each as high as `height_over_width` says: a rod of uneven girth.

    Examples
    --------
    >>> rod = ChainOfBalls(np.array([[0.0, 0.0, 3.0], [0.5, 0.0, 3.0]]), np.array([2.0, 1.0]), 0.05)
    >>> [float(h) for h in rod.vertical_cut(np.array(0.0), np.array(0.0))]
    [1.0, 5.0]
    """

    middles_um: Array
    radii_um: Array
    delta_index: complex
    height_over_width: float = 1.0

    @cached_property
    def _box_um(self) -> tuple[Array, Array]:
        reach_um = self.radii_um[:, None] * np.array([1.0, 1.0, self.height_over_width])
        return box_between((self.middles_um - reach_um).min(axis=0), (self.middles_um + reach_um).max(axis=0))

    @property
    def centre_um(self) -> Array:
        """Middle of the upright box around the body, shape (3,)."""
        return self._box_um[0]

    @property
    def reach_um(self) -> Array:
        """Half the sides of the upright box around the body, shape (3,)."""
        return self._box_um[1]

    def vertical_cut(self, x_um: Array, y_um: Array) -> tuple[Array, Array]:
        """Lowest and highest height on vertical lines; equal where a line misses the body."""
        x, y = np.broadcast_arrays(x_um, y_um)
        low_um, high_um = np.full(x.shape, np.inf), np.full(x.shape, -np.inf)
        for (ball_x, ball_y, ball_h), radius_um in zip(self.middles_um, self.radii_um, strict=True):
            squared = radius_um**2 - (x - ball_x) ** 2 - (y - ball_y) ** 2
            half_um = self.height_over_width * np.sqrt(np.maximum(squared, 0))
            low_um = np.where(squared > 0, np.minimum(low_um, ball_h - half_um), low_um)
            high_um = np.where(squared > 0, np.maximum(high_um, ball_h + half_um), high_um)
        missed = high_um <= low_um
        return np.where(missed, self.centre_um[2], low_um), np.where(missed, self.centre_um[2], high_um)


@dataclass(frozen=True)
class RodModel:
    """What is assumed of a cell, of the light, and of how the cell lies in the recording.

    Attributes
    ----------
    x_px, y_px : float
        Middle of the cell in the first and last columns and rows' own count, at `focus_frame`.
    length_px : float
        From tip to tip.
    yaw_rad : float
        Turn of the axis from x toward y, which points down in the image.
    radii_px : tuple of float
        Half the width at five places from one round end to the other; smooth between.
    focus_frame : float
        Frame in which the cell's mid-height is in focus.
    direction : int
        1 where later frames lie higher (focal plane deeper in the sample), -1 where lower.
    bend_px : float
        How far the ends lie to the side of the middle.
    rise : float
        Height gained per um along the axis.
    height_over_width : float
        1 for a round cross-section.
    drift_x_px, drift_y_px : float
        Shift from each frame to the next.
    pixel_size_um, condenser_na, cytoplasm_index, wall_index, wall_um : float
        A wall of 0 um leaves it out.
    wavelength_um : float
        Middle of the spectrum, which is as wide as the preset's.
    """

    x_px: float
    y_px: float
    length_px: float
    yaw_rad: float
    radii_px: tuple[float, ...]
    focus_frame: float
    direction: int = 1
    bend_px: float = 0.0
    rise: float = 0.0
    height_over_width: float = 1.0
    drift_x_px: float = 0.0
    drift_y_px: float = 0.0
    pixel_size_um: float = 0.07
    condenser_na: float = 0.30
    cytoplasm_index: float = 1.385
    wall_index: float = 1.42
    wall_um: float = 0.2
    wavelength_um: float = 0.56

    @property
    def width_um(self) -> float:
        """Mean width between the round ends."""
        return 2 * float(np.mean(self.radii_px)) * self.pixel_size_um

    @property
    def length_um(self) -> float:
        """From tip to tip."""
        return self.length_px * self.pixel_size_um

    def z_um(self, frame: float, *, step_um: float) -> float:
        """Stage position of a frame, 0 at the cell's focus."""
        return self.direction * (frame - self.focus_frame) * step_um


@dataclass(frozen=True)
class Fineness:
    """How finely light is computed for a rod."""

    n_source_points: int
    grid_um: float = 0.16
    slice_um: float = 0.4


def rendered(model: RodModel, recording: Recording, frames: Sequence[int], *, fineness: Fineness) -> Array:
    """Simulated planes on the recording's pixels; an empty field is 1.

    Returns
    -------
    array, shape (frames, Y, X)
    """
    settings = microscope_of(model, recording, fineness=fineness)
    scene = _scene(model, settings)
    light = exit_field(scene, settings, seed=0)
    planes = []
    for frame in frames:
        image = light.intensity(light.focus_z_um + model.z_um(frame, step_um=recording.step_um))
        where = _camera_coordinates(model, recording, frame, settings)
        planes.append(map_coordinates(image, where, order=3, mode="grid-wrap"))
    return np.array(planes, np.float64)


def microscope_of(model: RodModel, recording: Recording, *, fineness: Fineness) -> VirtualMicroscope:
    """The preset's microscope with the model's condenser, and a field that holds the recording."""
    standard = preset("pombe-60x")
    height_px, width_px = (
        2 * round((n * recording.largest_pixel_um / 2 + MARGIN_UM) / CAMERA_PIXEL_UM)
        for n in recording.shape_px
    )
    return VirtualMicroscope(
        name="realism",
        objective=standard.objective,
        condenser=CondenserSettings(numerical_aperture=model.condenser_na),
        spectrum=_moved(standard.spectrum, model.wavelength_um),
        chamber=ChamberSettings(
            height_um=CHAMBER_UM, medium_index=standard.chamber.medium_index, pillars=False
        ),
        specimens=(),
        camera=CameraSettings(pixel_size_um=CAMERA_PIXEL_UM, height_px=height_px, width_px=width_px),
        quality=QualitySettings(
            grid_um=fineness.grid_um, slice_um=fineness.slice_um, n_source_points=fineness.n_source_points
        ),
    )


def _moved(spectrum: SpectrumSettings, centre_um: float) -> SpectrumSettings:
    half_um = (spectrum.longest_um - spectrum.shortest_um) / 2
    return spectrum.replace(shortest_um=centre_um - half_um, longest_um=centre_um + half_um)


def _scene(model: RodModel, settings: VirtualMicroscope) -> Scene:
    medium_index, field_yx_um = settings.chamber.medium_index, settings.camera.field_yx_um
    bodies = tuple(_bodies(model, field_yx_um, medium_index=medium_index))
    return Scene(field_yx_um, CHAMBER_UM, medium_index, bodies, (), CHAMBER_UM / 2)


def _bodies(
    model: RodModel, field_yx_um: tuple[float, float], *, medium_index: float
) -> Iterator[ChainOfBalls]:
    middles_um, radii_um = _axis(model, field_yx_um)
    tall = model.height_over_width
    if not model.wall_um:
        yield ChainOfBalls(middles_um, radii_um, model.cytoplasm_index - medium_index, tall)
        return
    yield ChainOfBalls(middles_um, radii_um, model.wall_index - medium_index, tall)
    inner_um = np.maximum(radii_um - model.wall_um, radii_um / 2)
    yield ChainOfBalls(middles_um, inner_um, model.cytoplasm_index - model.wall_index, tall)


def _axis(model: RodModel, field_yx_um: tuple[float, float]) -> tuple[Array, Array]:
    """Middles (balls, 3) and radii (balls,) of the balls, the cell in the middle of the field."""
    u = np.linspace(-1, 1, BALLS)
    radii_px = np.array(model.radii_px)
    radius_px = CubicSpline(np.linspace(-1, 1, len(radii_px)), radii_px)(u)
    first_px, last_px = radii_px[0] - model.length_px / 2, model.length_px / 2 - radii_px[-1]
    along_px = first_px + (u + 1) / 2 * (last_px - first_px)
    aside_px = model.bend_px * (u**2 - 1 / 3)
    c, s = np.cos(model.yaw_rad), np.sin(model.yaw_rad)
    x_um = field_yx_um[1] / 2 + model.pixel_size_um * (along_px * c - aside_px * s)
    y_um = field_yx_um[0] / 2 + model.pixel_size_um * (along_px * s + aside_px * c)
    height_um = CHAMBER_UM / 2 + model.rise * model.pixel_size_um * along_px
    return np.stack([x_um, y_um, height_um], axis=1), np.maximum(radius_px, 1) * model.pixel_size_um


def _camera_coordinates(
    model: RodModel, recording: Recording, frame: int, settings: VirtualMicroscope
) -> NDArray[np.float64]:
    """Where the recording's pixels lie on the simulated camera, shape (2, Y, X)."""
    later = frame - model.focus_frame
    y = recording.y_px - model.y_px - model.drift_y_px * later
    x = recording.x_px - model.x_px - model.drift_x_px * later
    height_um, width_um = settings.camera.field_yx_um
    rows = (y * model.pixel_size_um + height_um / 2) / CAMERA_PIXEL_UM
    columns = (x * model.pixel_size_um + width_um / 2) / CAMERA_PIXEL_UM
    return np.stack(np.meshgrid(rows, columns, indexing="ij"))
