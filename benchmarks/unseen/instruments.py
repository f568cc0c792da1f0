"""Microscopes that no training saw, to judge a model of many by: lenses, and mixtures of cells, of their own.

``instruments.py FOLDER`` simulates as many stacks, each of another microscope, of planes within 8 depths of
field of focus, in the pixels of a camera; with them, for some, frames that must not be answered.
``--tuning`` makes others, to choose settings by.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from parfocal.collect import CREATED, cell_rows
from parfocal.compute import run_tasks
from parfocal.data import Annotation, Dataset, DatasetSettings, ObjectiveRecord, SplitRow, write_cells
from parfocal.data.cells import usual_focus_z_um
from parfocal.optics import (
    AdherentSettings,
    BeadSettings,
    RodSettings,
    SimulatedStack,
    VirtualMicroscope,
    YeastSettings,
    draw_low_aperture,
    draw_microscope,
    simulate_stack,
)
from parfocal.optics.foreign import without_cells
from parfocal.optics.instrument import PhaseRingSettings
from parfocal.zstack import depth_of_field_um

SEED = {"test": 7001, "tuning": 7002}
HIGH = ((0.95, 1.0), (1.05, 1.406), (1.15, 1.333), (1.25, 1.515), (1.35, 1.515))
"""Numerical apertures and immersions of no training: among others one in silicone oil."""
LOW = ((0.35, 1.0), (0.45, 1.0), (0.55, 1.0), (0.65, 1.0), (0.5, 1.333))
DEPTHS, PLANES = 8, 17
FINEST_CAMERA = 3.0
"""Camera pixels to a pixel of the network, at most."""
FOREIGN = ("phase contrast", "empty", "dust only")
EVERY = 10
"""Two in so many microscopes show foreign frames too."""
PART = "test"


def draw_unseen(index: int, *, seed: int) -> VirtualMicroscope:
    """One of them; every second one of lower aperture, every third with cells that no training mixed."""
    random = np.random.default_rng([seed, index])
    high = index % 2 == 0
    drawn = draw_microscope(random, lenses=HIGH) if high else draw_low_aperture(random, lenses=LOW)
    if index % 3 == 2:
        drawn = drawn.replace(specimens=(*_mixture(random, high=high), drawn.specimens[-1]))
        drawn = drawn.replace(chamber=drawn.chamber.replace(height_um=20.0 if high else 30.0))
    return _scanned(_in_camera(drawn, finer=math.exp(random.uniform(0, math.log(FINEST_CAMERA)))))


def _mixture(
    random: np.random.Generator, *, high: bool
) -> tuple[AdherentSettings | BeadSettings | RodSettings | YeastSettings, ...]:
    index = random.uniform(1.45, 1.6)
    if random.random() < 0.5:
        size = 0.6 if high else 1.2
        usual = AdherentSettings()
        lengths = {name: value * size for name, value in usual if name.endswith(("across_um", "nucleus_um"))}
        # As high as the cells beside them, or nobody could say what is in focus.
        beads = BeadSettings(
            fewest_beads=3,
            most_beads=12,
            smallest_diameter_um=usual.lowest_peak_um,
            largest_diameter_um=usual.highest_peak_um,
            on_floor=1.0,
            index=index,
        )
        return usual.replace(fewest_cells=2, most_cells=5, **lengths), beads
    rods = RodSettings(fewest_cells=4, most_cells=14)
    return rods, YeastSettings(fewest_cells=5, most_cells=30)


def _in_camera(drawn: VirtualMicroscope, *, finer: float) -> VirtualMicroscope:
    """With finer pixels, as many of them as make up the field."""
    camera = drawn.camera
    side = round(camera.height_px * finer)
    pixel_um = camera.pixel_size_um * camera.height_px / side
    changed = camera.replace(
        pixel_size_um=pixel_um,
        height_px=side,
        width_px=side,
        background_electrons=camera.background_electrons / finer**2,
        electrons_per_count=camera.electrons_per_count / finer**2,
        read_noise_electrons=camera.read_noise_electrons / finer,
    )
    quality = drawn.quality.replace(grid_um=min(drawn.quality.grid_um, 0.99 * pixel_um))
    return drawn.replace(camera=changed, quality=quality)


def _scanned(drawn: VirtualMicroscope) -> VirtualMicroscope:
    reach_um = DEPTHS * _depth_um(drawn)
    step_um = 2 * reach_um / (PLANES - 1)
    scan = drawn.scan.replace(
        half_range_um=reach_um, step_um=step_um, focus_jitter_um=0.5 * step_um, stage_jitter_um=0.3 * step_um
    )
    return drawn.replace(scan=scan)


def _depth_um(drawn: VirtualMicroscope) -> float:
    return depth_of_field_um(
        wavelength_um=drawn.spectrum.centre_um,
        numerical_aperture=drawn.objective.numerical_aperture,
        immersion_index=drawn.objective.immersion_index,
        pixel_size_um=drawn.camera.pixel_size_um,
    )


def foreign(drawn: VirtualMicroscope, kind: str) -> VirtualMicroscope:
    """The same microscope with something else to see."""
    if kind == "phase contrast":
        aperture = drawn.objective.numerical_aperture
        ring = PhaseRingSettings(inner_na=0.42 * aperture, outer_na=0.62 * aperture)
        annulus = drawn.condenser.replace(
            numerical_aperture=0.57 * aperture, inner_numerical_aperture=0.47 * aperture
        )
        dim = drawn.camera.replace(background_electrons=drawn.camera.background_electrons / 3)
        return drawn.replace(
            objective=drawn.objective.replace(phase_ring=ring), condenser=annulus, camera=dim
        )
    return without_cells(drawn, kind)


def _plans(n: int) -> Iterator[tuple[int, str]]:
    for index in range(n):
        yield index, "ordinary"
        if index % EVERY in (0, 1):
            yield from ((index, kind) for kind in FOREIGN)


def _made(plan: tuple[int, str], *, seed: int) -> SimulatedStack:
    index, kind = plan
    drawn = draw_unseen(index, seed=seed)
    settings = drawn if kind == "ordinary" else foreign(drawn, kind)
    return simulate_stack(settings, seed=seed, index=index, experiment=index)


def simulate(folder: Path, *, n: int, seed: int, workers: int = 1) -> None:
    """One dataset of one stack for each microscope, and for each kind of foreign frames; those there stay."""
    plans = [plan for plan in _plans(n) if not _place(folder, plan).exists()]
    for done, (k, made) in enumerate(run_tasks(partial(_made, seed=seed), plans, workers=workers), start=1):
        _write(_place(folder, plans[k]), made)
        print(f"{done} of {len(plans)}", flush=True)


def _place(folder: Path, plan: tuple[int, str]) -> Path:
    index, kind = plan
    return folder / kind / f"{index:03d}"


def _write(place: Path, made: SimulatedStack) -> None:
    settings, objective = made.settings, made.settings.objective
    dataset = Dataset.create(
        place,
        DatasetSettings(
            name=place.name,
            objective=ObjectiveRecord(
                numerical_aperture=objective.numerical_aperture,
                magnification=objective.magnification,
                immersion_index=objective.immersion_index,
            ),
            pixel_size_um=settings.camera.pixel_size_um,
            wavelength_um=settings.spectrum.centre_um,
            experiments=(settings.specimens[0].kind,),
        ),
    )
    dataset.write("stack", made.stack)
    cells = cell_rows("stack", made)
    if cells:
        dataset.annotate([Annotation("stack", usual_focus_z_um(cells), "simulation", CREATED)])
        write_cells(place, cells)
    dataset.write_split([SplitRow("stack", settings.specimens[0].kind, PART)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--microscopes", type=int, default=80)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    seed = SEED["tuning" if given.tuning else "test"]
    simulate(given.folder, n=given.microscopes, seed=seed, workers=given.workers)
