"""The benchmark's stacks: 431 of yeast from five days that differ as days do, two of them held out.

The numbers are those of Wei & Roberts (2018): 345 stacks to learn from and 86 to test on, 31 planes each.
Here the two parts come from different days, and planes lie at random offsets from focus.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from parfocal.collect import Experiment, simulate_experiments
from parfocal.data import Dataset
from parfocal.optics import VirtualMicroscope, preset
from parfocal.optics.specimens import DebrisSettings

SEED = 2018


def day(
    *,
    condenser_na: float,
    cytoplasm_index: float,
    cells: tuple[int, int],
    on_floor: float,
    under_ceiling: float,
    chamber_um: float,
    tilt_mrad: float,
    tilt_towards_deg: float,
    electrons: float,
    electrons_per_count: float,
    vignetting: float,
    light_tilt: float,
    grains: int,
    dust_spots: int,
) -> VirtualMicroscope:
    """The virtual yeast microscope on one day."""
    usual = preset("yeast-40x")
    yeast = usual.specimens[0].replace(
        cytoplasm_index=cytoplasm_index,
        fewest_cells=cells[0],
        most_cells=cells[1],
        on_floor=on_floor,
        under_ceiling=under_ceiling,
    )
    return usual.replace(
        condenser=usual.condenser.replace(numerical_aperture=condenser_na),
        specimens=(yeast, DebrisSettings(fewest_grains=0, most_grains=grains, most_scratches=2)),
        chamber=usual.chamber.replace(
            height_um=chamber_um, tilt_mrad=tilt_mrad, tilt_towards_deg=tilt_towards_deg
        ),
        camera=usual.camera.replace(
            background_electrons=electrons,
            electrons_per_count=electrons_per_count,
            vignetting=vignetting,
            light_tilt=light_tilt,
            dust_spots=dust_spots,
        ),
        days={"condenser_na": 0.0, "cytoplasm_index": 0.0, "light": 0.0},  # each day is said in full
    )


EXPERIMENTS = (
    Experiment(
        "sparse",
        day(
            condenser_na=0.330,
            cytoplasm_index=1.390,
            cells=(3, 40),
            on_floor=0.85,
            under_ceiling=0.10,
            chamber_um=6.0,
            tilt_mrad=1.5,
            tilt_towards_deg=20,
            electrons=16_000,
            electrons_per_count=8.9,
            vignetting=0.12,
            light_tilt=0.05,
            grains=3,
            dust_spots=4,
        ),
        115,
        "train",
    ),
    Experiment(
        "crowded",
        day(
            condenser_na=0.264,
            cytoplasm_index=1.393,
            cells=(15, 140),
            on_floor=0.75,
            under_ceiling=0.15,
            chamber_um=5.5,
            tilt_mrad=4.0,
            tilt_towards_deg=200,
            electrons=11_000,
            electrons_per_count=6.0,
            vignetting=0.20,
            light_tilt=-0.08,
            grains=8,
            dust_spots=8,
        ),
        115,
        "train",
    ),
    Experiment(
        "two layers",
        day(
            condenser_na=0.300,
            cytoplasm_index=1.387,
            cells=(6, 100),
            on_floor=0.65,
            under_ceiling=0.30,
            chamber_um=8.0,
            tilt_mrad=2.5,
            tilt_towards_deg=120,
            electrons=21_000,
            electrons_per_count=10.5,
            vignetting=0.08,
            light_tilt=0.10,
            grains=5,
            dust_spots=2,
        ),
        115,
        "train",
    ),
    Experiment(
        "usual",
        day(
            condenser_na=0.285,
            cytoplasm_index=1.388,
            cells=(3, 140),
            on_floor=0.80,
            under_ceiling=0.12,
            chamber_um=6.5,
            tilt_mrad=3.0,
            tilt_towards_deg=300,
            electrons=13_500,
            electrons_per_count=7.5,
            vignetting=0.15,
            light_tilt=0.02,
            grains=6,
            dust_spots=6,
        ),
        43,
        "test",
    ),
    Experiment(  # beyond what the other days teach: condenser, light and tilt
        "wide open",
        day(
            condenser_na=0.342,
            cytoplasm_index=1.392,
            cells=(3, 100),
            on_floor=0.75,
            under_ceiling=0.20,
            chamber_um=7.0,
            tilt_mrad=5.0,
            tilt_towards_deg=75,
            electrons=9_000,
            electrons_per_count=5.0,
            vignetting=0.25,
            light_tilt=-0.12,
            grains=10,
            dust_spots=10,
        ),
        43,
        "test",
    ),
)

TUNING = (
    Experiment(
        "tuning, open",
        day(
            condenser_na=0.318,
            cytoplasm_index=1.391,
            cells=(3, 120),
            on_floor=0.80,
            under_ceiling=0.15,
            chamber_um=6.8,
            tilt_mrad=3.5,
            tilt_towards_deg=160,
            electrons=12_000,
            electrons_per_count=6.5,
            vignetting=0.18,
            light_tilt=-0.05,
            grains=6,
            dust_spots=5,
        ),
        20,
        "train",
    ),
    Experiment(
        "tuning, closed",
        day(
            condenser_na=0.256,
            cytoplasm_index=1.389,
            cells=(3, 120),
            on_floor=0.80,
            under_ceiling=0.15,
            chamber_um=5.8,
            tilt_mrad=2.0,
            tilt_towards_deg=250,
            electrons=18_000,
            electrons_per_count=9.5,
            vignetting=0.10,
            light_tilt=0.08,
            grains=6,
            dust_spots=5,
        ),
        20,
        "train",
    ),
)
"""Days of their own to choose settings by: the test days are for the leaderboard alone."""


def simulate(folder: Path, *, workers: int, experiments: tuple[Experiment, ...] = EXPERIMENTS) -> Dataset:
    """All stacks of some days; 431 take 8 minutes on two cores."""
    seed = SEED if experiments is EXPERIMENTS else SEED + 1
    return simulate_experiments(folder, experiments, seed=seed, workers=workers)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tuning", action="store_true", help="the days to choose settings by")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    days = TUNING if options.tuning else EXPERIMENTS
    simulate(options.folder, workers=options.workers, experiments=days)
