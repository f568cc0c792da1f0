"""Requests: what other threads ask of a focus lock while it runs, until its next frame heeds them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import TypeVar

from parfocal.errors import InputError

T = TypeVar("T")
_TARGET_EVENT = re.compile(r"target changed from ([-+.\d]+) to ([-+.\d]+) um")


class Requests:
    """The target that was asked for last, and notes for the record; nobody waits for anybody."""

    def __init__(self) -> None:
        # One slot and a deque: both may be filled from one thread and emptied from another without a lock.
        self._target: deque[float] = deque(maxlen=1)
        self._notes: deque[str] = deque()

    def target(self, target_um: float) -> None:
        """Ask for another lock target."""
        self._target.append(target_um)

    def note(self, text: str) -> None:
        """Ask for one more event in the record."""
        self._notes.append(text)

    def take_target(self) -> float | None:
        """The target that was asked for since the last call; None if none was."""
        return next(_emptied(self._target), None)

    def take_notes(self) -> Iterator[str]:
        """The notes since the last call."""
        return _emptied(self._notes)


def _emptied(waiting: deque[T]) -> Iterator[T]:
    while waiting:
        yield waiting.popleft()


def refuse_unreachable_target(target_um: float, z_range_um: tuple[float, float]) -> None:
    """Refuses a lock target that the model cannot tell.

    Raises
    ------
    InputError
        If the target is not within the range.
    """
    lowest_um, highest_um = z_range_um
    if not lowest_um < target_um < highest_um:
        raise InputError(
            f"Expected a lock target within what the model can tell, {lowest_um:g} to {highest_um:g} um; "
            f"got {target_um:g} um."
        )


def target_event(before_um: float, after_um: float) -> str:
    """The event of a record that tells of another target.

    Examples
    --------
    >>> target_event(0.0, -1.5)
    'target changed from +0.000 to -1.500 um'
    """
    return f"target changed from {before_um:+.3f} to {after_um:+.3f} um"


def targets_told(text: str) -> tuple[float, float] | None:
    """The targets before and after, in um, of such an event; None of any other.

    Examples
    --------
    >>> targets_told("target changed from +0.000 to -1.500 um"), targets_told("locked")
    ((0.0, -1.5), None)
    """
    told = _TARGET_EVENT.fullmatch(text)
    return (float(told[1]), float(told[2])) if told else None
