"""Whatever frames, faults and commands come, the states follow one another as the table says."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from lock_fakes import TinyMicroscope, TruthfulEstimator, estimate_of

from parfocal.control import (
    TRANSITIONS,
    FocusLock,
    LimitSettings,
    LockSettings,
    LockState,
    SimulatedClock,
)
from parfocal.errors import DeviceError
from parfocal.estimate import FocusEstimate

LIMITS = LimitSettings(lowest_z_um=-30.0, highest_z_um=30.0)
QUIET = {LockState.PAUSED, LockState.UNCERTAIN, LockState.STOPPED, LockState.FAULT}
PAGE = Path(__file__).parents[2] / "docs" / "focus-lock.md"


class ToldEstimator:
    """Says what it was told to say next."""

    fingerprint, z_range_um = "told", (-15.0, 15.0)

    def __init__(self) -> None:
        self.next = estimate_of(0.0)

    def estimate(self, frame_yx: np.ndarray, *, pixel_size_um: float) -> FocusEstimate:
        return self.next


class LockMachine(RuleBasedStateMachine):
    """A lock under all that may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SimulatedClock(paced=False)
        self.microscope = TinyMicroscope(self.clock)
        self.told = ToldEstimator()
        settings = LockSettings(limits=LIMITS, self_check={}, lost_after_s=0.5)
        self.lock = FocusLock(
            self.microscope, self.microscope, self.told, settings=settings, clock=self.clock
        )
        self.states = [self.lock.state]
        self.is_paused = False

    @property
    def is_over(self) -> bool:
        return self.states[-1] is LockState.FAULT

    def look(self, n: int = 1) -> None:
        for _ in range(n):
            self.clock.wait_until(self.clock.now_s() + 0.05)
            n_commands = len(self.microscope.commands)
            snapshot = self.lock.step()
            self.states.append(snapshot.state)
            if snapshot.state in QUIET:
                assert len(self.microscope.commands) == n_commands

    @precondition(lambda self: not self.is_over)
    @rule(error_um=st.floats(-0.3, 0.3), n=st.integers(1, 12))
    def an_honest_run_of_frames(self, error_um: float, n: int) -> None:
        for _ in range(n):
            self.told.next = estimate_of(self.microscope.z_um + error_um)
            self.look()

    @precondition(lambda self: not self.is_over)
    @rule(defocus_um=st.floats(-20, 20), std_um=st.floats(0.1, 3.0), n=st.integers(1, 12))
    def answers_from_nowhere(self, defocus_um: float, std_um: float, n: int) -> None:
        self.told.next = estimate_of(defocus_um, std_um=std_um)
        self.look(n)

    @precondition(lambda self: not self.is_over)
    @rule(n=st.integers(1, 40))
    def nothing_can_be_told(self, n: int) -> None:
        self.told.next = estimate_of(0.0, accepted=False)
        self.look(n)

    @precondition(lambda self: not self.is_over)
    @rule(z_um=st.floats(-29, 29))
    def a_hand_on_the_drive(self, z_um: float) -> None:
        is_far = abs(z_um - self.microscope.z_um) > 2 * LIMITS.arrival_tolerance_um
        self.microscope.z_um = z_um
        n_commands = len(self.microscope.commands)
        try:
            self.look()
        except DeviceError:  # a hand that undoes move after move is another controller
            self.states.append(self.lock.state)
        assert not is_far or len(self.microscope.commands) == n_commands

    @precondition(lambda self: self.states[-1] is LockState.PAUSED)
    @rule(z_um=st.floats(31, 90), n=st.integers(1, 5))
    def a_hand_takes_the_drive_out_of_the_window_during_a_pause(self, z_um: float, n: int) -> None:
        self.microscope.z_um = z_um
        self.look(n)
        assert self.states[-1] is LockState.PAUSED

    @rule()
    def pause(self) -> None:
        self.is_paused = True
        self.lock.request_pause()

    @rule()
    def resume(self) -> None:
        self.is_paused = False
        self.lock.request_resume()

    @rule(target_um=st.floats(-14, 14))
    def another_target(self, target_um: float) -> None:
        self.lock.request_target(target_um)

    @precondition(lambda self: not self.is_over)
    @rule()
    def the_camera_is_unplugged(self) -> None:
        self.microscope.camera_fails_at = self.microscope.n_snaps
        try:
            self.lock.step()
        except DeviceError:
            self.states.append(self.lock.state)
        assert self.is_over

    @invariant()
    def each_state_may_follow_the_one_before(self) -> None:
        for before, after in zip(self.states, self.states[1:], strict=False):
            assert after is before or after in TRANSITIONS[before]


LockMachine.TestCase.settings = hypothesis_settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyOrderOfThings = LockMachine.TestCase


def test_a_pause_moves_nothing_and_the_lock_goes_on_after_it():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock, focus_um=lambda t_s: 0.0 if t_s < 2 else 4.0)
    settings = LockSettings(limits=LIMITS)
    lock = FocusLock(microscope, microscope, TruthfulEstimator(microscope), settings=settings, clock=clock)

    def look(n: int) -> list[LockState]:
        states = []
        for _ in range(n):
            clock.wait_until(clock.now_s() + 0.05)
            states.append(lock.step().state)
        return states

    assert look(39)[-1] is LockState.LOCKED
    lock.request_pause()
    microscope.commands.clear()
    assert set(look(200)) == {LockState.PAUSED}
    assert microscope.commands == []
    lock.request_resume()
    states = look(20)
    assert states[0] in (LockState.IDLE, LockState.LOCKED) and states[-1] is LockState.LOCKED
    assert abs(microscope.true_defocus_um()) < 1.0


