"""SimulatedMicroscope: a living specimen, stage, lamp and camera in one place, driven by a clock."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parfocal.control.clock import Clock
from parfocal.errors import DeviceError
from parfocal.microscope.drift import room_temperature, thermal_drift
from parfocal.microscope.experiment import ExperimentSettings
from parfocal.microscope.focus_motor import Motion
from parfocal.microscope.focus_surface import focus_surface
from parfocal.microscope.lamp import lamp_light
from parfocal.microscope.panning import panned
from parfocal.microscope.sample import Sample
from parfocal.microscope.vibration import vibration
from parfocal.optics import VirtualMicroscope, expose


class SimulatedMicroscope:
    """A `Camera`, `FocusDrive` and stage over a living specimen in a chamber that drifts.

    Everything follows from the settings, the seed, the clock, the moves and the number of frames taken.
    Rendering takes real time and none of the clock's; a frame takes its latency, and a move its time.

    Parameters
    ----------
    settings : VirtualMicroscope
        Optics, specimen and camera, as `parfocal.optics.preset` gives them.
    seed : int
    clock : Clock
        Drives drift, growth and all that moves.
    experiment : ExperimentSettings
    sample : Sample, optional
        What it looks at, where other microscopes of the same settings, seed and experiment look at it too;
        one of its own if not given.
    start_z_um : float, optional
        Where the focus drive stands at first; by the experiment's settings, if not given.
    first_frame : int
        Number of the first frame: noise and flicker are those of the frame's number.
    """

    def __init__(
        self,
        settings: VirtualMicroscope,
        *,
        seed: int,
        clock: Clock,
        experiment: ExperimentSettings | None = None,
        sample: Sample | None = None,
        start_z_um: float | None = None,
        first_frame: int = 0,
    ) -> None:
        experiment = experiment or ExperimentSettings()
        self._settings, self._seed, self._clock, self._experiment = settings, seed, clock, experiment
        hours, room = experiment.hours, experiment.room
        self._drift_um = thermal_drift(range_um=experiment.drift_um, hours=hours, seed=seed, settings=room)
        self._warmer_degc = room_temperature(hours=hours, seed=seed, settings=room)
        self._higher_um = focus_surface(experiment.surface, seed=seed)
        self._shaken_um = vibration(experiment.vibration, seed=seed)
        self._sample = sample or Sample(settings, seed=seed, experiment=experiment)
        self._n_frames = first_frame
        self._last_frame: NDArray[np.uint16] | None = None
        self._xy_um = (0.0, 0.0)
        start_um = self.focus_z_um() + experiment.start_defocus_um if start_z_um is None else start_z_um
        self._motion = Motion.at_rest(self._reachable_um(start_um))

    @property
    def pixel_size_um(self) -> float:
        """Side of one pixel in the sample, in um."""
        return self._settings.camera.pixel_size_um

    @property
    def frame_shape_yx(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self._settings.camera.height_px, self._settings.camera.width_px

    def snap(self) -> NDArray[np.uint16]:
        """A frame of the specimen as it is now, shape (Y, X); the clock goes on by the latency.

        Where the frame is lost on the way, the one before it once more.
        """
        exposed_s, link = self._clock.now_s(), self._experiment.link
        number, self._n_frames = self._n_frames, self._n_frames + 1
        is_dropped = np.random.default_rng([self._seed, 9, number]).random() < link.dropped
        if self._last_frame is None or not is_dropped:
            self._last_frame = self._expose(number)
        self._clock.wait_until(exposed_s + link.latency_ms / 1000)
        return self._last_frame.copy()

    def position_um(self) -> float:
        """Position of the focus drive in um, as the encoder on its motor reads it."""
        return self._motion.motor_um

    def move_to(self, z_um: float) -> None:
        """Go to a position in um, as near as the drive's resolution allows; the clock goes on by the move.

        Raises
        ------
        DeviceError
            If it is beyond the drive's travel.
        """
        target_um, motor, start_s = self._reachable_um(z_um), self._experiment.motor, self._clock.now_s()
        self._motion = self._motion.moved_to(target_um, t_s=start_s, settings=motor)
        self._clock.wait_until(start_s + motor.arrival_ms / 1000)

    def stop(self) -> None:
        """Nothing to do: every move has ended when `move_to` returns."""

    def xy_um(self) -> tuple[float, float]:
        """Position (x, y) of the stage in um."""
        return self._xy_um

    def move_xy_to(self, x_um: float, y_um: float) -> None:
        """Look at another place of the sample, at once. The field of view repeats itself beyond its edges.

        Raises
        ------
        DeviceError
            If it is beyond the stage's reach.
        """
        reach_um = self._experiment.stage_reach_um
        if not (abs(x_um) <= reach_um and abs(y_um) <= reach_um):
            raise DeviceError(
                f"Expected a stage position within {reach_um:g} um of the middle, got {x_um:g}, {y_um:g} um."
            )
        self._xy_um = float(x_um), float(y_um)

    def focus_z_um(self) -> float:
        """The stage position that is in focus now, in um: what no real microscope tells.

        There, the cells on the floor are in focus on the average of the experiment: it does not jump as cells
        come and go.
        """
        start_um, t_s = self._experiment.focus_at_start_um, self._clock.now_s()
        return start_um + self._drift_um(t_s) + self._higher_um(*self._xy_um)

    def true_defocus_um(self) -> float:
        """Objective position minus focus position now, in um, with backlash, settling and vibration."""
        t_s = self._clock.now_s()
        objective_um = self._motion.objective_um(t_s, self._experiment.motor)
        return objective_um + self._shaken_um(t_s) - self.focus_z_um()

    def room_degc(self) -> float:
        """How much warmer the room is than at the start."""
        return self._warmer_degc(self._clock.now_s())

    def n_cells(self) -> int:
        """Cells of the first specimen that the scene shows now, buds not counted."""
        return self._sample.n_cells_at(self._clock.now_s())

    def _expose(self, number: int) -> NDArray[np.uint16]:
        """Frame of that number, as the sample is now."""
        light = self._sample.light_at(self._clock.now_s())
        intensity_yx = light.intensity(light.focus_z_um + self.true_defocus_um())
        x_um, y_um = self._xy_um
        if (x_um, y_um) != (0.0, 0.0):
            x_px, y_px = x_um / self.pixel_size_um, y_um / self.pixel_size_um
            intensity_yx = panned(intensity_yx, x_px=x_px, y_px=y_px)
        lamp = lamp_light(self._experiment.lamp, t_s=self._clock.now_s(), frame=number, seed=self._seed)
        generator = np.random.default_rng([self._seed, 4, number])
        return expose(np.float32(lamp) * intensity_yx, self._settings.camera, generator=generator)

    def _reachable_um(self, z_um: float) -> float:
        lowest_um, highest_um = self._experiment.stage_lowest_um, self._experiment.stage_highest_um
        if not lowest_um <= z_um <= highest_um:
            raise DeviceError(f"Expected a stage position from {lowest_um} to {highest_um} um, got {z_um}.")
        step_um = self._experiment.stage_resolution_um
        return round(round(z_um / step_um) * step_um, 6)
