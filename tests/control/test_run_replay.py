from dataclasses import replace

import numpy as np
import pytest
from lock_fakes import TexturedMicroscope, TinyMicroscope, TruthfulEstimator

from parfocal.control import (
    FocusLock,
    LimitSettings,
    LockSettings,
    LockState,
    RunLog,
    RunRecord,
    SelfCheckSettings,
    SimulatedClock,
    replay_controller,
)
from parfocal.control.run_replay import _replayed
from parfocal.control.run_summary import summary_of_run
from parfocal.errors import InputError

SETTINGS = LockSettings(limits=LimitSettings(lowest_z_um=-60, highest_z_um=60))
DAY_S = 24 * 3600


def forty_um_a_day(t_s: float) -> float:
    return 8 * t_s / DAY_S + 18 * np.sin(2 * np.pi * t_s / DAY_S)


def recorded(path, *, settings=SETTINGS, with_truth=True, **estimator) -> RunRecord:
    """The record of a day, with the lock as it is."""
    clock = SimulatedClock(720, paced=False)
    microscope = TinyMicroscope(clock, focus_um=forty_um_a_day, z_um=3.0)
    facts = {"rig": "tiny", "lock": settings.model_dump(mode="json"), "z_range_um": (-15.0, 15.0)}
    lock = FocusLock(
        microscope,
        microscope,
        TruthfulEstimator(microscope, **estimator),
        settings=settings,
        clock=clock,
        log=RunLog.create(path, settings=facts, model_fingerprint="truthful"),
        truth=microscope.true_defocus_um if with_truth else None,
    )
    lock.run(DAY_S)
    return RunLog.open(path)


@pytest.mark.parametrize("self_check", [None, SelfCheckSettings()])
@pytest.mark.parametrize("accepted", [lambda frame: True, lambda frame: frame % 400 < 300])
def test_the_same_controller_does_the_same_again(tmp_path, self_check, accepted):
    settings = SETTINGS.replace(self_check=self_check.model_dump() if self_check else None)
    record = recorded(tmp_path / "run", settings=settings, accepted=accepted)
    replayed = replay_controller(record)
    assert replayed.run == summary_of_run(tmp_path / "run")
    assert replayed.replay.n_moves == replayed.run.n_moves
    assert replayed.replay.losses == replayed.run.losses
    assert replayed.replay.residual_rms_um == pytest.approx(replayed.run.residual_rms_um, rel=1e-6)
    first = next(record.snapshots())
    for was, is_now in _replayed(record, first, settings):
        assert is_now.z_um == pytest.approx(was.z_um, abs=1e-6)
        assert (is_now.state, is_now.reason) == (was.state, was.reason)


def test_a_wider_dead_band_moves_less_and_strays_further(tmp_path):
    record = recorded(tmp_path / "run")
    wide = SETTINGS.replace(controller={"dead_band_um": 1.5}, tolerance_um=1.5)
    replayed = replay_controller(record, wide)
    really = summary_of_run(recorded(tmp_path / "wide", settings=wide).path)
    assert replayed.replay.n_moves < 0.7 * replayed.run.n_moves
    assert replayed.replay.residual_rms_um > 1.2 * replayed.run.residual_rms_um
    # What the replay foretells is what a run with that dead band then does.
    assert replayed.replay.n_moves == pytest.approx(really.n_moves, rel=0.1)
    assert replayed.replay.residual_rms_um == pytest.approx(really.residual_rms_um, rel=0.1)


def test_errors_are_judged_by_the_estimates_where_the_truth_is_not_known(tmp_path):
    record = recorded(tmp_path / "run", with_truth=False)
    replayed = replay_controller(record, SETTINGS.replace(controller={"dead_band_um": 1.5}, tolerance_um=1.5))
    assert replayed.run.residual_rms_um == summary_of_run(record.path).residual_rms_um
    assert replayed.replay.residual_rms_um > replayed.run.residual_rms_um


