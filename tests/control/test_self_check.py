"""Small known moves tell sign and gain of a model, and whether it fits the sample at all."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lock_fakes import TinyMicroscope, TruthfulEstimator

from parfocal.control import (
    FocusLock,
    LimitSettings,
    LockSettings,
    LockState,
    Look,
    RunLog,
    SelfCheckSettings,
    SimulatedClock,
    check_looks,
)
from parfocal.control.self_check import planned_offset_um

SETTINGS = SelfCheckSettings()


def looks_of(gain: float, *, noise_um: float = 0.05, offset_um: float = 3.0, refused: int = 0) -> list[Look]:
    random = np.random.default_rng(1)
    offsets = [planned_offset_um(k, step_um=1.25) for k in range(SETTINGS.looks)]
    return [
        Look(z, offset_um + gain * z + noise_um * random.standard_normal(), accepted=k >= refused)
        for k, z in enumerate(offsets)
    ]


def test_a_model_that_is_right_is_left_alone():
    check = check_looks(looks_of(1.0), SETTINGS)
    assert check.refusal == ""
    assert check.gain == pytest.approx(1.0, abs=0.05) and check.noise_um < 0.1


@pytest.mark.parametrize("gain", [0.3, 0.6, 1.5, 2.2])
def test_a_gain_that_is_not_quite_one_is_told_and_not_refused(gain):
    check = check_looks(looks_of(gain), SETTINGS)
    assert check.refusal == ""
    assert check.gain == pytest.approx(gain, abs=0.06) and f"gain {check.gain:.2f}" in check.in_words
    assert ("warning" in check.in_words) == (not 0.6 <= check.gain <= 1.6)


@pytest.mark.parametrize(("gain", "much"), [(0.4, "much less"), (2.0, "much more")])
def test_a_gain_that_is_far_from_one_is_warned_of_in_the_record(tmp_path, gain, much):
    log = RunLog.create(tmp_path / "run.sqlite", settings={}, model_fingerprint="")
    lock, _ = lock_with(sign=gain, log=log)
    lock.run(2.0)
    told = [event.text for event in RunLog.open(tmp_path / "run.sqlite").events()]
    assert sum(f"warning: the answers change {much}" in text for text in told) == 1


def test_steady_drift_does_not_count():
    drifting = [Look(k.z_um, k.defocus_um + 0.1 * n, True) for n, k in enumerate(looks_of(1.0, noise_um=0.0))]
    assert check_looks(drifting, SETTINGS).gain == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        (looks_of(-1.0), "as if contrast were inverted"),
        (looks_of(0.0, noise_um=0.4), "do not follow the stage"),
        (looks_of(0.05, noise_um=0.001), "0.05 times as much"),
        (looks_of(3.5), "3.5. times as much"),
        (looks_of(1.0, refused=5), "only 4 of 9 images can be told"),
        ([Look(1.0, 2.0, True)] * 9, "no image can be told but where the stage began"),
        ([Look(float(k), np.nan, True) for k in range(9)], "only 0 of 9"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_the_reason(looks, told):
    check = check_looks(looks, SETTINGS)
    assert re.search(told, check.refusal)


@given(
    st.lists(
        st.tuples(st.floats(-50, 50), st.floats(allow_nan=True, allow_infinity=True), st.booleans()),
        max_size=12,
    )
)
def test_whatever_it_is_told_it_refuses_or_knows_a_gain(rows):
    check = check_looks([Look(*row) for row in rows], SETTINGS)
    assert check.refusal or (np.isfinite([check.gain, check.gain_sd]).all() and check.gain > 0)


LIMITS = LimitSettings(lowest_z_um=-60, highest_z_um=60)
CHECKED = LockSettings(limits=LIMITS, self_check=SETTINGS.model_dump())


def lock_with(
    *, sign: float = 1.0, accepted=lambda frame: True, z_um: float = 6.0, settings=CHECKED, log=None
):
    clock = SimulatedClock(1.0, paced=False)
    microscope = TinyMicroscope(clock, z_um=z_um)
    estimator = TruthfulEstimator(microscope, noise_um=0.1, sign=sign, accepted=accepted)
    lock = FocusLock(
        microscope,
        microscope,
        estimator,
        settings=settings,
        clock=clock,
        log=log,
        truth=microscope.true_defocus_um,
    )
    return lock, microscope


def test_a_lock_checks_the_model_before_it_follows_it():
    lock, microscope = lock_with()
    states = [lock.step().state for _ in range(SETTINGS.looks)]
    assert states[:-1] == [LockState.VERIFYING] * (SETTINGS.looks - 1) and states[-1] is LockState.IDLE
    assert {round(abs(z - 6.0), 2) for z in microscope.commands} == {0.0, 1.25}
    assert microscope.z_um == 6.0
    assert lock.self_check.refusal == ""
    assert lock.run(10.0).held


@pytest.mark.parametrize("gain", [0.6, 1.7])
def test_a_model_of_another_gain_is_followed_all_the_same(gain):
    lock, _ = lock_with(sign=gain)
    summary = lock.run(10.0)
    assert summary.held


def test_a_model_of_the_wrong_sign_is_never_followed():
    lock, microscope = lock_with(sign=-1.0)
    summary = lock.run(10.0)
    assert not summary.held and summary.n_frames == SETTINGS.looks
    assert "not locked, as the model does not fit this sample: the answers fall" in summary.fault
    assert all(abs(z - 6.0) < 1.3 for z in microscope.commands)
    assert microscope.z_um == 6.0
    assert {lock.step().move_um for _ in range(20)} == {0.0}


def test_where_nothing_can_be_told_there_is_no_lock():
    lock, microscope = lock_with(accepted=lambda frame: frame % 4 == 0)
    summary = lock.run(10.0)
    assert "only 3 of 9 images can be told" in summary.fault
    assert microscope.z_um == 6.0


def test_the_known_moves_stay_within_the_window():
    limits = LimitSettings(lowest_z_um=5.5, highest_z_um=60, largest_step_um=1.0)
    lock, microscope = lock_with(settings=CHECKED.replace(limits=limits.model_dump()))
    for _ in range(SETTINGS.looks):
        lock.step()
    assert min(microscope.commands) >= 5.5 and max(microscope.commands) <= 7.01


def test_no_known_move_is_made_before_an_image_can_be_told():
    lock, microscope = lock_with(accepted=lambda frame: frame >= 5)
    assert [lock.step().move_um for _ in range(5)] == [0.0] * 5
    assert lock.state is LockState.VERIFYING and microscope.commands == []
    assert lock.run(10.0).held


def test_a_known_move_cut_short_by_the_window_is_no_limit_of_focus(tmp_path):
    settings = CHECKED.replace(limits=LimitSettings(lowest_z_um=6.0, highest_z_um=60).model_dump())
    log = RunLog.create(tmp_path / "run.sqlite", settings={}, model_fingerprint="")
    lock, _ = lock_with(settings=settings, log=log)
    lock.run(0.5)
    told = [event.text for event in RunLog.open(tmp_path / "run.sqlite").events()]
    assert not any("at the limit" in text for text in told[: told.index("locked") if "locked" in told else 3])


class Strange(TruthfulEstimator):
    """Finds every image strange, by a score."""

    score = 0.1

    def estimate(self, frame_yx, *, pixel_size_um):
        told = super().estimate(frame_yx, pixel_size_um=pixel_size_um)
        return replace(told, accepted=False, is_strange=True, in_distribution=self.score)


def lock_of_strange(
    sign: float, *, z_um: float = 1.5
) -> tuple[TinyMicroscope, Strange, FocusLock, SimulatedClock]:
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock, z_um=z_um)
    told = Strange(microscope, sign=sign, noise_um=0.05, bias_um=0.05)
    limits = LimitSettings(lowest_z_um=-40, highest_z_um=40)
    settings = LockSettings(limits=limits, self_check={})
    return microscope, told, FocusLock(microscope, microscope, told, settings=settings, clock=clock), clock


def look(lock: FocusLock, clock: SimulatedClock, n: int) -> list:
    taken = []
    for _ in range(n):
        clock.wait_until(clock.now_s() + 0.05)
        taken.append(lock.step())
    return taken


def test_answers_that_follow_the_stage_vouch_for_images_that_look_strange():
    microscope, told, lock, clock = lock_of_strange(1.0)
    assert look(lock, clock, 30)[-1].state is LockState.LOCKED
    assert abs(microscope.true_defocus_um()) < 0.4
    told.score = 0.0001  # much stranger than what was seen in the check, as a field without cells is
    assert not look(lock, clock, 1)[-1].accepted


@pytest.mark.parametrize("sign", [-1.0, 0.3], ids=["inverted", "a third of the change"])
def test_answers_that_do_not_follow_the_stage_well_vouch_for_nothing(sign):
    microscope, _, lock, clock = lock_of_strange(sign)
    states = {snapshot.state for snapshot in look(lock, clock, 90)}
    assert states == {LockState.VERIFYING}
    assert microscope.z_um == pytest.approx(1.5)
    assert lock.self_check is None


def warn(lock: FocusLock) -> None:
    """Moves whose answers change by two fifths of what the stage moves."""
    rest = [0.01 * math.sin(k) for k in range(45)]
    for k, noise_um in enumerate(rest):
        z_um = 0.5 * (k // 3 % 2)
        lock.gain_watch.look(t_s=0.05 * k, z_um=z_um, told_um=0.4 * z_um + noise_um, drift_um_per_s=0.0)


def test_a_warning_leads_to_a_new_check_and_answers_that_follow_are_trusted_again():
    microscope, _, lock, clock = lock_of_strange(1.0)
    assert look(lock, clock, 20)[-1].accepted
    warn(lock)
    taken = look(lock, clock, 30)
    states = [snapshot.state for snapshot in taken]
    assert states[:2] == [LockState.LOCKED, LockState.VERIFYING]  # the warning, and what it leads to
    assert states.count(LockState.VERIFYING) == SETTINGS.looks - 1
    assert taken[-1].accepted and states[-1] is LockState.LOCKED
    assert abs(microscope.true_defocus_um()) < 0.4
    assert lock.gain_watch.warning == ""


def test_a_warning_that_the_new_check_bears_out_takes_back_what_was_vouched_for():
    _, told, lock, clock = lock_of_strange(1.0)
    assert look(lock, clock, 20)[-1].accepted
    warn(lock)
    told._sign = 0.3
    taken = look(lock, clock, 40)
    verifying = [snapshot for snapshot in taken if snapshot.state is LockState.VERIFYING]
    assert len(verifying) == SETTINGS.looks - 1
    assert not taken[-1].accepted and taken[-1].move_um == 0.0
    assert lock.self_check.refusal == ""  # images that look familiar would be followed as before
    told._sign = 1.0
    assert LockState.VERIFYING not in {snapshot.state for snapshot in look(lock, clock, 200)}
    clock.wait_until(clock.now_s() + 600)
    assert look(lock, clock, 30)[-1].accepted  # bounded in rate, and not for ever blind


def test_warnings_again_and_again_lead_to_a_check_every_ten_minutes_at_most():
    _, _, lock, clock = lock_of_strange(1.0)
    look(lock, clock, 20)
    began_s, checks = clock.now_s(), 0
    for _ in range(300):
        clock.wait_until(clock.now_s() + 10)
        warn(lock)
        taken = look(lock, clock, 12)
        checks += LockState.VERIFYING in {snapshot.state for snapshot in taken}
    assert 3 <= checks <= 1 + (clock.now_s() - began_s) / 600


def test_a_warning_on_familiar_images_is_told_and_nothing_more():
    _, told, lock, clock = lock_of_strange(1.0)
    look(lock, clock, 20)
    estimate = told.estimate
    told.estimate = lambda frame, *, pixel_size_um: replace(
        estimate(frame, pixel_size_um=pixel_size_um), accepted=True, is_strange=False
    )
    warn(lock)
    assert {snapshot.state for snapshot in look(lock, clock, 20)} == {LockState.LOCKED}
    assert lock.gain_watch.is_warned


def kicked(look: int, *, by_um: float) -> list[Look]:
    """The focus jumps before one of the looks."""
    looks = enumerate(looks_of(1.0))
    return [replace(k, defocus_um=k.defocus_um + (by_um if n >= look else 0.0)) for n, k in looks]


@pytest.mark.parametrize("by_um", [-30.0, -4.0, 4.0, 30.0])
@pytest.mark.parametrize("at", range(1, 9))
def test_a_kick_during_the_check_proves_nothing_against_a_model(at, by_um):
    check = check_looks(kicked(at, by_um=by_um), SETTINGS)
    assert not (check.refusal and check.is_proven)


@pytest.mark.parametrize("fluke", range(9))
@pytest.mark.parametrize("by_um", [-12.0, 12.0])
def test_one_wild_answer_proves_nothing_against_a_model(fluke, by_um):
    looks = looks_of(1.0)
    looks[fluke] = replace(looks[fluke], defocus_um=looks[fluke].defocus_um + by_um)
    check = check_looks(looks, SETTINGS)
    assert not (check.refusal and check.is_proven)


@pytest.mark.parametrize("gain", [-1.0, 0.0, 0.05, 3.5])
def test_answers_that_surely_do_not_follow_are_proof(gain):
    check = check_looks(looks_of(gain, noise_um=0.01), SETTINGS)
    assert check.refusal and check.is_proven


def test_a_focus_that_jumps_while_the_model_is_checked_costs_one_more_check(tmp_path):
    log = RunLog.create(tmp_path / "run.sqlite", settings={}, model_fingerprint="")
    lock, microscope = lock_with(log=log)
    for _ in range(3):
        lock.step()
    microscope._focus_um = lambda t_s: 9.0
    summary = lock.run(10.0)
    assert summary.held and summary.fault == ""
    told = [event.text for event in RunLog.open(tmp_path / "run.sqlite").events()]
    assert sum("it is made again" in text for text in told) == 1


def test_frames_that_come_again_while_the_model_is_checked_are_waited_out():
    lock, microscope = lock_with()
    snap, frozen = microscope.snap, microscope.snap()
    moved = []
    for k in range(20):
        microscope.snap = (lambda: frozen) if 3 <= k < 9 else snap
        moved.append(lock.step().move_um)
    assert moved[4:9] == [0.0] * 5
    assert lock.self_check.refusal == "" and lock.run(10.0).held


def test_after_three_checks_that_prove_nothing_the_run_ends_with_the_reason():
    lock, microscope = lock_with(accepted=lambda frame: frame % 4 == 0)
    summary = lock.run(60.0)
    assert summary.fault.startswith("not locked, as the self-check proves nothing: only 3 of 9 images")
    assert summary.n_frames == 3 * SETTINGS.looks + 6  # it begins with an image that can be told
    assert microscope.z_um == 6.0


def test_images_that_the_model_itself_accepts_are_not_strange_however_low_their_score():
    microscope, told, lock, clock = lock_of_strange(-1.0)
    estimate = told.estimate
    told.estimate = lambda frame, *, pixel_size_um: replace(
        estimate(frame, pixel_size_um=pixel_size_um), accepted=True, is_strange=False, in_distribution=0.4
    )
    look(lock, clock, 12)
    assert lock.self_check is not None and "contrast were inverted" in lock.self_check.refusal
    assert microscope.z_um == pytest.approx(1.5)
