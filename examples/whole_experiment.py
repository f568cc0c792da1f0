"""A whole experiment from a file, without a window.

`plate.yaml` beside this script is a useq sequence, with the settings of the focus in its metadata. What this
script does in Python, a shell does with

    parfocal acquire-run plate.yaml --model bright-field --config MM.cfg --lowest-z 80 --highest-z 140

and with --resume it goes on with an experiment that was cut off.

    python examples/whole_experiment.py --out FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

from parfocal.control import AcquisitionRecord
from parfocal.microscope import AutofocusSettings, read_sequence, run_acquisition
from parfocal.model import FocusEstimator
from parfocal.optics import preset
from parfocal.rigs import simulated_rig


def main(arguments: list[str] | None = None) -> None:
    """Run the plate in simulated time, two hours in seconds, and print a line for each time point."""
    parser = argparse.ArgumentParser(description="Run a useq experiment in focus.")
    parser.add_argument("--out", type=Path, default=Path("plate"), help="a new folder")
    folder = parser.parse_args(arguments).out
    microscope = preset("yeast-40x", quality="ci")
    rig = simulated_rig(microscope, seed=3, speed=3600, paced=False)
    estimator = FocusEstimator.load("bright-field").for_microscope(
        pixel_size_um=rig.camera.pixel_size_um,
        numerical_aperture=microscope.objective.numerical_aperture,
        immersion_index=microscope.objective.immersion_index,
    )
    sequence = read_sequence(Path(__file__).with_name("plate.yaml"))
    limits = {"lowest_z_um": 0.0, "highest_z_um": 200.0}
    settings = AutofocusSettings.parse(
        {**sequence.metadata["parfocal"], "limits": limits}, source="plate.yaml"
    )
    summary = run_acquisition(
        rig.camera.core, estimator, sequence, settings=settings, folder=folder, clock=rig.clock
    )
    record = AcquisitionRecord(folder / "focus.sqlite")
    for t in sorted({image["t"] for image in record.images()}):
        middle = [image for image in record.images() if image["t"] == t and image["z"] == 1]
        z_um = ", ".join(f"{image['z_um']:.2f}" for image in middle)
        print(f"after {30 * t:3} minutes: {len(middle)} wells in focus at {z_um} um")
    record.close()
    each = summary.n_looks / summary.n_visits
    print(
        f"{summary.n_images} images, {summary.n_skipped} skipped, {each:.1f} frames looked at a well and time"
    )


if __name__ == "__main__":
    main()
