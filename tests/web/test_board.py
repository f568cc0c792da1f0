"""The board shows what came last and how it came, to any number of threads."""

import threading

import numpy as np
import pytest
from web_world import START, snapshot_at, steps_of

from parfocal.control import LockState, LockSummary
from parfocal.web.board import MOST_EVENTS, LockBoard

SUMMARY = LockSummary(1.0, 72_000, 72_000, 20, 0.1, 0.4, 1.0, 0, True, 3.0)


class Watch:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_reading_before_the_first_frame_knows_the_plan_only():
    now = LockBoard(START).read()
    assert (now.snapshot, now.state, now.n_frames) == (None, LockState.IDLE, 0)
    assert not (now.is_late or now.is_over or now.is_alarm)


def test_it_tells_for_how_long_the_state_has_been():
    board = LockBoard(START)
    board.take(steps_of(snapshot_at(1.0), snapshot_at(2.0, state=LockState.LOST), snapshot_at(3.0)))
    assert (board.read().state, board.read().since_s, board.read().n_losses) == (LockState.LOCKED, 3.0, 1)
    board.take(steps_of(snapshot_at(63.0)))
    assert (board.read().elapsed_s, board.read().since_s) == (63.0, 3.0)


def test_another_target_holds_from_its_event_on():
    board = LockBoard(START)
    event = (1.5, "target changed from +0.000 to +2.000 um")
    board.take(steps_of(snapshot_at(1.0), snapshot_at(2.0, belief_um=2.0), heard=(event,)))
    assert board.read().target_um == 2.0
    assert [bucket.error_um for bucket in board.history()] == [0.05, 0.0]


def test_frames_that_do_not_come_are_told():
    watch = Watch()
    board = LockBoard(START, now_s=watch)
    board.take(steps_of(snapshot_at(0.0)))
    watch.now_s = 2.9
    assert not board.read().is_late
    watch.now_s = 3.1
    assert board.read().is_late
    board.end(SUMMARY)
    assert not board.read().is_late


def test_the_rate_of_frames_is_that_of_late():
    watch = Watch()
    board = LockBoard(START, now_s=watch)
    for k in range(100):
        watch.now_s = k / 10
        board.take(steps_of(snapshot_at(k / 10), snapshot_at(k / 10 + 0.05)))
    assert board.read().rate_hz == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("z_um", "belief_um", "is_at_limit"),
    [(110.0, -2.0, True), (110.0, 2.0, False), (90.0, 2.0, True), (100.0, -2.0, False), (110.0, -0.1, False)],
)
def test_a_focus_beyond_the_window_is_told(z_um, belief_um, is_at_limit):
    board = LockBoard(START)
    board.take(steps_of(snapshot_at(1.0, z_um=z_um, belief_um=belief_um)))
    assert board.read().is_at_limit is is_at_limit


@pytest.mark.parametrize(
    ("summary", "state"), [(SUMMARY, LockState.STOPPED), (None, LockState.FAULT)], ids=["asked", "error"]
)
def test_the_end_is_a_state_too(summary, state):
    board = LockBoard(START)
    board.take(steps_of(snapshot_at(1.0)))
    board.stop_was_asked()
    assert board.read().is_stopping
    board.end(summary)
    now = board.read()
    assert (now.state, now.is_over, now.is_stopping, now.summary) == (state, True, False, summary)


def test_events_come_last_first_and_the_oldest_are_let_go():
    board = LockBoard(START)
    board.take(steps_of(heard=tuple((float(k), str(k)) for k in range(MOST_EVENTS + 5))))
    texts = [heard.text for heard in board.events()]
    assert (texts[0], texts[-1], len(texts)) == (str(MOST_EVENTS + 4), "5", MOST_EVENTS)


def test_frames_count_up():
    board = LockBoard(START)
    board.take(steps_of(snapshot_at(1.0)))
    for _ in range(3):
        board.take_frame(np.zeros((4, 4), np.uint16))
    assert board.frame().number == 3


def test_readers_in_many_threads_see_whole_readings_while_it_fills():
    board = LockBoard(START)
    wrong, over = [], threading.Event()

    def read() -> None:
        while not over.is_set():
            now = board.read()
            if now.snapshot is not None and now.n_frames != round(now.snapshot.t_s) + 1:
                wrong.append(now)
            board.history(10.0)
            board.events()

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for k in range(2000):
        board.take(steps_of(snapshot_at(float(k)), heard=((float(k), "locked"),)))
    over.set()
    for reader in readers:
        reader.join()
    assert wrong == []
