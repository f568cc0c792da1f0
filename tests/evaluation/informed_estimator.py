"""A small annotated dataset, and an estimator that knows the truth and adds a known error to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parfocal.data import Annotation, Dataset, DatasetSettings, ObjectiveRecord, SplitRow
from parfocal.estimate import FocusEstimate
from parfocal.zstack import ZStack

OBJECTIVE = ObjectiveRecord(numerical_aperture=1.3, magnification=40, immersion_index=1.515)
PARTS = ("train", "train", "train", "validation", "test", "test")


def blobs(seed: int, *, focus_z_um: float) -> ZStack:
    """Eleven planes of blobs that blur with distance from focus and are darker on one side."""
    generator = np.random.default_rng(seed)
    z_um = np.arange(11.0) + generator.uniform(-0.3, 0.3, 11)
    points = np.where(generator.random((32, 32)) > 0.98, 8000.0, 0.0)
    frames = [
        ndimage.gaussian_filter(points, 0.8 + 0.4 * abs(z - focus_z_um)) + 1000 + 20 * (z - focus_z_um)
        for z in z_um
    ]
    return ZStack(np.rint(frames).astype(np.uint16), z_um, 0.24)


def make_dataset(
    folder: Path,
    *,
    objective: ObjectiveRecord | None = OBJECTIVE,
    experiments: tuple[str, ...] = ("one",),
) -> Dataset:
    """Three stacks to train, one to validate, two to test; their experiments take turns."""
    settings = DatasetSettings(
        name="blobs & <dots>",
        objective=objective,
        pixel_size_um=0.24,
        wavelength_um=0.56,
        experiments=experiments,
    )
    dataset = Dataset.create(folder, settings)
    names = [f"field-{index}" for index in range(len(PARTS))]
    for index, name in enumerate(names):
        dataset.write(name, blobs(index, focus_z_um=5.0 + 0.1 * index))
    dataset.annotate(
        Annotation(name, 5.0 + 0.1 * index, "ann", "2018-07-01T12:00:00+00:00")
        for index, name in enumerate(names)
    )
    dataset.write_split(
        [
            SplitRow(name, experiments[index % len(experiments)], PARTS[index])
            for index, name in enumerate(names)
        ]
    )
    return dataset


class InformedEstimator:
    """Knows every frame of a dataset and adds a known error to the truth."""

    fingerprint = "informed-1"

    def __init__(
        self,
        dataset: Dataset,
        *,
        error_um: float = 0.2,
        z_range_um: tuple[float, float] = (-4.0, 4.0),
        silent_above_um: float = np.inf,
    ) -> None:
        self.z_range_um = z_range_um
        self._error_um = error_um
        self._silent_above_um = silent_above_um
        self._truth_um: dict[bytes, float] = {}
        for name in dataset.stack_ids():
            stack = dataset.read(name)
            for frame, z in zip(stack.frames_zyx, stack.defocus_um(dataset.focus_z_um(name)), strict=True):
                self._truth_um[frame.tobytes()] = float(z)

    def estimate(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> FocusEstimate:
        truth_um = self._truth_um[np.ascontiguousarray(frame_yx).tobytes()]
        answer_um = np.nan if truth_um > self._silent_above_um else truth_um + self._error_um
        return FocusEstimate(
            defocus_um=answer_um,
            std_um=0.3,
            interval90_um=(answer_um - 0.5, answer_um + 0.5),
            probabilities=np.ones(1),
            bin_centres_um=np.zeros(1),
            in_distribution=0.9,
            accepted=abs(truth_um) < 3,
            layers_um=(answer_um,),
            latency_ms=1.0,
        )


def text_of(page: Path) -> str:
    """A page with ordinary spaces before its units."""
    return page.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
