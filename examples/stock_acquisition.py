"""A stock acquisition, in focus.

A useq sequence with its autofocus plan, run by the engine of pymmcore-plus: three positions, three time
points, stacks of three planes. Nothing in it knows of parfocal; while `ParfocalAutofocus` is attached, the
core focuses by single images. Here the core drives a virtual microscope, so that the truth is known.

    python examples/stock_acquisition.py
"""

from __future__ import annotations

from useq import MDASequence

from parfocal.control import LimitSettings
from parfocal.microscope import AutofocusSettings, ParfocalAutofocus
from parfocal.model import FocusEstimator
from parfocal.optics import preset
from parfocal.rigs import simulated_rig

SEQUENCE = MDASequence(
    stage_positions=[(0, 0, 100), (60, 0, 100), (60, 60, 100)],
    time_plan={"interval": 0, "loops": 3},
    z_plan={"range": 4, "step": 2},
    autofocus_plan={"axes": ("p", "t")},
)


def main() -> None:
    """Take the sequence and tell how far from focus each middle plane was."""
    microscope = preset("yeast-40x", quality="ci")
    rig = simulated_rig(microscope, seed=3, paced=False)
    core = rig.camera.core
    core.mda.engine.use_hardware_sequencing = False
    estimator = FocusEstimator.load("bright-field").for_microscope(
        pixel_size_um=rig.camera.pixel_size_um,
        numerical_aperture=microscope.objective.numerical_aperture,
        immersion_index=microscope.objective.immersion_index,
    )
    settings = AutofocusSettings(limits=LimitSettings(lowest_z_um=0, highest_z_um=200))

    def tell(image, event, meta) -> None:
        if event.index["z"] == 1:
            told, where = event.metadata["parfocal"], f"t{event.index['t']} p{event.index['p']}"
            believed, true = f"{told['focus_defocus_um']:+.2f}", f"{rig.truth():+.2f}"
            print(f"{where}  {told['focus_state']}: believed {believed}, true {true} um from focus")

    core.mda.events.frameReady.connect(tell)
    with ParfocalAutofocus(core, estimator, settings=settings, clock=rig.clock) as autofocus:
        core.mda.run(SEQUENCE)
    looks = sum(len(result.looks) for _, result in autofocus.results)
    print(f"{looks} frames looked at for {len(autofocus.results)} positions and time points")


if __name__ == "__main__":
    main()
