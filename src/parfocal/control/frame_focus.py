"""FrameFocus: what an image of an acquisition tells of its focus, in its metadata."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from parfocal.estimate import FocusEstimate


class FocusState(StrEnum):
    """How it stands with the focus of a place when an image is taken."""

    FOCUSED = "focused"
    FOLLOWED = "followed"
    EXPECTED = "expected"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class FrameFocus:
    """What is known of the focus of one image.

    Attributes
    ----------
    state : FocusState
        ``focused``: its place was brought into focus in this time point. ``followed``: it was in an earlier
        one, and images have told since where the focus went. ``expected``: it is where the focus was, or is
        expected from other places, and nothing has been looked at. ``failed``: it could not be brought into
        focus. ``unknown``: the plan's own position.
    defocus_um, std_um : float
        Where this plane is believed to be, from focus, and how far off that may be; nan where it is unknown.
    interval90_um : tuple of float
        What holds the true defocus in nine of ten cases.
    move_um : float
        How far the drive went in the last focusing of this place.
    image : FocusEstimate or None
        What the model says of this very image, where it is one that can be looked at.
    """

    state: FocusState
    defocus_um: float
    std_um: float
    interval90_um: tuple[float, float]
    move_um: float
    image: FocusEstimate | None = None

    def as_metadata(self) -> dict[str, Any]:
        """Plain values, each with its unit in its name; what is not known is left out."""
        lowest_um, highest_um = self.interval90_um
        facts: dict[str, Any] = {
            "focus_state": str(self.state),
            "focus_defocus_um": self.defocus_um,
            "focus_std_um": self.std_um,
            "focus_interval90_low_um": lowest_um,
            "focus_interval90_high_um": highest_um,
            "focus_move_um": self.move_um,
        }
        if self.image is not None:
            facts |= {
                "focus_image_defocus_um": self.image.defocus_um,
                "focus_image_std_um": self.image.std_um,
                "focus_image": "accepted" if self.image.accepted else "refused",
                "focus_image_in_distribution": self.image.in_distribution,
            }
        return {name: _plain(value) for name, value in facts.items() if not _is_unknown(value)}


def _is_unknown(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _plain(value: Any) -> Any:
    return round(float(value), 4) if isinstance(value, float) else value
