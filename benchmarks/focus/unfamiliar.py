"""Frames that a model of bright-field yeast must not answer, and some that it cannot: all from the simulator.

Two kinds. *Foreign* ones show something else: phase contrast, no cells, another magnification, light from one
side, no light, too much of it. *Failing* ones are the failure scenes of Wei & Roberts (2018, Fig S5): the
right cells, but so placed that focus is a guess.

Cells of a lower index than their medium are not among them: light that leads where it should lag makes, above
focus, the very image that other cells make below it, and nothing in a frame tells which it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from days import EXPERIMENTS, TUNING

from parfocal.collect import Experiment, simulate_experiments
from parfocal.data import Dataset
from parfocal.optics import VirtualMicroscope
from parfocal.optics.instrument import PhaseRingSettings
from parfocal.studies.failure_scenes import FEW_UP, HALF_UP, with_cells

SEED = 401
STACKS = 4
"""Of each kind: 124 frames."""
MAGNIFICATIONS = {"half": 2.0, "0.8 x": 1.25, "1.25 x": 0.8, "double": 0.5}
"""How large a pixel is in the sample, in pixels of the model."""
FAR_APART_UM = 18.0
FAILING = ("mostly on the ceiling", "layers far apart")


def foreign(day: VirtualMicroscope) -> Iterator[tuple[str, VirtualMicroscope]]:
    """Microscopes like that of a day, each with one thing quite different."""
    yield "phase contrast", in_phase_contrast(day)
    yield "empty", in_camera(without_cells(day), dust_spots=0)
    yield "empty, with pillars", with_chamber(without_cells(day), pillars=True)
    for name, factor in MAGNIFICATIONS.items():
        yield f"magnification {name}", magnified(day, factor)
    yield "light from one side", in_camera(day, light_tilt=0.5, vignetting=0.8)
    yield "dark", in_camera(day, background_electrons=30.0)
    yield "saturated", in_camera(day, electrons_per_count=day.camera.background_electrons / 4300)


def failing(day: VirtualMicroscope) -> Iterator[tuple[str, VirtualMicroscope]]:
    """The failure scenes of the 2018 paper on the microscope of a day."""
    yield FAILING[0], with_cells(day, **FEW_UP)
    apart = with_chamber(day, height_um=FAR_APART_UM)
    yield FAILING[1], with_cells(apart, **HALF_UP)


def simulate(folder: Path, *, tuning: bool, workers: int = 1, n_stacks: int = STACKS) -> None:
    """One dataset for each kind of frame, in a folder of its name; those that are there stay.

    Parameters
    ----------
    folder : Path
    tuning : bool
        On the days to choose settings by, not on the test days.
    workers, n_stacks : int
    """
    days = TUNING if tuning else tuple(day for day in EXPERIMENTS if day.part == "test")
    kinds = [dict([*foreign(day.settings), *failing(day.settings)]) for day in days]
    for kind in kinds[0]:
        shares = [len(range(k, n_stacks, len(days))) for k in range(len(days))]
        experiments = [
            Experiment(day.name, settings[kind], share, "test")
            for day, settings, share in zip(days, kinds, shares, strict=True)
        ]
        if not (folder / kind).exists():
            simulate_experiments(folder / kind, experiments, seed=SEED + tuning, workers=workers)
            print(kind, flush=True)


def kinds_in(folder: Path) -> dict[str, Dataset]:
    """The datasets that `simulate` made, by their kind."""
    return {path.name: Dataset.open(path) for path in sorted(folder.iterdir()) if path.is_dir()}


def in_phase_contrast(day: VirtualMicroscope) -> VirtualMicroscope:
    """The same cells through an annulus and a phase ring, with light for halos to fit into the camera."""
    return day.replace(
        objective=day.objective.replace(phase_ring=PhaseRingSettings(inner_na=0.22, outer_na=0.32)),
        condenser=day.condenser.replace(numerical_aperture=0.30, inner_numerical_aperture=0.24),
        camera=day.camera.replace(background_electrons=day.camera.background_electrons / 3),
    )


def magnified(day: VirtualMicroscope, factor: float) -> VirtualMicroscope:
    """Other pixels, as many of them, with as many cells to the area; no scratches, which are long."""
    cells, _ = day.specimens
    fewest, most = (max(round(count * factor**2), 1) for count in cells.count_range)
    camera = day.camera.replace(pixel_size_um=day.camera.pixel_size_um * factor)
    return with_cells(day.replace(specimens=(cells,), camera=camera), fewest_cells=fewest, most_cells=most)


def without_cells(day: VirtualMicroscope) -> VirtualMicroscope:
    """An empty chamber without pillars, dust and grains where they were."""
    return with_chamber(with_cells(day, fewest_cells=0, most_cells=0), pillars=False)


def with_chamber(day: VirtualMicroscope, **changes: float | bool) -> VirtualMicroscope:
    """A day with another chamber."""
    return day.replace(chamber=day.chamber.replace(**changes))


def in_camera(day: VirtualMicroscope, **changes: float) -> VirtualMicroscope:
    """A day with other light or pixels."""
    return day.replace(camera=day.camera.replace(**changes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tuning", action="store_true", help="on the days to choose settings by")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    simulate(options.folder, tuning=options.tuning, workers=options.workers)
