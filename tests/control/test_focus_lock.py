from dataclasses import replace

import numpy as np
import pytest
from lock_fakes import TinyMicroscope, TruthfulEstimator

from parfocal.control import (
    ControllerSettings,
    FocusLock,
    LimitSettings,
    LockSettings,
    LockState,
    RunLog,
    SimulatedClock,
    settings_at_the_end,
    summarise,
)
from parfocal.control.run_summary import summary_of_run
from parfocal.errors import DeviceError, InputError, LimitError, ModelError

DAY_S = 24 * 3600
SETTINGS = LockSettings(limits=LimitSettings(lowest_z_um=-60, highest_z_um=60))


def forty_um_a_day(t_s: float) -> float:
    return 8 * t_s / DAY_S + 18 * np.sin(2 * np.pi * t_s / DAY_S)


def lock_on(microscope, estimator, clock, *, settings=SETTINGS, **extra) -> FocusLock:
    truth = microscope.true_defocus_um
    return FocusLock(microscope, microscope, estimator, settings=settings, clock=clock, truth=truth, **extra)


@pytest.mark.parametrize("dead_band_um", [0.5, 1.0])
def test_focus_is_held_for_a_day_of_drift(dead_band_um):
    clock = SimulatedClock(720, paced=False)
    microscope = TinyMicroscope(clock, focus_um=forty_um_a_day, z_um=6.0)
    settings = SETTINGS.replace(controller={"dead_band_um": dead_band_um})
    lock = lock_on(microscope, TruthfulEstimator(microscope), clock, settings=settings)
    summary = lock.run(DAY_S)
    assert summary.held
    assert (summary.n_frames, summary.n_accepted, summary.losses) == (2400, 2400, 0)
    assert summary.hours == pytest.approx(24, abs=0.02)
    assert summary.residual_largest_um < dead_band_um + 0.7
    assert summary.within_tolerance > 0.9
    assert 30 < summary.stage_travel_um < 45
    assert summary.n_moves < 400
    assert lock.state is LockState.STOPPED


def test_a_lock_target_other_than_focus_is_held():
    clock = SimulatedClock(720, paced=False)
    microscope = TinyMicroscope(clock, focus_um=forty_um_a_day)
    settings = SETTINGS.replace(controller=ControllerSettings(target_um=4.0, dead_band_um=0.5).model_dump())
    summary = lock_on(microscope, TruthfulEstimator(microscope), clock, settings=settings).run(DAY_S)
    assert summary.held
    assert summary.residual_rms_um < 0.6
    assert microscope.true_defocus_um() == pytest.approx(4.0, abs=1.5)


def test_an_estimator_with_the_wrong_sign_is_found_out_after_a_few_moves():
    clock = SimulatedClock(720, paced=False)
    microscope = TinyMicroscope(clock, focus_um=forty_um_a_day, z_um=2.0)
    estimator = TruthfulEstimator(microscope, sign=-1.0)
    lock = lock_on(microscope, estimator, clock)
    summary = lock.run(DAY_S)
    assert 1 <= len(microscope.commands) <= 6
    assert microscope.commands[-1] == pytest.approx(2.0)  # back to where it began
    assert all(abs(z_um) <= 25 for z_um in microscope.commands)
    assert (summary.held, summary.losses) == (False, 1)


def test_an_estimate_that_is_too_uncertain_moves_nothing_and_is_called_so():
    clock = SimulatedClock(1.0, paced=False)
    microscope = TinyMicroscope(clock, z_um=3.0)
    lock = lock_on(microscope, TruthfulEstimator(microscope), clock)
    lock.run(1.0)
    microscope.commands.clear()
    microscope.z_um += 3.0
    unsure = lock_on(microscope, TruthfulEstimator(microscope, noise_um=2.0), clock)
    summary = unsure.run(1.0)
    assert microscope.commands == []
    assert (summary.held, unsure.state) == (False, LockState.STOPPED)
    assert summary.residual_rms_um is None
    assert summary.why_not_locked == "the estimate is too uncertain"


def test_the_record_says_when_the_window_stops_the_drive_and_when_moves_do_not_help(tmp_path):
    clock = SimulatedClock(720, paced=False)
    beyond = TinyMicroscope(clock, focus_um=lambda t_s: 5.0)
    settings = SETTINGS.replace(limits={"lowest_z_um": -1.0, "highest_z_um": 2.0})
    log = RunLog.create(tmp_path / "limit.sqlite", settings={}, model_fingerprint="")
    lock_on(beyond, TruthfulEstimator(beyond), clock, settings=settings, log=log).run(3600)
    assert beyond.z_um == 2.0
    told = [event.text for event in RunLog.open(tmp_path / "limit.sqlite").events()]
    assert sum(text.startswith("at the limit of the window") for text in told) == 1
    wrong = TinyMicroscope(clock, z_um=2.0)
    log = RunLog.create(tmp_path / "sign.sqlite", settings={}, model_fingerprint="")
    lock_on(wrong, TruthfulEstimator(wrong, sign=-1.0), clock, log=log).run(3600)
    told = [event.text for event in RunLog.open(tmp_path / "sign.sqlite").events()]
    assert sum("moves do not help" in text for text in told) == 1


