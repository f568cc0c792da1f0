"""LockState: what a focus lock can say of itself, and which state may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from parfocal.control.lock_settings import LockSettings


class LockState(StrEnum):
    """What a focus lock can say of itself."""

    VERIFYING = "verifying"
    """Making small known moves to see whether the answers follow, or waiting for an image to begin with."""
    IDLE = "idle"
    """Looking for focus, or on its way to another target; not locked yet."""
    LOCKED = "locked"
    """The focus is on target, or on its way there."""
    UNCERTAIN = "uncertain"
    """No estimate to act on: the drive is held still."""
    SEARCHING = "searching"
    """Nothing could be told for too long: looking for focus at one place after the other."""
    LOST = "lost"
    """Off target, uncertain, or nowhere to be found: an alarm, until an answer can be trusted."""
    PAUSED = "paused"
    """Told to keep its hands off the drive; looks, and moves nothing."""
    STOPPED = "stopped"
    """Ended as asked."""
    FAULT = "fault"
    """Ended by a failure."""


_AT_ANY_TIME = frozenset({LockState.PAUSED, LockState.STOPPED, LockState.FAULT})
TRANSITIONS: Mapping[LockState, frozenset[LockState]] = MappingProxyType(
    {
        LockState.VERIFYING: _AT_ANY_TIME | {LockState.IDLE, LockState.SEARCHING, LockState.LOST},
        LockState.IDLE: _AT_ANY_TIME
        | {LockState.VERIFYING, LockState.LOCKED, LockState.SEARCHING, LockState.LOST},
        LockState.LOCKED: _AT_ANY_TIME
        | {LockState.IDLE, LockState.VERIFYING, LockState.UNCERTAIN, LockState.SEARCHING, LockState.LOST},
        LockState.UNCERTAIN: _AT_ANY_TIME
        | {LockState.IDLE, LockState.VERIFYING, LockState.LOCKED, LockState.SEARCHING, LockState.LOST},
        LockState.SEARCHING: _AT_ANY_TIME
        | {LockState.VERIFYING, LockState.LOCKED, LockState.UNCERTAIN, LockState.LOST},
        LockState.LOST: _AT_ANY_TIME | {LockState.VERIFYING, LockState.LOCKED, LockState.SEARCHING},
        LockState.PAUSED: (_AT_ANY_TIME - {LockState.PAUSED})
        | {LockState.VERIFYING, LockState.IDLE, LockState.LOST},
        LockState.STOPPED: frozenset(),
        LockState.FAULT: frozenset(),
    }
)
"""The states that may follow each state, staying in it left out; docs/focus-lock.md tells when they do."""


@dataclass(frozen=True)
class Standing:
    """What one more frame says of a lock whose model is checked, as far as its state depends on it.

    Attributes
    ----------
    error_um : float
        Believed distance from the lock target.
    is_trusted : bool
        Whether there is an estimate to act on.
    is_good : bool
        Whether it is one within tolerance.
    is_bad_for_long, is_blind_for_long : bool
        Whether the last good frame, and the last trusted one, are `LockSettings.lost_after_s` ago.
    waits : bool
        Whether it is no wonder that nothing can be told, in an empty field or where an answer led, and the
        focus cannot have drifted far meanwhile.
    is_empty : bool
        Whether the field shows nothing that could be told.
    may_search : bool
        Whether there is anything left to look for, and to look from.
    moves_help : bool
        Whether moves did what the estimates promised.
    """

    error_um: float
    is_trusted: bool
    is_good: bool
    is_bad_for_long: bool
    is_blind_for_long: bool
    waits: bool = False
    is_empty: bool = False
    may_search: bool = False
    moves_help: bool = True


def next_state(state: LockState, now: Standing, settings: LockSettings) -> LockState:
    """The state after one more frame of a lock that is neither verifying, paused nor at its end."""
    if not now.moves_help:
        return LockState.LOST
    if now.is_good:
        return LockState.LOCKED
    if state is LockState.SEARCHING:
        if now.waits:
            return LockState.UNCERTAIN
        return state if now.may_search else LockState.LOST
    if now.may_search and now.is_blind_for_long:
        return LockState.SEARCHING
    if state is LockState.IDLE:
        return LockState.LOST if now.is_blind_for_long and not now.is_empty else state
    if state is LockState.LOST:
        return state
    if now.waits:
        return LockState.UNCERTAIN
    if now.is_bad_for_long or abs(now.error_um) > settings.lost_um:
        return LockState.LOST
    return LockState.LOCKED if now.is_trusted else LockState.UNCERTAIN
