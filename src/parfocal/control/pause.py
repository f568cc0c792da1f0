"""Pause: asked for and ended from any thread; it begins and ends with a frame of the lock."""

from __future__ import annotations

import threading

from parfocal.control.lock_state import LockState

OUTSIDE = "the pause goes on: the drive stands outside the window"


class Pause:
    """Whether the drive is to be left alone, and what there was before."""

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._was_lost = self._is_outside = False

    @property
    def is_wanted(self) -> bool:
        """Whether the next frame is one of a pause."""
        return self._wanted.is_set()

    def request(self) -> None:
        """Let it begin with the next frame."""
        self._wanted.set()

    def request_end(self) -> None:
        """Let it end with the next frame."""
        self._wanted.clear()

    def begin(self, state: LockState) -> None:
        """It begins in a state of the lock."""
        self._was_lost, self._is_outside = state is LockState.LOST, False

    def goes_on(self, *, is_outside: bool) -> str:
        """What is told when it should end and cannot, the first time."""
        was_outside, self._is_outside = self._is_outside, is_outside
        return OUTSIDE if is_outside and not was_outside else ""

    def state_after(self, state: LockState) -> LockState:
        """The state in which it ends, or lost where it began in that: a pause finds no focus."""
        return LockState.LOST if self._was_lost else state