def test_doubt_holds_still_then_looks_for_the_focus_then_counts_as_lost_then_recovers():
    clock = SimulatedClock(1.0, paced=False)
    microscope = TinyMicroscope(clock)
    estimator = TruthfulEstimator(microscope, accepted=lambda frame: not 50 <= frame < 250)
    lock = lock_on(microscope, estimator, clock)
    snapshots = []
    for k in range(300):
        clock.wait_until(k / 20)
        snapshots.append(lock.step())
    states = [snapshot.state for snapshot in snapshots]
    assert states[49] is LockState.LOCKED
    assert states[50] is LockState.UNCERTAIN
    assert states[160] is LockState.SEARCHING
    assert states[249] is LockState.LOST
    assert states[-1] is LockState.LOCKED
    assert all(snapshot.move_um == 0 for snapshot in snapshots[50:150])
    assert abs(snapshots[249].z_um) < 1.0
    summary = summarise(snapshots, target_um=0, tolerance_um=1)
    assert (summary.losses, summary.held) == (1, False)


def test_a_lock_that_never_finds_focus_is_idle_and_not_held():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    estimator = TruthfulEstimator(microscope, accepted=lambda frame: False)
    summary = lock_on(microscope, estimator, clock).run(10)
    assert (summary.held, summary.within_tolerance, summary.residual_rms_um) == (False, 0.0, None)
    assert summary.why_not_locked == "the field is empty: waiting"
    assert microscope.commands == []


def settled_lock(record) -> tuple[TinyMicroscope, FocusLock, RunLog]:
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    log = RunLog.create(record, settings={}, model_fingerprint="")
    lock = lock_on(microscope, TruthfulEstimator(microscope), clock, log=log)
    for _ in range(40):
        lock.step()
    return microscope, lock, log


def test_a_hand_on_the_focus_knob_is_noticed_and_undone_once_it_rests(tmp_path):
    microscope, lock, log = settled_lock(tmp_path / "run")
    for _ in range(4):
        microscope.z_um += 1.0
        snapshot = lock.step()
        assert (snapshot.move_um, snapshot.reason) == (0.0, "somebody moved the drive: holding still")
    assert snapshot.belief_um == pytest.approx(4.0, abs=0.5)
    for _ in range(3):
        lock.step()
    assert abs(microscope.true_defocus_um()) < 1.0
    log.close()
    assert "somebody moved the drive to" in RunLog.open(tmp_path / "run").events()[-1].text


def steps(lock: FocusLock, clock: SimulatedClock, *, seconds: float):
    for _ in range(round(20 * seconds)):
        clock.wait_until(clock.now_s() + 0.05)
        yield lock.step()


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["then nothing can be told", "a model with the wrong sign"])
def test_a_lock_that_was_led_away_goes_back_to_where_it_was_last_in_focus(sign):
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock, focus_um=lambda t_s: 0.0 if t_s < 2 else 4.0)
    told = TruthfulEstimator(microscope, accepted=lambda frame: sign < 0 or frame < 44)
    lock = lock_on(microscope, told, clock)
    list(steps(lock, clock, seconds=2))
    good_um, told._sign = microscope.z_um, sign
    later = list(steps(lock, clock, seconds=20))
    assert max(abs(snapshot.z_um - good_um) for snapshot in later) > 1.5
    assert (later[-1].state, microscope.z_um) == (LockState.LOST, pytest.approx(good_um, abs=0.5))


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["nothing can be told there", "moves did not help before"])
def test_where_somebody_left_the_drive_it_stays_while_nothing_can_be_told(sign):
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock, z_um=2.0)
    told = TruthfulEstimator(microscope, sign=sign, accepted=lambda frame: microscope.z_um > -30)
    lock = lock_on(microscope, told, clock)
    list(steps(lock, clock, seconds=10))
    microscope.z_um = -50.0  # to change the slide
    assert {snapshot.z_um for snapshot in steps(lock, clock, seconds=20)} == {-50.0}


