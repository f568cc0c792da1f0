"""Focus followed by the images that an acquisition takes anyway.

The plan focuses once, at the beginning. Then the sample drifts by several um while a time-lapse runs, and
each of its bright-field images corrects where the next one is taken: no frame is spent on focusing. Beside
it the same time-lapse without that.

    python examples/follow_between.py
"""

from __future__ import annotations

from useq import MDASequence

from parfocal.control import LimitSettings
from parfocal.microscope import AutofocusSettings, ParfocalAutofocus
from parfocal.model import FocusEstimator
from parfocal.optics import preset
from parfocal.rigs import simulated_rig

MINUTES = 15
SEQUENCE = MDASequence(
    stage_positions=[(0, 0, 100)],
    time_plan={"interval": 0, "loops": 7},
    autofocus_plan={"axes": ("p",)},
)


def time_lapse(*, follow: bool) -> list[float]:
    """True defocus of each image, one every quarter of an hour."""
    microscope = preset("yeast-40x", quality="ci")
    rig = simulated_rig(microscope, seed=3, paced=False)
    core = rig.camera.core
    core.mda.engine.use_hardware_sequencing = False
    estimator = FocusEstimator.load("bright-field").for_microscope(
        pixel_size_um=rig.camera.pixel_size_um,
        numerical_aperture=microscope.objective.numerical_aperture,
        immersion_index=microscope.objective.immersion_index,
    )
    limits = LimitSettings(lowest_z_um=0, highest_z_um=200)
    settings = AutofocusSettings(limits=limits, follow=follow)
    left_um: list[float] = []

    def note(image, event, meta) -> None:
        left_um.append(rig.truth())
        rig.clock.wait_until(rig.clock.now_s() + 60 * MINUTES)

    core.mda.events.frameReady.connect(note)
    with ParfocalAutofocus(core, estimator, settings=settings, clock=rig.clock):
        core.mda.run(SEQUENCE)
    return left_um


def main() -> None:
    """Print what defocus was left, image by image."""
    for follow in (True, False):
        left = " ".join(f"{um:+.2f}" for um in time_lapse(follow=follow))
        print(f"{'followed' if follow else 'focused once'}: {left} um")


if __name__ == "__main__":
    main()
