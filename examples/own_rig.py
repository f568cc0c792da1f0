"""A microscope of one's own, without Micro-Manager: three methods are all it takes.

The toy below stands for any rig that Python can drive. It has a camera, a focus drive and a stage over three
fields of simulated yeast, each in focus at another height, and all of them drift. What parfocal asks of it is
`snap`, `position_um` and `move_to`; `RigMicroscope` adds the size of a pixel. Then one field is brought into
focus, held for some minutes while it drifts, and a time-lapse of all three is taken in a loop of one's own,
each image with what is known of its focus::

    python examples/own_rig.py
    python examples/own_rig.py --model mine.safetensors --minutes 60

On a real rig the clock is `WallClock()`, and the limits are those between which nothing can be hit.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.control import (
    AcquisitionFocus,
    Clock,
    FocusLock,
    FocusResult,
    FocusRoutine,
    LimitSettings,
    LockSettings,
    LockSummary,
    RigMicroscope,
    SimulatedClock,
    Spot,
)
from parfocal.model import FocusEstimator
from parfocal.optics import LiveLight, exit_field, expose, preset, scene_of

OPTICS = preset("yeast-40x", quality="ci")
FOCUS_UM = (103.0, 105.5, 101.5)
"""Where the drive has to stand for each field, at first."""
DRIFT_UM_PER_MIN = 0.2
START_UM = 100.0
LIMITS = LimitSettings(lowest_z_um=80.0, highest_z_um=125.0)


class ToyRig:
    """A camera, a focus drive and a stage. Any class will do that has the first three methods."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._z_um, self._field = START_UM, 0
        self._noise = np.random.default_rng(1)
        self._lights = [self._light(seed) for seed in range(len(FOCUS_UM))]

    def snap(self) -> NDArray[np.uint16]:
        """One grey image (Y, X)."""
        light = self._lights[self._field]
        intensity_yx = light.intensity(light.focus_z_um + self.true_defocus_um())
        return expose(intensity_yx, OPTICS.camera, generator=self._noise)

    def position_um(self) -> float:
        """Where the drive stands."""
        return self._z_um

    def move_to(self, z_um: float) -> None:
        """Go there."""
        self._z_um = z_um

    def show(self, field: int) -> None:
        """Move the stage to another field."""
        self._field = field

    def true_defocus_um(self) -> float:
        """What no real rig can tell."""
        drift_um = DRIFT_UM_PER_MIN * self._clock.now_s() / 60
        return self._z_um - FOCUS_UM[self._field] - drift_um

    @staticmethod
    def _light(seed: int) -> LiveLight:
        field_um = OPTICS.camera.field_yx_um
        scene = scene_of(OPTICS.specimens, OPTICS.chamber, field_um, seed=seed, n_cells=20)
        return LiveLight(exit_field(scene, OPTICS, seed=seed))


def estimator_of(model: str) -> FocusEstimator:
    """A model, ready for these optics."""
    return FocusEstimator.load(model).for_microscope(
        pixel_size_um=OPTICS.camera.pixel_size_um,
        numerical_aperture=OPTICS.objective.numerical_aperture,
        immersion_index=OPTICS.objective.immersion_index,
        wavelength_um=OPTICS.spectrum.centre_um,
    )


def hold(
    rig: ToyRig, microscope: RigMicroscope, estimator: FocusEstimator, clock: Clock, *, minutes: float
) -> LockSummary:
    """Hold the focus of the field in sight, and say how that went."""
    lock = FocusLock(
        microscope,
        microscope,
        estimator,
        settings=LockSettings(limits=LIMITS, self_check={}),
        clock=clock,
        truth=rig.true_defocus_um,
    )
    return lock.run(60 * minutes)


def time_lapse(
    rig: ToyRig, microscope: RigMicroscope, focus: AcquisitionFocus, clock: Clock, *, time_points: int
) -> Iterator[tuple[Spot, FocusResult, dict[str, Any]]]:
    """An image of every field at every time point, five minutes apart, and what is known of its focus."""
    for time_point in range(time_points):
        for field in range(len(FOCUS_UM)):
            rig.show(field)
            spot = Spot((field, 0), time_point, x_um=300.0 * field, y_um=0.0, plan_um=START_UM)
            expected_um = focus.stage_um(spot)
            if expected_um is not None and LIMITS.lowest_z_um <= expected_um <= LIMITS.highest_z_um:
                microscope.move_to(expected_um)
            result = focus.focus(spot)
            image, z_um = microscope.snap(), microscope.position_um()
            told = focus.look_at(spot, image, z_um=z_um, learn=True)
            yield spot, result, focus.about(spot, z_um=z_um, image=told).as_metadata()
        clock.wait_until(clock.now_s() + 300.0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Focus, hold and take a time-lapse, and say how each went."""
    parser = argparse.ArgumentParser(description="Focus on a rig of one's own.")
    parser.add_argument("--model", default="bright-field", help="a model file, or the name of a shipped one")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to hold the focus")
    parser.add_argument("--time-points", type=int, default=2, help="of the time-lapse")
    options = parser.parse_args(arguments)
    estimator = estimator_of(options.model)
    clock = SimulatedClock(speed=60.0, paced=False)
    rig = ToyRig(clock)
    microscope = RigMicroscope(rig, pixel_size_um=OPTICS.camera.pixel_size_um)

    routine = FocusRoutine(microscope, microscope, estimator, limits=LIMITS, clock=clock)
    print(f"once      {routine.run().in_words}; truly {rig.true_defocus_um():+.2f} um from focus")

    held = hold(rig, microscope, estimator, clock, minutes=options.minutes)
    print(f"held      {options.minutes:g} min, {held.n_frames} frames, {held.n_moves} moves", end="; ")
    print(held.fault or f"residual {held.residual_rms_um or 0:.2f} um RMS, {held.losses} losses")

    focus = AcquisitionFocus(routine, clock=clock)
    for spot, result, facts in time_lapse(rig, microscope, focus, clock, time_points=options.time_points):
        where = f"time {spot.time_point}, field {spot.place[0]}"
        believed = f"believed {facts.get('focus_defocus_um', float('nan')):+.2f} um"
        truly = f"truly {rig.true_defocus_um():+.2f} um"
        print(f"{where}: {result.in_words}; {facts['focus_state']}, {believed}, {truly}")


if __name__ == "__main__":
    main()
