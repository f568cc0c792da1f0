"""ShownPlan: the plan of an acquisition, as far as it was told or its events have shown it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from parfocal.control.acquisition_focus import Spot
from parfocal.errors import InputError
from parfocal.microscope.pycromanager.devices import CoreCalls, PycroManagerFocusDrive
from parfocal.microscope.pycromanager.planned_event import (
    Event,
    is_of_a_stack,
    light_of,
    place_of,
    planned_z_um,
    time_point_of,
)


class ShownPlan:
    """Knows what a plan means to be in focus at each place, though its events come one by one.

    Parameters
    ----------
    core : CoreCalls
    drive : PycroManagerFocusDrive
    """

    def __init__(self, core: CoreCalls, drive: PycroManagerFocusDrive) -> None:
        self._core, self._drive = core, drive
        self._numbers: dict[Hashable, int] = {}  # of the places, in the order in which they came
        self.begin()

    def begin(self) -> None:
        """Another plan: all is forgotten but which number a place has."""
        self._homes_um: dict[Hashable, float] = {}
        self._lights: set[tuple[str, str] | None] = set()
        self._start_z_um: float | None = None

    @property
    def has_one_light(self) -> bool:
        """Whether all images so far are of one channel."""
        return len(self._lights) <= 1

    def expect(self, events: Iterable[Event]) -> None:
        """Be told of a plan: the middle of the planes of each place is meant to be in focus."""
        planned: dict[Hashable, list[float]] = {}
        for event in events:
            self._lights.add(light_of(event))
            z_um = planned_z_um(event, self._drive.label)
            if z_um is not None:
                planned.setdefault(place_of(event), []).append(z_um)
        self._homes_um |= {place: (min(all_um) + max(all_um)) / 2 for place, all_um in planned.items()}

    def spot_of(self, event: Event) -> Spot:
        """Where and when an event is.

        Raises
        ------
        InputError
            If it is a plane of a z-stack that was not told of.
        """
        self._lights.add(light_of(event))
        x_um, y_um = event.get("x"), event.get("y")
        if (x_um is None or y_um is None) and self._core.get_xy_stage_device():
            x_um, y_um = self._core.get_x_position(), self._core.get_y_position()
        home_um = self.home_um(event)
        return Spot(
            place=(self._numbers.setdefault(place_of(event), len(self._numbers)), 0),
            time_point=time_point_of(event),
            x_um=float(x_um or 0.0),
            y_um=float(y_um or 0.0),
            plan_um=self._started_um() if home_um is None else home_um,
        )

    def home_um(self, event: Event) -> float | None:
        """Where the plan has the focus of an event's place; None where it leaves that open.

        Raises
        ------
        InputError
            If it is a plane of a z-stack that was not told of.
        """
        place, z_um = place_of(event), planned_z_um(event, self._drive.label)
        if place not in self._homes_um and z_um is not None:
            if is_of_a_stack(event):
                raise InputError(
                    f"Expected to be told which plane of a z-stack is to be in focus, got one at {z_um:.2f} "
                    "um of a plan that is not known. Call expect(events) before acquire(events)."
                )
            self._homes_um[place] = z_um
        return self._homes_um.get(place)

    def _started_um(self) -> float:
        """Where the drive stood when the first event came."""
        if self._start_z_um is None:
            self._start_z_um = self._drive.position_um()
        return self._start_z_um