def test_a_pause_in_the_middle_of_the_self_check_begins_it_anew():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    settings = LockSettings(limits=LIMITS, self_check={})
    lock = FocusLock(microscope, microscope, TruthfulEstimator(microscope), settings=settings, clock=clock)
    for _ in range(3):
        lock.step()
    lock.request_pause()
    assert lock.step().state is LockState.PAUSED
    lock.request_resume()
    for _ in range(10):
        state = lock.step().state
    assert state is LockState.IDLE and lock.self_check is not None


def test_the_page_has_the_table_that_the_lock_follows():
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {
        LockState(state): {LockState(name) for name in re.findall(r"`(\w+)`", after)} for state, after in rows
    }
    assert told == {state: set(after) for state, after in TRANSITIONS.items()}


def test_what_a_hand_does_during_a_pause_is_not_held_against_the_model():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    settings = LockSettings(limits=LIMITS)
    lock = FocusLock(microscope, microscope, TruthfulEstimator(microscope), settings=settings, clock=clock)

    def look(n: int) -> None:
        for _ in range(n):
            clock.wait_until(clock.now_s() + 0.05)
            lock.step()

    look(40)
    lock.request_pause()
    for k in range(6):  # another field, and the knob turned, again and again
        microscope._focus_um = lambda t_s, k=k: 6.0 * (-1) ** k
        microscope.z_um += 2.0 * (-1) ** k
        look(10)
    lock.request_resume()
    look(40)
    assert lock.state is LockState.LOCKED
    assert abs(microscope.true_defocus_um()) < 1.0


def looks_at(lock: FocusLock, clock: SimulatedClock, n: int) -> list[LockState]:
    states = []
    for _ in range(n):
        clock.wait_until(clock.now_s() + 0.05)
        states.append(lock.step().state)
    return states


def test_during_a_pause_the_drive_may_be_anywhere_and_the_lock_goes_on_when_it_is_back():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    settings = LockSettings(limits=LIMITS)
    lock = FocusLock(microscope, microscope, TruthfulEstimator(microscope), settings=settings, clock=clock)
    looks_at(lock, clock, 40)
    lock.request_pause()
    microscope.z_um = 400.0  # before the pause has begun: to change the slide
    assert set(looks_at(lock, clock, 20)) == {LockState.PAUSED}
    lock.request_resume()
    microscope.commands.clear()
    assert set(looks_at(lock, clock, 20)) == {LockState.PAUSED}
    assert lock.step().reason == "the pause goes on: the drive stands outside the window"
    assert microscope.commands == []
    microscope.z_um = 3.0
    assert looks_at(lock, clock, 40)[-1] is LockState.LOCKED
    assert abs(microscope.true_defocus_um()) < 1.0


def test_a_drive_that_does_not_answer_during_a_pause_is_a_failure():
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    settings = LockSettings(limits=LIMITS)
    lock = FocusLock(microscope, microscope, TruthfulEstimator(microscope), settings=settings, clock=clock)
    lock.request_pause()
    looks_at(lock, clock, 5)
    microscope.z_um = float("nan")
    with pytest.raises(DeviceError, match="it reads nan"):
        lock.step()
    assert lock.state is LockState.FAULT


@pytest.mark.parametrize("self_check", [None, {}], ids=["no check", "to be checked"])
def test_a_pause_that_began_in_lost_ends_in_lost_until_an_answer_can_be_trusted(self_check):
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock)
    settings = LockSettings(limits=LIMITS, self_check=self_check, search=None)
    can_be_told = {False}
    told = TruthfulEstimator(microscope, accepted=lambda frame: True in can_be_told)
    lock = FocusLock(microscope, microscope, told, settings=settings, clock=clock)
    assert looks_at(lock, clock, 110)[-1] is LockState.LOST
    lock.request_pause()
    looks_at(lock, clock, 10)
    lock.request_resume()
    assert set(looks_at(lock, clock, 60)) == {LockState.LOST}
    can_be_told.add(True)
    states = looks_at(lock, clock, 40)
    assert states[0] in (LockState.VERIFYING, LockState.LOCKED) and states[-1] is LockState.LOCKED


@pytest.mark.parametrize("self_check", [None, {}], ids=["no check", "to be checked"])
def test_a_camera_that_is_frozen_from_the_start_is_an_alarm_and_nothing_moves(self_check):
    clock = SimulatedClock(paced=False)
    microscope = TinyMicroscope(clock, z_um=4.0)
    settings = LockSettings(limits=LIMITS, self_check=self_check)
    frozen = microscope.snap()
    microscope.snap = lambda: frozen
    told = TruthfulEstimator(microscope)
    lock = FocusLock(microscope, microscope, told, settings=settings, clock=clock)
    lock.step()
    microscope.commands.clear()
    states = looks_at(lock, clock, 120)
    assert states[50] in (LockState.IDLE, LockState.VERIFYING) and states[-1] is LockState.LOST
    assert microscope.commands == []
