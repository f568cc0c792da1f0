"""What a useq event says of its place, its plane and its channel."""

from __future__ import annotations

from collections.abc import Sequence

from pymmcore_plus.core import SequencedEvent
from useq import AcquireImage, HardwareAutofocus, MDAEvent

Place = tuple[int, int]
"""Position and tile of a grid by their indices in the sequence."""


def is_autofocus(event: MDAEvent) -> bool:
    """Whether an event asks for autofocus, and takes no image."""
    return isinstance(event.action, HardwareAutofocus)


def takes_an_image(event: MDAEvent) -> bool:
    """Whether an event is one that the camera is exposed for."""
    return event.action is None or isinstance(event.action, AcquireImage)


def images_of(event: MDAEvent) -> Sequence[MDAEvent]:
    """The events that are taken in one go, where the hardware runs a sequence of them; else the event."""
    return event.events if isinstance(event, SequencedEvent) else (event,)


def place_of(event: MDAEvent) -> Place:
    """Where in the sample it is."""
    return event.index.get("p", 0), event.index.get("g", 0)


def time_point_of(event: MDAEvent) -> int:
    """Index of its time point."""
    return event.index.get("t", 0)


def plane_um(event: MDAEvent) -> float:
    """How far above the middle of its z-stack a plane lies; 0 for the middle, and where there is no stack."""
    plan = event.sequence.z_plan if event.sequence is not None else None
    if plan is None or not plan.is_relative or "z" not in event.index:
        return 0.0
    return float(list(plan)[event.index["z"]])


def home_um(event: MDAEvent) -> float | None:
    """The stage position that the plan gives for the middle of its z-stack; None if it gives none."""
    if event.z_pos is None:
        return None
    return float(event.z_pos) if is_autofocus(event) else float(event.z_pos) - plane_um(event)


def channel_of(event: MDAEvent) -> tuple[str, str] | None:
    """Group and preset of its channel."""
    return None if event.channel is None else (event.channel.group, event.channel.config)
