"""Kept images as files, read back by the reader of stacks and by Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from parfocal.control import RunLog, RunRecord
from parfocal.data import read_stack
from parfocal.errors import InputError
from parfocal.hold import hold_focus
from parfocal.microscope import ExperimentSettings
from parfocal.rigs import simulated_rig
from parfocal.run_images import export_images
from test_hold import Told, settings_of
from tiny_microscope import TINY


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    experiment = ExperimentSettings(hours=1, drift_um=4)
    rig = simulated_rig(TINY, seed=1, speed=1440.0, paced=False, experiment=experiment)
    path = tmp_path / "run.sqlite"
    hold_focus(rig, Told(rig), settings=settings_of(rig), hours=0.5, record=path)
    return RunLog.open(path)


def test_each_kept_image_is_a_file_with_its_place_and_scale(record: RunRecord, tmp_path: Path) -> None:
    files = export_images(record, tmp_path / "images")
    assert files == sorted((tmp_path / "images").iterdir())
    assert len(files) == record.n_images >= 3
    for file, image in zip(files, record.images(), strict=True):
        stack = read_stack(file)
        np.testing.assert_array_equal(stack.frames_zyx[0], image.frame_yx)
        assert stack.z_um == pytest.approx([image.snapshot.z_um])
        assert stack.pixel_size_um == record.pixel_size_um == TINY.camera.pixel_size_um
        with Image.open(file) as opened:
            np.testing.assert_array_equal(np.asarray(opened), image.frame_yx)
    assert files[0].name.startswith("frame-00000001-0s-")


def test_a_folder_that_holds_something_is_left_alone(record: RunRecord, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds something already"):
        export_images(record, tmp_path)
    assert not (tmp_path / "images").exists()


def test_a_record_without_images_has_none_to_write(tmp_path: Path) -> None:
    RunLog.create(tmp_path / "run", settings={}, model_fingerprint="").close()
    with pytest.raises(InputError, match="kept no images"):
        export_images(RunLog.open(tmp_path / "run"), tmp_path / "images")
    assert not (tmp_path / "images").exists()