def test_another_target_is_gone_to(tmp_path):
    record = recorded(tmp_path / "run")
    aside = SETTINGS.replace(controller={"target_um": 2.0})
    replayed = replay_controller(record, aside)
    assert replayed.replay.residual_rms_um < 0.6
    assert replayed.run.residual_rms_um == pytest.approx(2.0, abs=0.2)


def test_an_estimate_that_was_not_accepted_moves_nothing(tmp_path):
    path = tmp_path / "run"
    record = recorded(path)
    with RunLog.create(tmp_path / "blind", settings=record.settings(), model_fingerprint="") as log:
        for snapshot in record.snapshots():
            log.append(replace(snapshot, accepted=False, defocus_um=float("nan")))
    blind = replay_controller(RunLog.open(tmp_path / "blind")).replay
    assert (blind.n_moves, blind.residual_rms_um) == (0, None)


def test_progress_is_told(tmp_path):
    told: list[float] = []
    replay_controller(recorded(tmp_path / "run"), watch=told.append)
    assert (len(told), told[-1]) == (2400, 1.0)


def test_a_record_without_frames_is_refused(tmp_path):
    facts = {"lock": SETTINGS.model_dump(mode="json")}
    RunLog.create(tmp_path / "run", settings=facts, model_fingerprint="").close()
    with pytest.raises(InputError, match="holds no frames"):
        replay_controller(RunLog.open(tmp_path / "run"))


def test_a_lock_that_was_resumed_begins_anew_in_the_replay_too(tmp_path):
    settings = SETTINGS.replace(self_check={})
    record = recorded(tmp_path / "run", settings=settings)
    half = record.n_frames // 2
    frames = list(record.snapshots())
    with RunLog.create(tmp_path / "twice", settings=record.settings(), model_fingerprint="") as log:
        for k, snapshot in enumerate(frames):
            if k == half:
                log.event(snapshot.t_s, "resumed after 5 s")
            log.append(snapshot)
    twice = RunLog.open(tmp_path / "twice")
    states = [is_now.state for _, is_now in _replayed(twice, frames[0], settings)]
    assert [k for k, state in enumerate(states) if state is LockState.VERIFYING] == [
        *range(8),
        *range(half, half + 8),
    ]


def test_pauses_empty_fields_and_a_frozen_camera_are_as_they_were_in_the_run(tmp_path):
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock, focus_um=lambda t_s: 0.01 * t_s)
    told = TruthfulEstimator(
        microscope, noise_um=0.05, bias_um=0.0, accepted=lambda frame: not microscope.is_empty
    )
    facts = {"lock": SETTINGS.model_dump(mode="json"), "z_range_um": (-15.0, 15.0)}
    log = RunLog.create(tmp_path / "run", settings=facts, model_fingerprint="truthful")
    lock = FocusLock(microscope, microscope, told, settings=SETTINGS, clock=clock, log=log)
    snap, frozen = microscope.snap, microscope.snap()
    for k in range(900):
        microscope.is_empty = 100 <= k < 300
        microscope.snap = (lambda: frozen) if 600 < k < 800 else snap
        if k == 400:
            lock.request_pause()
        if k == 500:
            lock.request_resume()
        clock.wait_until(clock.now_s() + 0.05)
        lock.step()
    log.close()
    record = RunLog.open(tmp_path / "run")
    first = next(record.snapshots())
    pairs = list(_replayed(record, first, SETTINGS))
    assert {was.state for was, _ in pairs[110:290]} == {LockState.UNCERTAIN}
    assert {was.state for was, _ in pairs[401:499]} == {LockState.PAUSED}
    assert pairs[790][0].state is LockState.LOST
    assert [is_now.state for _, is_now in pairs] == [was.state for was, _ in pairs]
    assert [is_now.move_um for _, is_now in pairs] == pytest.approx([was.move_um for was, _ in pairs])
