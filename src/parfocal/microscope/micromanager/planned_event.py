"""What a useq event says of its place, its plane and its channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymmcore_plus.core import SequencedEvent
from useq import AcquireImage, HardwareAutofocus, MDAEvent, MDASequence, Position

from parfocal.control.acquisition_focus import Place


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
    """Where in the sample it is: by its number in the plan, else by where the stage has it, to the um."""
    if "p" not in event.index and "g" not in event.index and event.x_pos is not None:
        return round(event.x_pos), round(event.y_pos or 0.0)
    return event.index.get("p", 0), event.index.get("g", 0)


def time_point_of(event: MDAEvent) -> int:
    """Index of its time point."""
    return event.index.get("t", 0)


def home_um(event: MDAEvent) -> float | None:
    """The stage position that the plan gives for its place; None if it gives none.

    Notes
    -----
    A plan of relative z without one means to begin where the drive stands. The events of useq then begin at
    0, which is no place to send an objective to. Of a z-stack in absolute positions it is the middle; of an
    event that belongs to no sequence its own position.
    """
    if event.sequence is None:
        return None if event.z_pos is None else float(event.z_pos)
    plan = _z_plan_of(event)
    if plan is not None and not plan.is_relative:
        positions_um = list(plan)
        return float(min(positions_um) + max(positions_um)) / 2
    position = _position_of(event)
    return None if position is None or position.z is None else float(position.z)


def above_um(event: MDAEvent) -> float:
    """How far above its place's own position an image is planned, by its z-stack and its channel."""
    if event.z_pos is None or event.sequence is None or not takes_an_image(event):
        return 0.0
    return float(event.z_pos) - (home_um(event) or 0.0)


def _z_plan_of(event: MDAEvent) -> Any:
    position = _position_of(event)
    own = position.sequence.z_plan if position is not None and position.sequence is not None else None
    return own or (event.sequence.z_plan if event.sequence is not None else None)


def _position_of(event: MDAEvent) -> Position | None:
    number = event.index.get("p")
    return None if number is None or event.sequence is None else position_at(event.sequence, number)


def position_at(sequence: MDASequence, number: int) -> Position | None:
    """The position of that number, where the sequence has one."""
    return sequence.stage_positions[number] if number < len(sequence.stage_positions) else None


def channel_of(event: MDAEvent) -> tuple[str, str] | None:
    """Group and preset of its channel."""
    return None if event.channel is None else (event.channel.group, event.channel.config)


def forget_last_run(sequence: MDASequence) -> None:
    """Let a sequence that was iterated before ask for autofocus at its first event again.

    An autofocus plan of useq remembers the last event that it saw, and asks only where the next one differs:
    of one position, a second run would not be focused at all.
    """
    for part in parts_of(sequence):
        if part.autofocus_plan is not None:
            part.autofocus_plan._previous = {}


def parts_of(sequence: MDASequence) -> list[MDASequence]:
    """A sequence and those of its positions."""
    return [sequence, *(p.sequence for p in sequence.stage_positions if p.sequence is not None)]
