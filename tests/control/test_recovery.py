"""A focus that was lost is looked for within bounds; in an empty field there is nothing to look for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lock_fakes import TexturedMicroscope, TinyMicroscope, TruthfulEstimator

from parfocal.control import (
    FocusLock,
    LimitSettings,
    LockSettings,
    LockSnapshot,
    LockState,
    SearchSettings,
    SimulatedClock,
)
from parfocal.control.recovery import places_to_look_from
from parfocal.control.texture import texture_of

SETTINGS = LockSettings(limits=LimitSettings(lowest_z_um=-60, highest_z_um=60))
RANGE_UM = 15.0


def lock_on(microscope: TinyMicroscope, clock: SimulatedClock, *, settings=SETTINGS, told=None) -> FocusLock:
    def can_be_told(frame: int) -> bool:
        return abs(microscope.true_defocus_um()) <= RANGE_UM and not getattr(microscope, "is_empty", False)

    told = told or TruthfulEstimator(microscope, accepted=can_be_told)
    return FocusLock(microscope, microscope, told, settings=settings, clock=clock)


def steps(lock: FocusLock, clock: SimulatedClock, n: int) -> list[LockSnapshot]:
    taken = []
    for _ in range(n):
        clock.wait_until(clock.now_s() + 0.05)
        taken.append(lock.step())
    return taken


@pytest.mark.parametrize("jump_um", [-38.0, -20.0, 17.0, 30.0])
def test_a_focus_that_jumped_out_of_sight_is_found_again(jump_um):
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock, focus_um=lambda t_s: 0.0 if t_s < 3 else jump_um)
    lock = lock_on(microscope, clock)
    before, after = steps(lock, clock, 59), steps(lock, clock, 250)
    assert before[-1].state is LockState.LOCKED
    searching = [snapshot for snapshot in after if snapshot.state is LockState.SEARCHING]
    assert 1 <= len(searching) <= 60
    assert after[-1].state is LockState.LOCKED
    assert abs(microscope.true_defocus_um()) < 1.0


def test_a_focus_beyond_reach_ends_where_it_was_last_in_focus():
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock, focus_um=lambda t_s: 0.0 if t_s < 3 else -200.0)
    lock = lock_on(microscope, clock)
    taken = steps(lock, clock, 500)
    assert taken[-1].state is LockState.LOST
    assert abs(microscope.z_um) < 1.5
    search = SETTINGS.search
    assert min(microscope.commands) >= -search.reach_um - 1.5
    assert max(microscope.commands) <= search.reach_toward_um + 1.5
    assert steps(lock, clock, 200)[-1].state is LockState.LOST  # no second search


def test_an_empty_field_is_waited_for_and_nothing_moves():
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock)
    lock = lock_on(microscope, clock)
    steps(lock, clock, 60)
    microscope.is_empty = True
    waiting = steps(lock, clock, 400)
    assert {snapshot.move_um for snapshot in waiting} == {0.0}
    assert {snapshot.state for snapshot in waiting} == {LockState.UNCERTAIN}
    assert waiting[-1].reason == "the field is empty: waiting"
    microscope.is_empty = False
    assert steps(lock, clock, 3)[-1].state is LockState.LOCKED


def test_an_empty_field_is_lost_once_the_focus_may_have_drifted_far():
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock)
    lock = lock_on(microscope, clock)
    steps(lock, clock, 60)
    microscope.is_empty = True
    for _ in range(60):
        clock.wait_until(clock.now_s() + 180)
        snapshot = lock.step()
    steps(lock, clock, 200)
    assert lock.state is LockState.LOST
    assert snapshot.move_um == 0.0


@pytest.mark.parametrize("self_check", [None, {}], ids=["no check", "checked first"])
@pytest.mark.parametrize("start_um", [-38.0, 19.0, 33.0])
def test_a_focus_that_is_out_of_sight_at_the_beginning_is_looked_for(start_um, self_check):
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock, focus_um=lambda t_s: start_um)
    lock = lock_on(microscope, clock, settings=SETTINGS.replace(self_check=self_check))
    first, later = steps(lock, clock, 99), steps(lock, clock, 200)
    assert {snapshot.move_um for snapshot in first} == {0.0}
    assert later[-1].state is LockState.LOCKED
    assert abs(microscope.true_defocus_um()) < 1.0
    assert (lock.self_check is None) == (self_check is None)


@pytest.mark.parametrize("self_check", [None, {}], ids=["no check", "checked first"])
def test_where_nothing_is_found_at_the_beginning_it_goes_back_and_waits(self_check):
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock, focus_um=lambda t_s: -100.0, z_um=5.0)
    lock = lock_on(microscope, clock, settings=SETTINGS.replace(self_check=self_check))
    states = [snapshot.state for snapshot in steps(lock, clock, 400)]
    assert LockState.SEARCHING in states and LockState.LOCKED not in states
    begun = states.index(LockState.SEARCHING)
    in_vain = states.index(LockState.LOST, begun)
    assert set(states[in_vain:]) == {LockState.LOST}  # an alarm, for as long as nothing can be told
    assert microscope.z_um == pytest.approx(5.0, abs=0.6)
    microscope.commands.clear()
    steps(lock, clock, 200)
    assert microscope.commands == []


def test_without_search_settings_nothing_is_looked_for():
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock, focus_um=lambda t_s: 0.0 if t_s < 3 else -30.0)
    lock = lock_on(microscope, clock, settings=SETTINGS.replace(search=None))
    steps(lock, clock, 59)
    later = steps(lock, clock, 300)
    assert {snapshot.state for snapshot in later[110:]} == {LockState.LOST}
    assert all(snapshot.move_um == 0 for snapshot in later)


def test_where_the_window_ends_so_does_the_search():
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock, focus_um=lambda t_s: 0.0 if t_s < 3 else -100.0)
    limits = LimitSettings(lowest_z_um=-6.0, highest_z_um=4.0)
    lock = lock_on(microscope, clock, settings=LockSettings(limits=limits))
    steps(lock, clock, 500)
    assert lock.state is LockState.LOST
    assert all(-6.0 <= z_um <= 4.0 for z_um in microscope.commands)


@given(
    good_um=st.floats(-50, 50),
    down_um=st.floats(1, 80),
    up_um=st.floats(1, 80),
    range_um=st.floats(2, 30),
    reach_um=st.floats(1, 60),
)
def test_all_that_may_be_searched_is_seen_and_nothing_outside_is_looked_from(
    good_um, down_um, up_um, range_um, reach_um
):
    limits = LimitSettings(lowest_z_um=good_um - down_um, highest_z_um=good_um + up_um)
    settings = SearchSettings(reach_um=reach_um, reach_toward_um=reach_um / 2)
    places = places_to_look_from(good_um, z_range_um=(-range_um, range_um), limits=limits, settings=settings)
    lowest_um, highest_um = good_um - min(reach_um, down_um), good_um + min(reach_um / 2, up_um)
    assert all(lowest_um - 1e-6 <= place <= highest_um + 1e-6 for place in places)
    for z_um in np.linspace(lowest_um, highest_um, 50):
        assert min(abs(z_um - place) for place in places) <= range_um + 1e-6


@pytest.mark.parametrize("pixel_size_um", [0.06, 0.24])
def test_neither_noise_nor_uneven_light_is_texture(pixel_size_um):
    random = np.random.default_rng(0)
    noise = random.normal(2000, 60, (400, 500))
    light = 1 + 0.1 * np.linspace(0, 1, 500)
    assert texture_of(noise * light, pixel_size_um=pixel_size_um) < 0.012
    cells = random.normal(0, 150, (20, 25)).repeat(20, axis=0).repeat(20, axis=1)
    assert texture_of(noise + cells, pixel_size_um=pixel_size_um) > 0.04


def test_a_black_or_tiny_frame_has_no_texture():
    assert texture_of(np.zeros((64, 64), np.uint16), pixel_size_um=0.24) == 0.0
    assert texture_of(np.ones((1, 1), np.uint16), pixel_size_um=0.24) == 0.0


def test_a_search_ends_although_answers_point_beyond_the_window():
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock, focus_um=lambda t_s: 0.0 if t_s < 3 else 18.0)
    limits = LimitSettings(lowest_z_um=-10.0, highest_z_um=10.0)
    lock = lock_on(microscope, clock, settings=LockSettings(limits=limits))
    steps(lock, clock, 900)
    assert lock.state is LockState.LOST


@pytest.mark.parametrize("period_s", [60.0, 600.0])
def test_with_frames_minutes_apart_one_blind_frame_is_no_reason_to_search(period_s):
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock)
    blind = {20, 30, 31, 40, 41, 42}
    told = TruthfulEstimator(
        microscope, noise_um=0.02, bias_um=0.0, accepted=lambda frame: frame not in blind
    )
    settings = SETTINGS.replace(frame_rate_hz=1 / period_s)
    lock = lock_on(microscope, clock, settings=settings, told=told)
    states = []
    for _ in range(45):
        clock.wait_until(clock.now_s() + period_s)
        states.append(lock.step().state)
    assert [states[k] for k in (20, 30, 31)] == [LockState.UNCERTAIN] * 3
    assert states[42] is LockState.SEARCHING and states[44] is LockState.LOCKED


def test_with_frames_minutes_apart_a_field_is_seen_to_be_empty_in_its_own_frame():
    clock = SimulatedClock(paced=False)
    microscope = TexturedMicroscope(clock)
    told = TruthfulEstimator(microscope, accepted=lambda frame: frame < 20)
    settings = SETTINGS.replace(frame_rate_hz=1 / 60)
    lock = lock_on(microscope, clock, settings=settings, told=told)
    reasons = []
    for k in range(25):
        microscope.is_empty = k >= 21  # the first blind frame shows cells
        clock.wait_until(clock.now_s() + 60)
        reasons.append(lock.step().reason)
    assert reasons[20] == "the estimate was not accepted"
    assert reasons[21:] == ["the field is empty: waiting"] * 4