def test_a_drive_that_was_moved_during_the_exposure_is_left_alone():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock, z_um=0.0, focus_um=lambda t_s: 1.5)
    lock = lock_on(microscope, TruthfulEstimator(microscope, noise_um=0.05, bias_um=0.05), clock)
    snap = microscope.snap

    def snap_and_turn():
        microscope.z_um = 6.0 if microscope.z_um < 5 else 7.0
        return snap()

    microscope.snap = snap_and_turn
    assert lock.step().move_um == 0.0
    assert microscope.commands == []


@pytest.mark.parametrize("every", [2, 3, 10])
def test_a_jump_is_followed_though_few_frames_can_be_told(every):
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock, focus_um=lambda t_s: 0.0 if t_s < 5 else 14.0)
    told = TruthfulEstimator(microscope, accepted=lambda frame: frame % every == 0)
    lock = lock_on(microscope, told, clock)
    list(steps(lock, clock, seconds=60))
    assert abs(microscope.true_defocus_um()) < 1.5


def test_a_self_check_begins_anew_where_somebody_left_the_drive():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    settings = SETTINGS.replace(self_check={})
    told = TruthfulEstimator(microscope, accepted=lambda frame: microscope.z_um > -30)
    lock = lock_on(microscope, told, clock, settings=settings)
    list(steps(lock, clock, seconds=0.15))
    microscope.z_um = -50.0
    waiting = list(steps(lock, clock, seconds=5))
    assert {snapshot.z_um for snapshot in waiting} == {-50.0}
    assert {snapshot.state for snapshot in waiting} == {LockState.VERIFYING}


def test_old_frames_move_nothing_and_are_told(tmp_path):
    microscope, lock, log = settled_lock(tmp_path / "run")
    frozen = microscope.snap()
    microscope.snap = lambda: frozen
    lock.step()
    microscope.commands.clear()
    snapshots = [lock.step() for _ in range(120)]
    assert microscope.commands == []
    assert {snapshot.reason for snapshot in snapshots} == {"the camera gave the same frame again"}
    assert snapshots[0].state is LockState.UNCERTAIN and snapshots[-1].state is LockState.LOST
    log.close()
    told = [event.text for event in RunLog.open(tmp_path / "run").events()]
    assert told.count("the camera gave the same frame again") == 1


def test_a_camera_that_fails_stops_the_drive_and_closes_the_record(tmp_path):
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock, z_um=3.0)
    microscope.camera_fails_at = 30
    log = RunLog.create(tmp_path / "run", settings={}, model_fingerprint="")
    lock = lock_on(microscope, TruthfulEstimator(microscope), clock, log=log)
    summary = lock.run(10)
    assert microscope.calls[-2:] == ["snap", "stop"]
    assert (summary.fault, summary.held, summary.n_frames) == ("the camera was unplugged", False, 30)
    assert lock.state is LockState.FAULT
    record = RunLog.open(tmp_path / "run")
    assert len(record.frames()["t_s"]) == 30
    assert record.events()[-1].text == "fault: the camera was unplugged"
    assert [file.name for file in tmp_path.iterdir()] == ["run"]  # no write-ahead log left: it was closed


def test_a_single_step_raises_after_it_stopped_the_drive():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock, z_um=1.5)
    microscope.drive_fails_at = 0
    lock = lock_on(microscope, TruthfulEstimator(microscope), clock)
    with pytest.raises(DeviceError):
        lock.step()
    assert microscope.calls[:3] == ["snap", "move", "stop"]


def test_ctrl_c_stops_the_drive_and_gives_the_summary(tmp_path):
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    microscope.camera_fails_at, microscope.error = 30, KeyboardInterrupt()
    log = RunLog.create(tmp_path / "run", settings={}, model_fingerprint="")
    summary = lock_on(microscope, TruthfulEstimator(microscope), clock, log=log).run(10)
    assert "stop" in microscope.calls[-2:]
    assert (summary.n_frames, summary.fault, summary.held) == (30, "", True)
    assert RunLog.open(tmp_path / "run").events()[-1].text == "interrupted by the user"
    assert RunLog.open(tmp_path / "run").has_end


def test_a_model_that_was_not_made_for_the_camera_is_an_input_error():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    microscope.camera_fails_at, microscope.error = 0, ModelError("made for 0.24 um pixels, got 0.06 um")
    with pytest.raises(ModelError):
        lock_on(microscope, TruthfulEstimator(microscope), clock).run(10)
    assert microscope.calls[-1] == "stop"


def test_a_drive_outside_the_window_is_refused_before_anything_happens():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock, z_um=70.0)
    with pytest.raises(LimitError):
        lock_on(microscope, TruthfulEstimator(microscope), clock)
    assert microscope.calls == []


