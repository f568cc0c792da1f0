"""What a lock does when something goes wrong, on MMCore's demo devices and a record on the disk.

docs/focus-lock.md tells the same in words.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mm_test_adapters
import numpy as np
import pytest
from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus

from parfocal.control import (
    FocusLock,
    LimitSettings,
    LockSettings,
    LockState,
    RunLog,
    SimulatedClock,
    WallClock,
)
from parfocal.errors import DeviceError
from parfocal.estimate import FocusEstimate
from parfocal.microscope import MicroManagerCamera, MicroManagerFocusDrive

DEMO_CONFIG = Path(mm_test_adapters.device_adapter_path()) / "MMConfig_demo.cfg"
FOCUS_UM = 3.0


class AboutTheDrive:
    """Tells how far the drive stands from a place that is called in focus: the demo camera shows none."""

    fingerprint, z_range_um = "about the drive", (-15.0, 15.0)

    def __init__(self, drive: MicroManagerFocusDrive, before: Callable[[int], None]) -> None:
        self._drive, self._before, self.n_frames = drive, before, 0

    def estimate(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> FocusEstimate:
        told_um = self._drive.position_um() - FOCUS_UM
        self.n_frames += 1
        self._before(self.n_frames)  # what happens between this image and the move that it asks for
        return FocusEstimate(
            defocus_um=told_um,
            std_um=0.2,
            interval90_um=(told_um - 0.33, told_um + 0.33),
            probabilities=np.ones(1),
            bin_centres_um=np.zeros(1),
            in_distribution=1.0,
            accepted=True,
            layers_um=(told_um,),
            latency_ms=1.0,
        )


class Bench:
    """A lock on MMCore's demo devices, and what may happen to it."""

    def __init__(self, core: CMMCorePlus, record: Path, *, clock: SimulatedClock | None = None) -> None:
        self.core, self.record = core, record
        self.camera, self.drive = MicroManagerCamera(core), MicroManagerFocusDrive(core)
        self.clock = clock or SimulatedClock(paced=False)
        self.at_frame: dict[int, Callable[[], object]] = {}
        self.told = AboutTheDrive(self.drive, lambda number: self.at_frame.get(number, lambda: None)())
        log = RunLog.create(record, settings={}, model_fingerprint=self.told.fingerprint)
        self.lock = FocusLock(
            self.camera,
            self.drive,
            self.told,
            settings=LockSettings(limits=LimitSettings(lowest_z_um=-20.0, highest_z_um=20.0)),
            clock=self.clock,
            log=log,
        )

    def told_events(self) -> list[str]:
        return [event.text for event in RunLog.open(self.record).events()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    core = CMMCorePlus()
    core.loadSystemConfiguration(str(DEMO_CONFIG))
    yield Bench(core, tmp_path / "run.sqlite")
    core.unloadAllDevices()


def test_nothing_goes_wrong(bench: Bench) -> None:
    summary = bench.lock.run(3.0)
    assert summary.held and summary.fault == ""
    assert bench.drive.position_um() == pytest.approx(FOCUS_UM, abs=0.2)


def test_a_camera_that_is_unplugged_ends_the_run_where_it_stands(bench: Bench) -> None:
    camera = bench.core.getCameraDevice()
    bench.at_frame[30] = lambda: bench.core.unloadDevice(camera)
    summary = bench.lock.run(3.0)
    assert bench.lock.state is LockState.FAULT
    assert summary.fault and summary.n_frames == 30 and not summary.held
    assert bench.told_events()[-1] == f"fault: {summary.fault}"
    assert bench.drive.position_um() == pytest.approx(FOCUS_UM, abs=0.2)


def test_a_drive_that_is_unplugged_ends_the_run(bench: Bench) -> None:
    drive = bench.core.getFocusDevice()
    bench.at_frame[30] = lambda: bench.core.unloadDevice(drive)
    summary = bench.lock.run(3.0)
    assert summary.fault and not summary.held
    assert bench.lock.state is LockState.FAULT


def test_a_drive_that_is_stuck_is_found_out_by_the_first_move(bench: Bench) -> None:
    bench.drive.move_to = lambda z_um: None  # type: ignore[method-assign]
    summary = bench.lock.run(2.0)
    assert "Expected the focus drive at" in summary.fault
    assert "Check that nothing blocks it" in summary.fault


def test_a_drive_that_jumps_is_left_alone_for_a_frame_and_then_brought_back(bench: Bench) -> None:
    bench.at_frame[30] = lambda: bench.core.setPosition(FOCUS_UM + 6.0)
    summary = bench.lock.run(3.0)
    assert any(text.startswith("somebody moved the drive to") for text in bench.told_events())
    assert summary.fault == ""
    assert bench.drive.position_um() == pytest.approx(FOCUS_UM, abs=0.2)


def test_a_drive_that_jumps_out_of_the_window_is_not_moved(bench: Bench) -> None:
    bench.at_frame[30] = lambda: bench.core.setPosition(60.0)
    summary = bench.lock.run(3.0)
    assert "Nothing was moved" in summary.fault
    assert bench.drive.position_um() == pytest.approx(60.0, abs=0.01)


def test_frozen_frames_move_nothing(bench: Bench) -> None:
    frozen = bench.camera.snap()
    bench.camera.snap = lambda: frozen  # type: ignore[method-assign]
    bench.lock.step()
    stood_um = bench.drive.position_um()
    for _ in range(150):
        bench.lock.step()
    assert bench.drive.position_um() == stood_um
    assert bench.lock.state in (LockState.IDLE, LockState.UNCERTAIN, LockState.LOST)
    assert bench.told_events().count("the camera gave the same frame again") == 1


def test_a_clock_that_jumps_ahead_costs_certainty_and_not_the_focus(bench: Bench) -> None:
    bench.at_frame[30] = lambda: bench.clock.wait_until(bench.clock.now_s() + 8 * 3600)  # a lid that was shut
    bench.at_frame[31] = lambda: bench.core.setPosition(FOCUS_UM + 0.3)
    lock = bench.lock
    for _ in range(60):
        bench.clock.wait_until(bench.clock.now_s() + 0.05)
        snapshot = lock.step()
    assert snapshot.state is LockState.LOCKED
    assert bench.drive.position_um() == pytest.approx(FOCUS_UM, abs=0.2)


def test_a_computer_whose_time_is_set_back_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = WallClock()
    before_s, now = clock.now_s(), time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600.0)
    assert 0 <= clock.now_s() - before_s < 5


