"""A benchmark of its own size: frames of noise from two days to learn from and one to be tested on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from parfocal.data import Annotation, Dataset, DatasetSettings, ObjectiveRecord, SplitRow
from parfocal.zstack import ZStack

TRAINING_DAYS = ("wet", "dry")
N_TRAINING, N_TEST = 12, 3
PIXEL_UM, SIDE_PX = 0.24, 164


def small_days(folder: Path) -> Dataset:
    """12 stacks of two days in turns, and 3 of the test day; ``cells.csv`` counts 1, 2, ... cells."""
    objective = ObjectiveRecord(numerical_aperture=0.5, magnification=20, immersion_index=1.0)
    settings = DatasetSettings(name="days", objective=objective, pixel_size_um=PIXEL_UM, wavelength_um=0.55)
    days = Dataset.create(folder, settings)
    random = np.random.default_rng(0)
    rows, cells = [], ["stack,kind,x_um,y_um,focus_z_um,radius_um,layer"]
    for k in range(N_TRAINING + N_TEST):
        name = f"s{k:02d}"
        z_um = np.arange(-5.0, 6.0) + random.uniform(-0.4, 0.4)
        frames = random.normal(1000, 30 + 10 * np.abs(z_um)[:, None, None], (11, SIDE_PX, SIDE_PX))
        days.write(name, ZStack(frames.astype(np.uint16), z_um, PIXEL_UM))
        days.annotate([Annotation(name, 0.0, "simulation", "2018-03-16T00:00:00+00:00")])
        is_test = k >= N_TRAINING
        rows.append(
            SplitRow(name, "test day" if is_test else TRAINING_DAYS[k % 2], "test" if is_test else "train")
        )
        cells += [f"{name},yeast,1,1,0,1,floor"] * (k + 1)
    days.write_split(rows)
    (folder / "cells.csv").write_text("\n".join(cells) + "\n", encoding="utf-8")
    return days
