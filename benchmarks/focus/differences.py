"""Two-frame input: a data set whose planes are differences of two planes a known move apart.

Dastidar and Ethirajan (2020) feed a network the difference of two images taken a fixed move apart. Here they
are two steps of the stack apart, 2 um on average, with the jitter of its drive. As a data set of its own it
goes through the ordinary training.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from parfocal.data import Dataset
from parfocal.zstack import ZStack

PLANES_APART = 2
OFFSET = 4096
"""Added to differences, so that those of a 12-bit camera need no sign."""


def difference_stack(stack: ZStack) -> ZStack:
    """The plane two above less each plane, at the position of the lower one; two planes fewer."""
    frames = stack.frames_zyx.astype(np.int32)
    differences = frames[PLANES_APART:] - frames[:-PLANES_APART] + OFFSET
    return ZStack(
        differences.clip(0, 65535).astype(np.uint16), stack.z_um[:-PLANES_APART], stack.pixel_size_um
    )


def make_differences(dataset: Dataset, folder: Path) -> Dataset:
    """The same stacks, annotations and split, with differences as planes."""
    made = Dataset.create(folder, dataset.settings)
    for row in dataset.split():
        made.write(row.stack, difference_stack(dataset.read(row.stack)))
    made.annotate(dataset.annotations())
    made.write_split(dataset.split())
    return made
