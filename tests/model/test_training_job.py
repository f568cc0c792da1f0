"""What a training validates on is few frames of many stacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_world import RECIPE

from parfocal.data import Dataset
from parfocal.model import training_job
from parfocal.model.training_job import prepare


@pytest.mark.parametrize(("most", "expected"), [(22, (11, 11)), (21, (6, 5)), (6, (3, 3)), (1, (1, 1))])
def test_every_validation_stack_is_watched_at_no_more_planes_than_can_be(
    most: int, expected: tuple[int, int], spots: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_job, "MOST_WATCHED_FRAMES", most)
    job = prepare(spots, out=tmp_path / "m.safetensors", recipe=RECIPE, devices=1, nodes=1, memory_gib=1.0)
    assert tuple(stack.n_planes for stack, _ in job.watched) == expected
    assert tuple(stack.n_planes for stack, _ in job.validation) == (11, 11)
    for (watched, focus_z_um), (whole, whole_focus_z_um) in zip(job.watched, job.validation, strict=True):
        planes = np.searchsorted(whole.z_um, watched.z_um)
        np.testing.assert_array_equal(whole.z_um[planes], watched.z_um)
        np.testing.assert_array_equal(whole.frames_zyx[planes], watched.frames_zyx)
        assert focus_z_um == whole_focus_z_um
        assert np.shares_memory(whole.frames_zyx, watched.frames_zyx)
