"""What is left of a useq sequence of which a part was taken."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping

from useq import MDASequence, MultiPhaseTimePlan, TIntervalLoops

from parfocal.control.acquisition_record import AXES
from parfocal.errors import InputError
from parfocal.microscope.micromanager.planned_event import takes_an_image

Index = tuple[int, ...]
"""Of an image along `AXES`."""


def outer_axis(sequence: MDASequence) -> str:
    """The slowest axis that has more than one step; time points if none has.

    Examples
    --------
    >>> str(outer_axis(MDASequence(stage_positions=[(0, 0), (1, 0)])))
    'p'
    """
    sizes = sequence.sizes
    return str(next((axis for axis in sequence.axis_order if sizes.get(axis, 0) > 1), "t"))


def n_complete(sequence: MDASequence, done: Collection[Index]) -> int:
    """How many steps along the outer axis have all their images, from the first on.

    Of channels that are taken every so many time points it is a multiple of those, so that what is left keeps
    their rhythm.
    """
    place = AXES.index(outer_axis(sequence))
    indices = _planned(sequence)
    planned = Counter(index[place] for index in indices)
    taken = Counter(index[place] for index in indices & set(done))
    n_done = next((step for step in sorted(planned) if taken[step] < planned[step]), len(planned))
    rhythm = math.lcm(*(channel.acquire_every for channel in sequence.channels)) if AXES[place] == "t" else 1
    return n_done - n_done % rhythm


def is_complete(sequence: MDASequence, done: Collection[Index]) -> bool:
    """Whether every image was taken, or skipped."""
    return _planned(sequence) <= set(done)


def _planned(sequence: MDASequence) -> set[Index]:
    return {index_of(event.index) for event in sequence if takes_an_image(event)}


def index_of(index: Mapping[str, int]) -> Index:
    """Along `AXES`."""
    return tuple(index.get(axis, 0) for axis in AXES)


def rest_of(sequence: MDASequence, *, n_done: int) -> MDASequence:
    """The sequence without its first steps along the outer axis.

    Raises
    ------
    InputError
        If it cannot be cut there.
    """
    axis = outer_axis(sequence)
    if n_done == 0:
        return sequence
    if axis == "t" and sequence.time_plan is not None:
        return sequence.replace(time_plan=_later(sequence, n_done))
    if axis == "p":
        return sequence.replace(stage_positions=list(sequence.stage_positions)[n_done:])
    raise InputError(
        "Expected a sequence whose slowest axis is its own time plan or its positions, to go on with. Take "
        "this one anew, into another folder."
    )


def _later(sequence: MDASequence, n_done: int) -> TIntervalLoops:
    plan = sequence.time_plan
    if plan is None or isinstance(plan, MultiPhaseTimePlan):
        raise InputError(
            "Expected a time plan of one interval, to go on with; this one has several phases. "
            "Take the later phases anew, into another folder."
        )
    return TIntervalLoops(interval=plan.interval, loops=plan.loops - n_done)
