"""Focus once: the routine without a window, an engine or a loop.

`FocusRoutine` has a run, settings, data and events, and asks for no more than a camera and a focus drive:
what a button in a program of one's own would call.

    python examples/focus_once.py
"""

from __future__ import annotations

from parfocal.control import FocusRoutine, LimitSettings, RoutineSettings
from parfocal.model import FocusEstimator
from parfocal.optics import preset
from parfocal.rigs import simulated_rig


def main() -> None:
    """Go out of focus by some um, come back, and tell every look on the way."""
    microscope = preset("yeast-40x", quality="ci")
    rig = simulated_rig(microscope, seed=3, paced=False)
    estimator = FocusEstimator.load("bright-field").for_microscope(
        pixel_size_um=rig.camera.pixel_size_um,
        numerical_aperture=microscope.objective.numerical_aperture,
        immersion_index=microscope.objective.immersion_index,
    )
    routine = FocusRoutine(
        rig.camera,
        rig.drive,
        estimator,
        limits=LimitSettings(lowest_z_um=0, highest_z_um=200),
        settings=RoutineSettings(tolerance_um=0.3),
        clock=rig.clock,
        on_look=lambda look, frame: print(
            f"  at {look.z_um:.2f}: {look.defocus_um:+.2f} +- {look.std_um:.2f}, moved {look.move_um:+.2f} um"
        ),
    )
    for away_um in (8.0, -6.0, 1.0):
        rig.drive.move_to(rig.drive.position_um() + away_um)
        print(f"{rig.truth():+.2f} um from focus")
        result = routine.run()
        print(f"{result.in_words}; in truth {rig.truth():+.2f} um")


if __name__ == "__main__":
    main()
