"""Holding focus with a record and a plot: through a real Micro-Manager core, and on a recorded stack."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from parfocal.control import LimitSettings, LockSettings, LockSnapshot, RunLog
from parfocal.control.run_summary import summary_of_run
from parfocal.data import write_stack
from parfocal.errors import DeviceError, ImageFileError, InputError, LimitError, ModelError
from parfocal.estimate import FocusEstimate
from parfocal.hold import draw_run, figure_of, hold_focus
from parfocal.microscope import ExperimentSettings
from parfocal.rigs import Rig, replay_rig, simulated_rig, window_around
from parfocal.zstack import ZStack
from tiny_microscope import TINY

SECONDS = 1 / 3600


class Told:
    """An estimator that is told the defocus: that of the rig, or the grey value of a recorded frame."""

    fingerprint = "told"
    z_range_um = (-15.0, 15.0)

    def __init__(self, rig: Rig | None = None) -> None:
        self._rig = rig

    def estimate(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> FocusEstimate:
        if pixel_size_um > 0.3:
            raise ModelError(
                f"This model was made for pixels of 0.24 um, the image has {pixel_size_um:g} um."
            )
        told = self._rig.truth() if self._rig and self._rig.truth else float(frame_yx[0, 0])
        return FocusEstimate(
            defocus_um=told,
            std_um=0.3,
            interval90_um=(told - 0.5, told + 0.5),
            probabilities=np.ones(1),
            bin_centres_um=np.array([told]),
            in_distribution=1.0,
            accepted=True,
            layers_um=(told,),
            latency_ms=1.0,
        )


class CoarseCamera:
    """A rig's camera with larger pixels."""

    pixel_size_um = 0.5

    def __init__(self, rig: Rig) -> None:
        self.snap = rig.camera.snap


