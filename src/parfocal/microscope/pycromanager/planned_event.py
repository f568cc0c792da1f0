"""What an event of pycro-manager says of its place, its plane and its light."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

Event = dict[str, Any]
"""Of one image: its ``axes``, and where planned ``x``, ``y``, ``z``, ``config_group``, ``exposure``."""
PLACE_AXES = ("position", "row", "column")


def images_of(planned: Event | list[Event]) -> list[Event]:
    """The events that are taken in one go, where the hardware runs a sequence of them; else the event."""
    return planned if isinstance(planned, list) else [planned]


def takes_an_image(event: Event) -> bool:
    """Whether the camera is exposed for it; it is not for what only says that something ends."""
    return "special" not in event


def index_of(axes: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    """What tells an image from all others."""
    return frozenset(axes.items())


def place_of(event: Event) -> Hashable:
    """Where in the sample it is: by the axes that say so, or else by the position of the stage.

    Examples
    --------
    >>> place_of({"axes": {"time": 3, "position": "A1"}, "x": 5.0, "y": 2.0})
    ('A1', None, None)
    >>> place_of({"axes": {"time": 3}, "x": 5.0, "y": 2.0})
    (5.0, 2.0)
    """
    axes = event.get("axes", {})
    if any(axis in axes for axis in PLACE_AXES):
        return tuple(axes.get(axis) for axis in PLACE_AXES)
    return event.get("x"), event.get("y")


def time_point_of(event: Event) -> int:
    """Index of its time point."""
    return int(event.get("axes", {}).get("time", 0))


def is_of_a_stack(event: Event) -> bool:
    """Whether it is one plane of several."""
    return "z" in event.get("axes", {})


def light_of(event: Event) -> tuple[str, str] | None:
    """Group and preset of its channel."""
    group, preset = event.get("config_group") or ("", "")
    return (group, preset) if group and preset else None


def planned_z_um(event: Event, drive: str) -> float | None:
    """Where the plan has the focus drive for it, in um; None where it leaves that open."""
    for label, z_um in event.get("stage_positions", ()):
        if label == drive:
            return float(z_um)
    z_um = event.get("z")
    return None if z_um is None else float(z_um)


def moved_to(event: Event, z_um: float, drive: str) -> Event:
    """The same event with the focus drive elsewhere."""
    moved = {**event, "z": z_um}
    if "stage_positions" in event:
        moved["stage_positions"] = [stage for stage in event["stage_positions"] if stage[0] != drive]
    return moved
