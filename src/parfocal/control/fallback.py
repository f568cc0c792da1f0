"""Fallback: what to do about a frame that gives nothing to act on."""

from __future__ import annotations

from parfocal.control.controller import Decision
from parfocal.control.judge import Judge
from parfocal.control.lock_state import LockState
from parfocal.control.recovery import Recovery

EMPTY, NOT_ACCEPTED = "the field is empty: waiting", "the estimate was not accepted"
LOOKING = "looking for "
"""So begins the reason of a frame in a search."""


def fallback(reason: str, *, state: LockState, z_um: float, judge: Judge, recovery: Recovery) -> Decision:
    """Look on, in a search; else hold still, or go back to where it was last in focus once the lock is lost.

    Parameters
    ----------
    reason : str
        Why there is nothing to act on.
    state : LockState
    z_um : float
        Where the stage stands.
    judge : Judge
    recovery : Recovery
        Leads the search.
    """
    if state is LockState.SEARCHING:
        place_um = recovery.next_place_um(z_um)
        if place_um is not None:
            return Decision(place_um - z_um, f"{LOOKING}the lost focus")
    way_um = recovery.way_home_um(z_um)
    if state is LockState.LOST and judge.is_over and way_um:
        return Decision(way_um, f"{reason}: back to where it was last in focus")
    return Decision(0.0, reason)
