"""LockReport: what a focus lock tells of itself, to its record, to whoever watches, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from numpy.typing import NDArray

from parfocal.control.clock import Clock
from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_summary import LockSummary, LockTally
from parfocal.control.repeats import Repeats
from parfocal.control.run_log import RunLog


class LockReport:
    """Passes on frames and events, and adds them up.

    Parameters
    ----------
    clock : Clock
        That of the lock.
    tally : LockTally
    log : RunLog, optional
    on_step : callable, optional
        Called with every `LockSnapshot`.
    on_event : callable, optional
        Called with the time and the words of every event.
    notes : callable
        Gives what others want in the record since it was last called.
    """

    def __init__(
        self,
        clock: Clock,
        tally: LockTally,
        *,
        log: RunLog | None,
        on_step: Callable[[LockSnapshot], None] | None,
        on_event: Callable[[float, str], None] | None = None,
        notes: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._clock, self._tally, self._log, self._on_step = clock, tally, log, on_step
        self._on_event, self._notes = on_event, notes
        self._repeats = Repeats()

    def frame(self, snapshot: LockSnapshot, frame_yx: NDArray[Any] | None) -> None:
        """One more frame, and its image of shape (Y, X)."""
        self._tally.add(snapshot)
        if self._log is not None:
            self._log.append(snapshot, frame_yx)
        if self._on_step is not None:
            self._on_step(snapshot)

    def event(self, text: str) -> None:
        """Something that is told whenever it happens."""
        self.heed_notes()  # a note of what was asked stands before what came of it
        self._write(text)

    def heed_notes(self) -> None:
        """Tell what others wanted to be told."""
        for note in self._notes():
            self._write(note)

    def aim(self, target_um: float) -> None:
        """Another target counts from the next frame on."""
        self._tally.aim(target_um)

    def may_repeat(self, text: str, *, kind: str = "") -> None:
        """Something that may happen again and again; the text is its kind, if that is not given."""
        told = self._repeats.told(text, kind=kind or text, t_s=self._clock.now_s())
        if told:
            self.event(told)

    def last(self, text: str) -> None:
        """How it ended, after what was counted and not told."""
        for untold in self._repeats.untold():
            self.event(untold)
        self.event(text)

    def _write(self, text: str) -> None:
        t_s = self._clock.now_s()
        if self._log is not None:
            self._log.event(t_s, text)
        if self._on_event is not None:
            self._on_event(t_s, text)

    def summary(self, *, fault: str) -> LockSummary:
        """What the frames amount to."""
        return self._tally.summary(fault=fault)

    def close(self) -> None:
        """Write what is left of the record."""
        if self._log is not None:
            self._log.close()
