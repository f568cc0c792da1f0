"""How a lock looks on its page: a word, a colour and a shape for each state, and numbers in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parfocal.control import LockState

GOOD, CALM, DOUBT, BAD, REST = "#3ddc97", "#6cb6ff", "#ffb224", "#ff5d47", "#8b98a5"
"""Green, blue, amber, red and grey: apart in brightness too, and never without a shape and a word."""
MINUS, MICRO = "\N{MINUS SIGN}", "\N{MICRO SIGN}m"


@dataclass(frozen=True)
class StateLook:
    """How a state is shown: its colour, its shape as SVG in a square of 48, and what it means in words."""

    colour: str
    shape: str
    meaning: str


_RING = '<circle cx="24" cy="24" r="19" fill="none" stroke="currentColor" stroke-width="4"'
LOOKS = {
    LockState.VERIFYING: StateLook(
        CALM,
        f'{_RING} stroke-dasharray="8 7"/><path d="M15 24l6 7 12-14" fill="none" stroke="currentColor" '
        'stroke-width="4"/>',
        "small known moves: do the answers follow?",
    ),
    LockState.IDLE: StateLook(
        CALM, f'{_RING}/><circle cx="24" cy="24" r="4" fill="currentColor"/>', "on the way to focus"
    ),
    LockState.LOCKED: StateLook(
        GOOD,
        '<circle cx="24" cy="24" r="21" fill="currentColor"/><path d="M14 24l7 8 14-16" fill="none" '
        'stroke="#07130d" stroke-width="5"/>',
        "focus is held",
    ),
    LockState.UNCERTAIN: StateLook(
        DOUBT,
        '<path d="M24 5L45 42H3z" fill="currentColor"/><path d="M24 18v12m0 4v4" stroke="#1a1200" '
        'stroke-width="4.5"/>',
        "nothing to act on: the drive is held still",
    ),
    LockState.SEARCHING: StateLook(
        DOUBT,
        '<circle cx="20" cy="20" r="13" fill="none" stroke="currentColor" stroke-width="5"/>'
        '<path d="M30 30l13 13" stroke="currentColor" stroke-width="6"/>',
        "looking for focus, place after place",
    ),
    LockState.LOST: StateLook(
        BAD,
        '<path d="M15 3h18l12 12v18L33 45H15L3 33V15z" fill="currentColor"/>'
        '<path d="M16 16l16 16m0-16L16 32" stroke="#1c0400" stroke-width="5"/>',
        "somebody should come",
    ),
    LockState.PAUSED: StateLook(
        REST,
        '<path d="M12 7h9v34h-9zM27 7h9v34h-9z" fill="currentColor"/>',
        "hands off the drive; goes on looking",
    ),
    LockState.STOPPED: StateLook(REST, '<path d="M8 8h32v32H8z" fill="currentColor"/>', "ended as asked"),
    LockState.FAULT: StateLook(
        BAD,
        '<path d="M28 2L8 28h13l-3 18L40 19H26z" fill="currentColor"/>',
        "ended by a failure; the drive was stopped",
    ),
}
"""All states."""


def signed(um: float, *, digits: int = 2) -> str:
    """A number with its sign, and a proper minus.

    Examples
    --------
    >>> signed(0.08), signed(-1.5, digits=1), signed(-0.001)
    ('+0.08', '−1.5', '0.00')
    """
    if not math.isfinite(um):
        return "?"
    rounded = round(um, digits)
    return f"{rounded:+.{digits}f}".replace("-", MINUS) if rounded else f"{0:.{digits}f}"


def span(seconds: float) -> str:
    """A duration in two units at most.

    Examples
    --------
    >>> span(8.2), span(125), span(11580), span(190000)
    ('8 s', '2 min 5 s', '3 h 13 min', '2 d 4 h')
    """
    whole = round(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def round_step(length: float) -> float:
    """The largest of 1, 2, 5, 10, ... and their decimal parts that is not above a length.

    Examples
    --------
    >>> round_step(13.0), round_step(0.45), round_step(60.0)
    (10.0, 0.2, 50.0)
    """
    ten = 10.0 ** math.floor(math.log10(length))
    return max(step * ten for step in (1.0, 2.0, 5.0) if step * ten <= length * 1.0001)
