"""SimulatedMicroscope: a virtual specimen, stage and camera in one place, driven by a clock."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from parfocal.control.clock import Clock
from parfocal.errors import DeviceError
from parfocal.microscope.drift import thermal_drift
from parfocal.optics import ExitField, VirtualMicroscope, exit_field, expose, yeast_scene
from parfocal.settings import Settings

GROWTH_PER_SCENE = 1.15
"""The scene is computed anew when the cells have grown in number by this factor: each takes seconds."""


class ExperimentSettings(Settings):
    """A long experiment: how the focus drifts and the cells grow, and what the stage can do.

    Attributes
    ----------
    hours : float
        Length of the experiment, over which drift and growth run.
    drift_um : float
        Highest focus minus lowest over the experiment.
    focus_at_start_um, start_defocus_um : float
        Stage position that is in focus at the start, and how far from it the stage starts.
    cells_at_start, cells_at_end : int
        Cells in the field; they multiply by the same factor every hour.
    stage_resolution_um : float
        The stage goes to multiples of this.
    stage_lowest_um, stage_highest_um : float
        Ends of the stage's travel.
    """

    hours: float = Field(default=24.0, gt=0)
    drift_um: float = Field(default=40.0, ge=0)
    focus_at_start_um: float = 100.0
    start_defocus_um: float = 3.0
    cells_at_start: int = Field(default=15, ge=1)
    cells_at_end: int = Field(default=120, ge=1)
    stage_resolution_um: float = Field(default=0.05, gt=0)
    stage_lowest_um: float = 0.0
    stage_highest_um: float = 200.0


class SimulatedMicroscope:
    """A `Camera` and `FocusDrive` over growing yeast in a chamber that drifts.

    Everything follows from the settings, the seed, the clock and the number of frames taken. Rendering takes
    real time and none of the clock's.

    Parameters
    ----------
    settings : VirtualMicroscope
        Optics, specimen and camera, as `parfocal.optics.preset` gives them.
    seed : int
    clock : Clock
        Drives drift and growth.
    experiment : ExperimentSettings
    """

    def __init__(
        self,
        settings: VirtualMicroscope,
        *,
        seed: int,
        clock: Clock,
        experiment: ExperimentSettings | None = None,
    ) -> None:
        self._settings = settings
        self._seed = seed
        self._clock = clock
        self._experiment = experiment or ExperimentSettings()
        self._drift_um = thermal_drift(
            range_um=self._experiment.drift_um, hours=self._experiment.hours, seed=seed
        )
        self._n_frames = 0
        self._scene: tuple[int, ExitField] | None = None  # number of cells placed, and their light
        self._z_um = self._reachable_um(self.focus_z_um() + self._experiment.start_defocus_um)

    @property
    def pixel_size_um(self) -> float:
        """Side of one pixel in the sample, in um."""
        return self._settings.camera.pixel_size_um

    @property
    def frame_shape_yx(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self._settings.camera.frame_px, self._settings.camera.frame_px

    def snap(self) -> NDArray[np.uint16]:
        """A frame of the specimen as it is now, shape (Y, X)."""
        field = self._field()
        intensity_yx = field.intensity(field.focus_z_um + self.true_defocus_um())
        generator = np.random.default_rng([self._seed, 4, self._n_frames])
        self._n_frames += 1
        return expose(intensity_yx, self._settings.camera, generator=generator)

    def position_um(self) -> float:
        """Position of the stage in um."""
        return self._z_um

    def move_to(self, z_um: float) -> None:
        """Go to a position in um, at once, as near as the stage's resolution allows.

        Raises
        ------
        DeviceError
            If it is beyond the stage's travel.
        """
        self._z_um = self._reachable_um(z_um)

    def stop(self) -> None:
        """Nothing to do: every move has ended when `move_to` returns."""

    def focus_z_um(self) -> float:
        """The stage position that is in focus now, in um: what no real microscope tells."""
        return self._experiment.focus_at_start_um + self._drift_um(self._clock.now_s())

    def true_defocus_um(self) -> float:
        """Stage position minus focus position now, in um."""
        return self._z_um - self.focus_z_um()

    def n_cells(self) -> int:
        """Cells in the field now, as many as the scene shows."""
        first, last = self._experiment.cells_at_start, self._experiment.cells_at_end
        fraction = min(1.0, self._clock.now_s() / (3600 * self._experiment.hours))
        growth = (last / first) ** fraction
        # Whole steps, so that what is seen at a time does not depend on when else one looked.
        steps = math.floor(math.log(growth) / math.log(GROWTH_PER_SCENE) + 1e-9)
        return round(first * GROWTH_PER_SCENE**steps)

    def _field(self) -> ExitField:
        n_cells = self.n_cells()
        if self._scene is None or self._scene[0] != n_cells:
            scene = yeast_scene(self._settings, seed=self._seed, n_cells=n_cells)
            self._scene = n_cells, exit_field(scene, self._settings, seed=self._seed)
        return self._scene[1]

    def _reachable_um(self, z_um: float) -> float:
        lowest_um, highest_um = self._experiment.stage_lowest_um, self._experiment.stage_highest_um
        if not lowest_um <= z_um <= highest_um:
            raise DeviceError(f"Expected a stage position from {lowest_um} to {highest_um} um, got {z_um}.")
        step_um = self._experiment.stage_resolution_um
        return round(round(z_um / step_um) * step_um, 6)
