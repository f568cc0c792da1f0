"""Going on with a run that ended, was cut off or killed: one record, one clock, one plot."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mm_test_adapters
import numpy as np
import pytest
from numpy.typing import NDArray

from parfocal.control import (
    FocusLock,
    LimitSettings,
    LockSettings,
    LockSnapshot,
    LockStart,
    LockState,
    LockSummary,
    RunLog,
    run_so_far,
)
from parfocal.control.run_summary import summary_of_run
from parfocal.errors import InputError, LimitError
from parfocal.estimate import FocusEstimate
from parfocal.hold import figure_of, hold_focus
from parfocal.microscope import ExperimentSettings
from parfocal.resume import resume_focus
from parfocal.rigs import Rig, micromanager_rig, simulated_rig
from test_hold import Told, Unplugged, settings_of
from tiny_microscope import TINY

DEMO_CONFIG = Path(mm_test_adapters.device_adapter_path()) / "MMConfig_demo.cfg"
EXPERIMENT = ExperimentSettings(hours=1, drift_um=40)
HOURS, FRAMES = 0.05, 50


def opened(record: Path | None = None, *, seed: int = 1) -> Rig:
    after = run_so_far(RunLog.open(record)) if record else None
    return simulated_rig(TINY, seed=seed, speed=72.0, paced=False, experiment=EXPERIMENT, after=after)


@pytest.fixture
def half_a_run(tmp_path: Path) -> Path:
    """The record of a run that is half as long as it was to be."""
    record, rig = tmp_path / "night.sqlite", opened()
    hold_focus(rig, Told(rig), settings=settings_of(rig), hours=HOURS / 2, record=record)
    return record


class Backwards(Told):
    """An estimator with the wrong sign."""

    def estimate(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> FocusEstimate:
        right = super().estimate(frame_yx, pixel_size_um=pixel_size_um)
        return replace(right, defocus_um=-right.defocus_um - 2, layers_um=())


def with_a_blind_frame_elsewhere(record: Path, *, away_um: float) -> tuple[float, float]:
    """Adds a frame that tells nothing; gives where it was taken, and where the focus was last found."""
    run = RunLog.open(record)
    last = next(run.last_first())
    blind = replace(
        last,
        t_s=last.t_s + 3.6,
        z_um=last.z_um + away_um,
        accepted=False,
        state=LockState.UNCERTAIN,
        move_um=0.0,
    )
    with RunLog.go_on(record, settings=run.settings()) as log:
        log.append(blind)
    return blind.z_um, run_so_far(RunLog.open(record)).good_z_um


def test_a_run_goes_on_in_its_record_until_all_of_its_time_is_over(half_a_run: Path) -> None:
    before = RunLog.open(half_a_run).frames()
    drawn = figure_of(half_a_run).read_bytes()
    rig = opened(half_a_run)
    assert rig.drive.position_um() == pytest.approx(before["z_um"][-1] + before["move_um"][-1])
    summary = resume_focus(rig, Told(rig), record=half_a_run, hours=HOURS)
    run = RunLog.open(half_a_run)
    frames = run.frames()
    assert summary.held
    assert (summary.n_resumed, summary.n_frames) == (1, len(frames["t_s"]))
    assert FRAMES - 2 <= summary.n_frames <= FRAMES
    assert summary.hours == pytest.approx(HOURS, rel=0.05)
    assert summary.unwatched_hours < 2 * 3.6 / 3600
    assert summary_of_run(half_a_run) == summary
    assert np.all(np.diff(frames["t_s"]) > 0)
    # What drifts is a function of time: the focus goes on where it was.
    assert np.abs(np.diff(frames["true_focus_z_um"])).max() < 0.5
    assert figure_of(half_a_run).read_bytes() != drawn
    told = [event.text for event in run.events()]
    assert (told[0], told[-1]) == ("started", "stopped")
    resumed = [text for text in told if text.startswith("resumed after ")]
    assert len(resumed) == 1
    assert resumed[0].endswith(" s; hours changed from 0.025 to 0.05")
    assert [path.name for path in sorted(half_a_run.parent.iterdir())] == ["night.png", "night.sqlite"]


def test_what_is_not_given_is_as_it_was(tmp_path: Path) -> None:
    record, rig = tmp_path / "run.sqlite", opened()
    settings = settings_of(rig).replace(tolerance_um=1.5)
    facts = {"optics": {"numerical_aperture": 1.3}}
    hold_focus(
        rig, Told(rig), settings=settings, hours=HOURS, record=record, facts=facts, watch=ctrl_c_at(10)
    )
    known = RunLog.open(record).settings()
    rig = opened(record)
    summary = resume_focus(rig, Told(rig), record=record)
    assert summary.n_frames >= FRAMES - 2
    assert RunLog.open(record).settings() == known
    assert LockSettings.parse(known["lock"], source="") == settings


def ctrl_c_at(n_frames: int) -> Callable[[object], None]:
    seen: list[object] = []

    def watch(now: object) -> None:
        seen.append(now)
        if len(seen) == n_frames:
            raise KeyboardInterrupt

    return watch


def test_a_failure_that_was_mended_is_not_what_ended_the_run(tmp_path: Path) -> None:
    record, rig = tmp_path / "run.sqlite", opened()
    broken = replace(rig, drive=Unplugged(rig))
    fault = hold_focus(broken, Told(rig), settings=settings_of(rig), hours=HOURS, record=record).fault
    rig = opened(record)
    summary = resume_focus(rig, Told(rig), record=record)
    assert (fault, summary.fault) == ("the drive was unplugged", "")
    assert summary.held
    assert summary_of_run(record) == summary


def test_another_model_another_rig_and_a_run_that_is_over_are_refused(half_a_run: Path) -> None:
    before = half_a_run.read_bytes()
    rig = opened(half_a_run)
    told = Told(rig)
    told.fingerprint = "another"  # type: ignore[misc]
    with pytest.raises(InputError, match=r"is a run of the model told, this one is another\. Resume"):
        resume_focus(rig, told, record=half_a_run, hours=HOURS)
    other = opened(half_a_run, seed=2)
    with pytest.raises(InputError, match="is a run on virtual microscope tiny"):
        resume_focus(other, Told(other), record=half_a_run, hours=HOURS)
    with pytest.raises(InputError, match=r"its 0\.025 h are over"):
        resume_focus(rig, Told(rig), record=half_a_run)
    with pytest.raises(LimitError, match="Nothing was moved"):
        resume_focus(
            rig,
            Told(rig),
            record=half_a_run,
            hours=HOURS,
            settings=LockSettings(limits=LimitSettings(lowest_z_um=0, highest_z_um=20)),
        )
    assert half_a_run.read_bytes() == before


def test_a_record_without_frames_has_nothing_to_resume(tmp_path: Path) -> None:
    RunLog.create(tmp_path / "run", settings={}, model_fingerprint="").close()
    with pytest.raises(InputError, match="holds no frames, so there is nothing to resume"):
        run_so_far(RunLog.open(tmp_path / "run"))


def test_the_place_to_go_back_to_comes_from_the_record(half_a_run: Path) -> None:
    left_um, good_um = with_a_blind_frame_elsewhere(half_a_run, away_um=-3.0)
    rig = opened(half_a_run)
    assert rig.drive.position_um() == pytest.approx(left_um, abs=0.05)
    resume_focus(rig, Backwards(rig), record=half_a_run, hours=HOURS)
    assert rig.drive.position_um() == pytest.approx(good_um, abs=1.0)
    assert abs(left_um - good_um) > 2


def test_a_drive_that_somebody_moved_meanwhile_goes_back_to_where_it_stood(half_a_run: Path) -> None:
    _, good_um = with_a_blind_frame_elsewhere(half_a_run, away_um=-3.0)
    rig = opened(half_a_run)
    stood_um = good_um - 8.0
    rig.drive.move_to(stood_um)
    resume_focus(rig, Backwards(rig), record=half_a_run, hours=HOURS)
    assert rig.drive.position_um() == pytest.approx(stood_um, abs=1.0)


def test_where_somebody_put_the_drive_is_the_place_to_go_back_to(half_a_run: Path) -> None:
    run = RunLog.open(half_a_run)
    last = next(run.last_first())
    assert run_so_far(run).good_z_um == pytest.approx(last.z_um, abs=0.5)
    with RunLog.go_on(half_a_run, settings=run.settings()) as log:
        log.event(last.t_s + 4, "somebody moved the drive to 70.00 um")
        for k in range(2, 5):  # nothing to be told there
            log.append(replace(last, t_s=last.t_s + 3.6 * k, z_um=70.0, move_um=0.0, accepted=False))
    assert (run_so_far(run).good_z_um, run_so_far(run).left_at_um) == (70.0, 70.0)


def test_a_run_that_never_found_focus_goes_back_to_where_it_began(tmp_path: Path) -> None:
    record, rig = tmp_path / "run.sqlite", opened()
    hold_focus(rig, Told(rig), settings=settings_of(rig), hours=HOURS / 2, record=record)
    frames = [replace(frame, accepted=False) for frame in RunLog.open(record).snapshots()]
    blind = tmp_path / "blind.sqlite"
    with RunLog.create(blind, settings=RunLog.open(record).settings(), model_fingerprint="told") as log:
        for frame in frames:
            log.append(frame)
    assert run_so_far(RunLog.open(blind)).good_z_um == frames[0].z_um != frames[-1].z_um


def test_a_real_clock_goes_on_with_the_wall(tmp_path: Path) -> None:
    record, rig = tmp_path / "run.sqlite", micromanager_rig(DEMO_CONFIG, pixel_size_um=0.24)
    settings = LockSettings(limits=LimitSettings(lowest_z_um=-20, highest_z_um=20))
    hold_focus(rig, Told(), settings=settings, hours=0.2 / 3600, record=record)
    first_end = next(RunLog.open(record).last_first())
    time.sleep(0.5)
    after = run_so_far(RunLog.open(record))
    again = micromanager_rig(DEMO_CONFIG, pixel_size_um=0.24, after=after)
    summary = resume_focus(again, Told(), record=record, hours=30 / 3600, watch=ctrl_c_at(3))
    run = RunLog.open(record)
    last = next(run.last_first())
    assert last.t_s - first_end.t_s == pytest.approx(last.wall_time_s - first_end.wall_time_s, abs=0.05)
    assert summary.unwatched_hours * 3600 > 0.5
    assert summary.n_resumed == 1


RUN_UNTIL_KILLED = """
    import sys
    from pathlib import Path
    sys.path[:0] = sys.argv[2:]
    from test_hold import Told, settings_of
    from test_resume import HOURS, opened
    from parfocal.hold import hold_focus
    import time

    def watch(now):
        print(now.t_s, flush=True)
        time.sleep(0.08)

    rig = opened()
    hold_focus(rig, Told(rig), settings=settings_of(rig), hours=HOURS, record=Path(sys.argv[1]), watch=watch)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    record = tmp_path / "run.sqlite"
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(RUN_UNTIL_KILLED),
        str(record),
        str(Path(__file__).parent),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(FRAMES // 2):
            last_s = float(process.stdout.readline())
        process.kill()
    assert {path.name for path in tmp_path.iterdir()} == {f"run.sqlite{end}" for end in ("", "-wal", "-shm")}
    n_before = RunLog.open(record).n_frames
    # At most the last second, that is about a dozen of these frames, is missing.
    assert n_before >= FRAMES // 2 - 16
    rig = opened(record)
    assert rig.clock.now_s() <= last_s + 2 * 3.6
    summary = resume_focus(rig, Told(rig), record=record)
    times_s = RunLog.open(record).frames()["t_s"]
    assert summary.held
    assert FRAMES - 2 <= len(times_s) <= FRAMES
    assert np.diff(times_s) == pytest.approx(3.6, abs=0.5)
    assert {path.name for path in tmp_path.iterdir()} == {"run.sqlite", "run.png"}


class Wanting:
    """An onlooker who asks for another target after some frames."""

    def __init__(self, target_um: float, *, after: int) -> None:
        self._target_um, self._frames_left = target_um, after

    def begin(self, lock: FocusLock, start: LockStart) -> None:
        self._lock = lock
        self.start = start

    def see(self, snapshot: LockSnapshot) -> None:
        self._frames_left -= 1
        if self._frames_left == 0:
            self._lock.request_target(self._target_um)

    def hear(self, t_s: float, text: str) -> None:
        pass

    def end(self, summary: LockSummary | None) -> None:
        self.summary = summary


def test_a_target_that_was_changed_while_it_ran_is_held_on(tmp_path: Path) -> None:
    record, rig = tmp_path / "run.sqlite", opened()
    first = Wanting(1.0, after=10)
    hold_focus(rig, Told(rig), settings=settings_of(rig), hours=HOURS / 2, record=record, onlookers=[first])
    assert first.summary.held
    rig = opened(record)
    second = Wanting(0.5, after=10)
    summary = resume_focus(rig, Told(rig), record=record, hours=HOURS, onlookers=[second])
    assert second.start.settings.controller.target_um == 1.0
    assert (second.start.began_s, second.start.hours) == (first.start.began_s, HOURS)
    assert second.summary == summary == summary_of_run(record)
    assert summary.held
    assert summary.residual_largest_um < 1.0
    told = [event.text for event in RunLog.open(record).events() if event.text.startswith("target")]
    assert told == [
        "target changed from +0.000 to +1.000 um",
        "target changed from +1.000 to +0.500 um",
    ]


def test_another_target_at_the_resumption_counts_from_there_on(half_a_run: Path) -> None:
    rig = opened(half_a_run)
    settings = settings_of(rig)
    elsewhere = settings.replace(controller=settings.controller.replace(target_um=2.0).model_dump())
    summary = resume_focus(rig, Told(rig), record=half_a_run, settings=elsewhere, hours=HOURS)
    assert RunLog.open(half_a_run).targets(9.0) == [(-math.inf, 0.0), (pytest.approx(92, abs=8), 2.0)]
    assert summary == summary_of_run(half_a_run)
    assert summary.residual_largest_um < 1.5