class Unplugged:
    """A drive that fails at its first move."""

    def __init__(self, rig: Rig) -> None:
        self.position_um = rig.drive.position_um
        self.stopped = False

    def move_to(self, z_um: float) -> None:
        raise DeviceError("the drive was unplugged")

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def rig() -> Rig:
    return simulated_rig(
        TINY, seed=1, speed=72.0, paced=False, experiment=ExperimentSettings(hours=1, drift_um=4)
    )


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Planes whose grey value is their defocus: the focus is at 103 um, the middle at 102 um."""
    z_um = np.arange(97.0, 108.0)
    frames = (z_um - 103.0).astype(np.float32)[:, None, None] * np.ones((1, 4, 4), np.float32)
    path = tmp_path / "recorded.ome.tif"
    write_stack(path, ZStack(frames, z_um, 0.24))
    return path


def settings_of(rig: Rig) -> LockSettings:
    return LockSettings(limits=window_around(rig, reach_um=50.0, largest_step_um=5.0))


def test_a_drift_is_held_and_recorded(rig: Rig, tmp_path: Path) -> None:
    record = tmp_path / "night.sqlite"
    seen: list[LockSnapshot] = []
    summary = hold_focus(
        rig, Told(rig), settings=settings_of(rig), hours=0.05, record=record, watch=seen.append
    )
    assert summary.held
    assert summary.n_frames == len(seen) == 50
    assert summary_of_run(record) == summary
    assert RunLog.open(record).settings()["rig"] == "virtual microscope tiny"
    assert figure_of(record).read_bytes().startswith(b"\x89PNG")


def test_a_simulated_drive_goes_to_the_ends_of_its_stage(rig: Rig) -> None:
    assert rig.travel_um == (0.0, 200.0)


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
def test_a_simulation_needs_a_speed(speed: float) -> None:
    with pytest.raises(InputError, match="speed above 0"):
        simulated_rig(TINY, seed=1, speed=speed)


def test_a_recorded_stack_is_brought_to_its_focus(recorded: Path, tmp_path: Path) -> None:
    rig = replay_rig(recorded, start_z_um=98.0)
    assert rig.travel_um == (97.0, 107.0)
    limits = LimitSettings(lowest_z_um=97.0, highest_z_um=107.0)
    summary = hold_focus(
        rig, Told(), settings=LockSettings(limits=limits), hours=3 * SECONDS, record=tmp_path / "run.sqlite"
    )
    assert summary.held
    assert rig.drive.position_um() == pytest.approx(103.0, abs=1.0)


def test_an_image_is_no_recorded_stack(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    with pytest.raises(ImageFileError, match="OME-TIFF"):
        replay_rig(tmp_path / "image.png")


@pytest.mark.parametrize("hours", [0.0, -1.0, math.nan, math.inf])
def test_a_lock_needs_a_duration(hours: float, rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="above 0 hours"):
        hold_focus(rig, Told(rig), settings=settings_of(rig), hours=hours, record=tmp_path / "run.sqlite")
    assert not list(tmp_path.iterdir())


def test_a_drive_outside_the_window_is_not_moved_and_no_record_begun(rig: Rig, tmp_path: Path) -> None:
    before_um = rig.drive.position_um()
    settings = LockSettings(limits=LimitSettings(lowest_z_um=0.0, highest_z_um=50.0))
    with pytest.raises(LimitError, match="Nothing was moved"):
        hold_focus(rig, Told(rig), settings=settings, hours=1, record=tmp_path / "run.sqlite")
    assert rig.drive.position_um() == before_um
    assert not list(tmp_path.iterdir())


def test_a_model_for_another_camera_is_refused_before_a_record_is_begun(rig: Rig, tmp_path: Path) -> None:
    coarse = replace(rig, camera=CoarseCamera(rig))
    with pytest.raises(ModelError, match=r"0\.5 um"):
        hold_focus(coarse, Told(rig), settings=settings_of(rig), hours=1, record=tmp_path / "run.sqlite")
    assert not list(tmp_path.iterdir())


def test_a_fault_is_told_by_the_summary_and_by_the_record_alike(rig: Rig, tmp_path: Path) -> None:
    drive, record = Unplugged(rig), tmp_path / "run.sqlite"
    summary = hold_focus(
        replace(rig, drive=drive), Told(rig), settings=settings_of(rig), hours=1, record=record
    )
    assert drive.stopped
    assert (summary.held, summary.fault) == (False, "the drive was unplugged")
    assert (summary_of_run(record).held, summary_of_run(record).fault) == (False, summary.fault)


def test_a_run_without_frames_cannot_be_drawn(rig: Rig, tmp_path: Path) -> None:
    record = tmp_path / "run.sqlite"
    facts = {"rig": "none", "lock": settings_of(rig).model_dump(mode="json")}
    RunLog.create(record, settings=facts, model_fingerprint="none").close()
    with pytest.raises(InputError, match=r"run\.sqlite: holds no frames"):
        draw_run(record)
    assert summary_of_run(record).n_frames == 0
    assert not figure_of(record).exists()


def test_a_target_that_the_model_cannot_tell_is_refused_before_anything_moves(
    rig: Rig, tmp_path: Path
) -> None:
    before_um = rig.drive.position_um()
    settings = settings_of(rig).replace(controller={"target_um": 200.0})
    with pytest.raises(InputError, match="within what the model can tell"):
        hold_focus(rig, Told(rig), settings=settings, hours=0.05, record=tmp_path / "night.sqlite")
    assert rig.drive.position_um() == before_um
    assert not list(tmp_path.iterdir())


def test_a_drift_that_outruns_the_lock_is_not_called_held(tmp_path: Path) -> None:
    experiment = ExperimentSettings(hours=1, drift_um=400)
    fast = simulated_rig(TINY, seed=1, speed=72.0, paced=False, experiment=experiment)
    record = tmp_path / "night.sqlite"
    summary = hold_focus(fast, Told(fast), settings=settings_of(fast), hours=0.05, record=record)
    assert not summary.held
    assert summary.within_tolerance < 0.75