def test_a_watcher_sees_every_step_and_may_ask_to_stop():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    seen = []

    def watch(snapshot):
        seen.append(snapshot)
        if len(seen) == 5:
            lock.request_stop()

    lock = lock_on(microscope, TruthfulEstimator(microscope), clock, on_step=watch)
    assert lock.run(10).n_frames == len(seen) == 5


def test_the_record_gives_the_same_summary_as_the_run(tmp_path):
    clock = SimulatedClock(720, paced=False)
    microscope = TinyMicroscope(clock, focus_um=forty_um_a_day)
    log = RunLog.create(tmp_path / "run", settings={}, model_fingerprint="")
    summary = lock_on(microscope, TruthfulEstimator(microscope), clock, log=log).run(3600)
    again = summarise(RunLog.open(tmp_path / "run").snapshots(), target_um=0, tolerance_um=1)
    assert again == summary


def test_without_the_truth_residuals_come_from_accepted_estimates():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    lock = lock_on(microscope, TruthfulEstimator(microscope, accepted=lambda frame: frame % 4 > 0), clock)
    snapshots = [replace(lock.step(), true_defocus_um=None) for _ in range(100)]
    summary = summarise(snapshots, target_um=0, tolerance_um=1)
    assert summary.within_tolerance == pytest.approx(75 / 99, abs=0.03)
    assert summary.residual_rms_um == pytest.approx(0.33, abs=0.1)


def test_a_lock_that_flaps_writes_events_now_and_then_and_counts_the_rest(tmp_path):
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    log = RunLog.create(tmp_path / "run", settings={}, model_fingerprint="")
    told = TruthfulEstimator(microscope, accepted=lambda frame: frame % 2 == 0)
    lock = lock_on(microscope, told, clock, log=log)
    lock.run(600)
    events = [event.text for event in RunLog.open(tmp_path / "run").events()]
    assert len(events) < 60
    uncertain = [text for text in events if text.startswith("uncertain")]
    assert uncertain[:20] == ["uncertain"] * 20
    assert all(text.endswith("more times before)") for text in uncertain[20:])
    untold = [int(text.split()[0]) for text in events if text.endswith("more times: uncertain")]
    counted = [int(text.split("(")[1].split()[0]) for text in uncertain[20:]]
    assert len(uncertain) + sum(counted) + sum(untold) == 6000  # every other frame
    assert events[-1] == "stopped"


def test_another_target_is_gone_to_without_a_loss_and_then_held(tmp_path):
    clock = SimulatedClock(1.0, paced=False)
    microscope = TinyMicroscope(clock, z_um=0.5)
    log = RunLog.create(
        tmp_path / "run.sqlite",
        settings={"lock": SETTINGS.model_dump(mode="json")},
        model_fingerprint="truthful",
    )
    states = []

    def watch(snapshot):
        states.append(snapshot.state)
        if len(states) == 100:
            lock.request_target(12.0)

    lock = lock_on(microscope, TruthfulEstimator(microscope), clock, log=log, on_step=watch)
    summary = lock.run(30.0)
    assert (summary.held, summary.losses) == (True, 0)
    assert states[99:101] == [LockState.LOCKED, LockState.IDLE]
    assert set(states[-100:]) == {LockState.LOCKED}
    assert microscope.true_defocus_um() == pytest.approx(12.0, abs=0.6)
    assert summary.residual_largest_um < 1.5
    run = RunLog.open(tmp_path / "run.sqlite")
    assert "target changed from +0.000 to +12.000 um" in [event.text for event in run.events()]
    assert summary_of_run(run.path) == summary
    assert settings_at_the_end(run).controller.target_um == 12.0


def test_a_target_that_the_model_cannot_tell_is_refused():
    clock = SimulatedClock(1.0, paced=False)
    microscope = TinyMicroscope(clock)
    lock = lock_on(microscope, TruthfulEstimator(microscope), clock)
    with pytest.raises(InputError, match="-15 to 15 um; got 15 um"):
        lock.request_target(15.0)


def test_a_note_of_another_thread_is_an_event_that_watchers_hear_too(tmp_path):
    clock = SimulatedClock(1.0, paced=False)
    microscope = TinyMicroscope(clock)
    log = RunLog.create(tmp_path / "run.sqlite", settings={}, model_fingerprint="truthful")
    heard = []
    lock = lock_on(
        microscope,
        TruthfulEstimator(microscope),
        clock,
        log=log,
        on_event=lambda t_s, text: heard.append((t_s, text)),
    )
    lock.request_note("paused from the page")
    lock.run(1.0)
    told = [(event.t_s, event.text) for event in RunLog.open(tmp_path / "run.sqlite").events()]
    assert heard == told
    assert "paused from the page" in [text for _, text in told]
