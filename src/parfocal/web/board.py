"""LockBoard: what is known of a lock now and how it came, for any number of viewers."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from parfocal.control import LockSnapshot, LockStart, LockState, LockSummary
from parfocal.control.requests import targets_told
from parfocal.web.history import Bucket, History
from parfocal.web.messages import Answer, Heard, Steps

MOST_EVENTS = 200
QUIET_S = 3.0
"""Without a frame for so long, or four periods of the camera: something holds up the loop."""
RATE_OVER_S = 5.0
AT_END_UM = 0.05


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """A frame of the camera, shape (Y, X), and the snapshot of it; frames count up from 1."""

    number: int
    frame_yx: NDArray[Any]
    snapshot: LockSnapshot


@dataclass(frozen=True, eq=False)
class Reading:
    """What is known of a lock at one moment.

    Attributes
    ----------
    start : LockStart
    snapshot : LockSnapshot or None
        The last; None before the first frame.
    state : LockState
        What the lock says of itself, its end included.
    since_s : float
        When that state began, on the lock's clock.
    target_um : float
    age_s : float
        Real seconds since the last frame.
    rate_hz : float
        Frames a second, of late.
    n_frames, n_moves, n_losses : int
        Since this page began.
    answer : Answer or None
        The model's distribution.
    is_stopping : bool
        A stop was asked for and has not come yet.
    is_over : bool
    summary : LockSummary or None
        How it went; once it is over, unless an error ended it.
    """

    start: LockStart
    snapshot: LockSnapshot | None
    state: LockState
    since_s: float
    target_um: float
    age_s: float
    rate_hz: float
    n_frames: int
    n_moves: int
    n_losses: int
    answer: Answer | None
    is_stopping: bool
    is_over: bool
    summary: LockSummary | None

    @property
    def elapsed_s(self) -> float:
        """Of the run, on the lock's clock."""
        return self.snapshot.t_s - self.start.began_s if self.snapshot else 0.0

    @property
    def is_late(self) -> bool:
        """Whether frames should have come, and did not."""
        period_s = 1 / self.start.settings.frame_rate_hz
        return not self.is_over and self.age_s > max(QUIET_S, 4 * period_s)

    @property
    def is_at_limit(self) -> bool:
        """Whether the drive is at an end of its window, and the focus is believed beyond it."""
        last, settings = self.snapshot, self.start.settings
        if last is None:
            return False
        error_um, dead_band_um = last.belief_um - self.target_um, settings.controller.dead_band_um
        is_above = last.z_um > settings.limits.highest_z_um - AT_END_UM
        is_below = last.z_um < settings.limits.lowest_z_um + AT_END_UM
        return (is_above and error_um < -dead_band_um) or (is_below and error_um > dead_band_um)

    @property
    def is_alarm(self) -> bool:
        """Whether somebody should come."""
        return self.state in (LockState.LOST, LockState.FAULT)


class LockBoard:
    """Takes in what a lock tells, in one thread, and shows it to any number of others.

    Parameters
    ----------
    start : LockStart
    now_s : callable
        Real time in s.
    """

    def __init__(self, start: LockStart, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.start = start
        self._now_s = now_s
        self._guard = threading.Lock()
        self._history = History(speed=start.speed)
        self._events: deque[Heard] = deque(maxlen=MOST_EVENTS)
        self._arrivals: deque[tuple[float, int]] = deque()
        self._snapshot: LockSnapshot | None = None
        self._answer: Answer | None = None
        self._frame: LiveFrame | None = None
        checks = start.settings.self_check is not None
        self._state, self._since_s = LockState.VERIFYING if checks else LockState.IDLE, start.began_s
        self._target_um = start.settings.controller.target_um
        self._n_frames = self._n_moves = self._n_losses = 0
        self._seen_s = now_s()
        self._is_stopping = self._is_over = False
        self._summary: LockSummary | None = None

    def take(self, steps: Steps) -> None:
        """What happened since the last message."""
        with self._guard:
            waiting = deque(steps.heard)
            for snapshot in steps.snapshots:
                while waiting and waiting[0].t_s <= snapshot.t_s:
                    self._hear(waiting.popleft())
                self._see(snapshot)
            for heard in waiting:
                self._hear(heard)
            if steps.snapshots:
                self._answer = steps.answer
                self._seen_s = self._now_s()
                self._arrivals.append((self._seen_s, len(steps.snapshots)))
            while self._arrivals and self._arrivals[0][0] < self._now_s() - RATE_OVER_S:
                self._arrivals.popleft()

    def take_frame(self, frame_yx: NDArray[Any]) -> None:
        """The frame of the last snapshot, shape (Y, X)."""
        with self._guard:
            if self._snapshot is not None:
                number = self._frame.number + 1 if self._frame else 1
                self._frame = LiveFrame(number, frame_yx, self._snapshot)

    def stop_was_asked(self) -> None:
        """Somebody wants the lock to stop."""
        with self._guard:
            self._is_stopping = True

    def end(self, summary: LockSummary | None) -> None:
        """Nothing more comes."""
        with self._guard:
            failed = summary is None or summary.fault
            self._enter(LockState.FAULT if failed else LockState.STOPPED, self._elapsed_to())
            self._is_over, self._is_stopping, self._summary = True, False, summary

    def read(self) -> Reading:
        """What is known now."""
        with self._guard:
            return Reading(
                start=self.start,
                snapshot=self._snapshot,
                state=self._state,
                since_s=self._since_s,
                target_um=self._target_um,
                age_s=self._now_s() - self._seen_s,
                rate_hz=self._rate_hz(),
                n_frames=self._n_frames,
                n_moves=self._n_moves,
                n_losses=self._n_losses,
                answer=self._answer,
                is_stopping=self._is_stopping,
                is_over=self._is_over,
                summary=self._summary,
            )

    def frame(self) -> LiveFrame | None:
        """The last frame that came; None before the first."""
        return self._frame

    def events(self) -> list[Heard]:
        """What happened, the last first."""
        with self._guard:
            return list(reversed(self._events))

    def history(self, span_s: float | None = None) -> list[Bucket]:
        """The course of the last `span_s` seconds of the lock's clock, or of all that is kept."""
        with self._guard:
            return self._history.over(span_s)

    def _see(self, snapshot: LockSnapshot) -> None:
        self._snapshot = snapshot
        self._n_frames += 1
        self._n_moves += snapshot.move_um != 0
        self._n_losses += snapshot.state is LockState.LOST and self._state is not LockState.LOST
        self._enter(snapshot.state, snapshot.t_s)
        self._history.add(snapshot, target_um=self._target_um)

    def _hear(self, heard: Heard) -> None:
        self._events.append(heard)
        told = targets_told(heard.text)
        if told:
            self._target_um = told[1]

    def _enter(self, state: LockState, t_s: float) -> None:
        if state is not self._state:
            self._state, self._since_s = state, t_s

    def _elapsed_to(self) -> float:
        return self._snapshot.t_s if self._snapshot else self.start.began_s

    def _rate_hz(self) -> float:
        if len(self._arrivals) < 2:
            return 0.0
        span_s = self._arrivals[-1][0] - self._arrivals[0][0]
        return sum(n for _, n in list(self._arrivals)[1:]) / span_s if span_s >= 1 else 0.0
