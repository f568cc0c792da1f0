"""LockReport: what a focus lock tells of itself, to its record, to whoever watches, and at the end."""

from __future__ import annotations

from collections.abc import Callable
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
    """

    def __init__(
        self,
        clock: Clock,
        tally: LockTally,
        *,
        log: RunLog | None,
        on_step: Callable[[LockSnapshot], None] | None,
    ) -> None:
        self._clock, self._tally, self._log, self._on_step = clock, tally, log, on_step
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
        if self._log is not None:
            self._log.event(self._clock.now_s(), text)

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

    def summary(self, *, fault: str) -> LockSummary:
        """What the frames amount to."""
        return self._tally.summary(fault=fault)

    def close(self) -> None:
        """Write what is left of the record."""
        if self._log is not None:
            self._log.close()
