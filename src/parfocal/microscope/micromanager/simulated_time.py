"""Acquisitions in simulated time: a day of them in minutes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymmcore_plus import CMMCorePlus
from useq import MDAEvent, MDASequence, MultiPhaseTimePlan, TIntervalLoops

from parfocal.control.clock import Clock, SimulatedClock
from parfocal.errors import InputError


@contextmanager
def hurried(core: CMMCorePlus, sequence: MDASequence, clock: Clock) -> Iterator[MDASequence]:
    """The sequence as the core has to run it: with a simulated clock, that much faster, and driving it.

    Raises
    ------
    InputError
        If it is to be hurried and has a time plan of several phases.
    """
    plan = sequence.time_plan
    if not isinstance(clock, SimulatedClock) or plan is None:
        yield sequence
        return
    if isinstance(plan, MultiPhaseTimePlan):
        raise InputError("Expected a time plan of one interval, to run it in simulated time.")
    faster = TIntervalLoops(interval=plan.interval / clock.speed, loops=plan.loops)
    start_s = clock.now_s()

    def go_on(event: MDAEvent) -> None:
        clock.wait_until(start_s + clock.speed * (event.min_start_time or 0.0))

    core.mda.events.eventStarted.connect(go_on)
    try:
        yield sequence.replace(time_plan=faster)
    finally:
        core.mda.events.eventStarted.disconnect(go_on)
