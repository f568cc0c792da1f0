"""Onlooker: somebody who watches a focus lock, a page or an alarm, and never holds it up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from parfocal.control.focus_lock import FocusLock
from parfocal.control.lock_settings import LockSettings
from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_summary import LockSummary


@dataclass(frozen=True)
class LockStart:
    """What is known of a lock before its first frame.

    Attributes
    ----------
    settings : LockSettings
    rig, record, model : str
        The microscope in words, the record's file, and what tells the model from others.
    pixel_size_um : float
        Of the camera's frames, in the sample.
    z_range_um : tuple of float
        What the model can tell.
    speed : float
        Seconds of the lock's clock in one of the camera; 1 on a real microscope.
    began_s, hours : float
        When the run began on the lock's clock, and how long it is to last from then on.
    """

    settings: LockSettings
    rig: str
    record: str
    model: str
    pixel_size_um: float
    z_range_um: tuple[float, float]
    speed: float
    began_s: float
    hours: float


class Onlooker(Protocol):
    """Watches a focus lock. All calls come from the loop's own thread: they must be quick, and never wait."""

    def begin(self, lock: FocusLock, start: LockStart) -> None:
        """Before the first frame; what is asked of the lock goes through its ``request_...`` methods."""
        ...

    def see(self, snapshot: LockSnapshot) -> None:
        """One more frame."""
        ...

    def hear(self, t_s: float, text: str) -> None:
        """One more event of the record, at a time of the lock's clock."""
        ...

    def end(self, summary: LockSummary | None) -> None:
        """Nothing more comes; no summary where the lock ended with an error. This may wait some seconds."""
        ...


class Onlookers:
    """Several onlookers as one: a context manager, which tells them of the end however that comes.

    Parameters
    ----------
    onlookers : iterable of Onlooker
    watch : callable, optional
        One more, who wants the snapshots only.

    Notes
    -----
    An onlooker that fails is asked no more, and the record says so: whoever watches must not hurt the lock.
    """

    def __init__(
        self, onlookers: Iterable[Onlooker] = (), *, watch: Callable[[LockSnapshot], None] | None = None
    ) -> None:
        self._onlookers = list(onlookers)
        self._watch = watch
        self._lock: FocusLock | None = None
        self._summary: LockSummary | None = None

    def begin(self, lock: FocusLock, start: LockStart) -> None:
        """Before the first frame."""
        self._lock = lock
        self._tell_all(lambda one: one.begin(lock, start))

    def see(self, snapshot: LockSnapshot) -> None:
        """One more frame."""
        if self._watch is not None:
            self._watch(snapshot)
        self._tell_all(lambda one: one.see(snapshot))

    def hear(self, t_s: float, text: str) -> None:
        """One more event."""
        self._tell_all(lambda one: one.hear(t_s, text))

    def end_with(self, summary: LockSummary) -> None:
        """How it went, for when the context is left."""
        self._summary = summary

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell_all(lambda one: one.end(self._summary))

    def _tell_all(self, tell: Callable[[Onlooker], None]) -> None:
        for one in tuple(self._onlookers):
            try:
                tell(one)
            except Exception as error:  # whatever it is, the focus is worth more than the page
                self._onlookers.remove(one)
                if self._lock is not None:
                    self._lock.request_note(f"{type(one).__name__} failed and watches no more: {error}")
