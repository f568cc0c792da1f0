"""What the written files tell of the focus of every image.

A sequence of a Micro-Manager core goes into an OME-TIFF and an OME-Zarr as ever; beside time, exposure and
position, each frame's own metadata then has its state, defocus, interval and move. They are read back by
other libraries: ome-types and yaozarrs.

    python examples/focus_in_files.py --out FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ome_types
import yaozarrs
from useq import MDASequence

from parfocal.control import LimitSettings
from parfocal.microscope import AutofocusSettings, ParfocalAutofocus
from parfocal.model import FocusEstimator
from parfocal.optics import preset
from parfocal.rigs import simulated_rig

SEQUENCE = MDASequence(
    stage_positions=[(0, 0, 100)],
    time_plan={"interval": 0, "loops": 2},
    z_plan={"range": 2, "step": 1},
    autofocus_plan={"axes": ("p", "t")},
)


def main(arguments: list[str] | None = None) -> None:
    """Take the sequence twice, and print what the files tell of its planes."""
    parser = argparse.ArgumentParser(description="Read the focus of every image back from its file.")
    parser.add_argument("--out", type=Path, default=Path("focus-in-files"), help="a new folder")
    folder = parser.parse_args(arguments).out
    microscope = preset("yeast-40x", quality="ci")
    rig = simulated_rig(microscope, seed=3, paced=False)
    core = rig.camera.core
    estimator = FocusEstimator.load("bright-field").for_microscope(
        pixel_size_um=rig.camera.pixel_size_um,
        numerical_aperture=microscope.objective.numerical_aperture,
        immersion_index=microscope.objective.immersion_index,
    )
    settings = AutofocusSettings(limits=LimitSettings(lowest_z_um=0, highest_z_um=200))
    folder.mkdir(parents=True, exist_ok=True)
    with ParfocalAutofocus(core, estimator, settings=settings, clock=rig.clock):
        for name in ("cells.ome.tiff", "cells.ome.zarr"):
            core.mda.run(SEQUENCE, output=folder / name)

    ome = ome_types.from_tiff(folder / "cells.ome.tiff")
    notes = {note.id: dict(note.value) for note in ome.structured_annotations.map_annotations}
    for plane in ome.images[0].pixels.planes:
        told = notes[plane.annotation_refs[0].id]
        defocus_um = float(told["focus_defocus_um"])
        print(f"tiff t{plane.the_t} z{plane.the_z}  {told['focus_state']}  {defocus_um:+.2f} um")
    zarr = yaozarrs.open_group(folder / "cells.ome.zarr")
    for frame in zarr.attrs["ome_writers"]["frame_metadata"]:
        t, z = frame["storage_index"]
        print(f"zarr t{t} z{z}  {frame['focus_state']}  {frame['focus_defocus_um']:+.2f} um")


if __name__ == "__main__":
    main()