FULL_DISK = """
import resource, signal, sys, time
from pathlib import Path
sys.path[:0] = [{control!r}]
from lock_fakes import TinyMicroscope, TruthfulEstimator
from parfocal.control import FocusLock, LimitSettings, LockSettings, RunLog, SimulatedClock

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
clock = SimulatedClock(paced=False)
microscope = TinyMicroscope(clock)
log = RunLog.create(Path({record!r}), settings={{}}, model_fingerprint="")
resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))  # no file may grow beyond: a disk that is full
settings = LockSettings(limits=LimitSettings(lowest_z_um=-20.0, highest_z_um=20.0))
lock = FocusLock(
    microscope,
    microscope,
    TruthfulEstimator(microscope),
    settings=settings,
    clock=clock,
    log=log,
    on_step=lambda snapshot: time.sleep(0.004),  # the record is written once a second
)
summary = lock.run(3600.0)
print(summary.fault)
print(lock.state, microscope.calls[-1], summary.n_frames)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_a_full_disk_stops_the_drive_and_is_told(tmp_path: Path) -> None:
    record = tmp_path / "run.sqlite"
    control = str(Path(__file__).parent / "control")
    script = textwrap.dedent(FULL_DISK).format(control=control, record=str(record))
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    fault, state = ran.stdout.splitlines() if ran.returncode == 0 else ("", ran.stderr)
    assert "could not be written" in fault and "Check space" in fault
    assert state.startswith("fault stop ")
    frames = RunLog.open(record).frames()
    assert len(frames["t_s"]) > 100  # what was written before can be read


def test_the_record_of_a_fault_tells_what_the_run_told(bench: Bench) -> None:
    bench.at_frame[10] = lambda: bench.core.unloadDevice(bench.core.getCameraDevice())
    with pytest.raises(DeviceError):
        for _ in range(20):
            bench.lock.step()
    assert bench.told_events()[-1].startswith("fault: ")
