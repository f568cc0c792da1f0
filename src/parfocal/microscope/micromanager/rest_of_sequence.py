"""What is left of a useq sequence of which a part was taken."""

from __future__ import annotations

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
    """How many steps along the outer axis have all their images, from the first on."""
    axis = outer_axis(sequence)
    place = AXES.index(axis)
    indices = {index_of(event.index) for event in sequence if takes_an_image(event)}
    planned = Counter(index[place] for index in indices)
    taken = Counter(index[place] for index in indices & set(done))
    return next((step for step in sorted(planned) if taken[step] < planned[step]), len(planned))


def index_of(index: Mapping[str, int]) -> Index:
    """Along `AXES`."""
    return tuple(index.get(axis, 0) for axis in AXES)


def rest_of(sequence: MDASequence, *, n_done: int) -> MDASequence | None:
    """The sequence without its first steps along the outer axis; None if nothing is left.

    Raises
    ------
    InputError
        If it cannot be cut there.
    """
    axis = outer_axis(sequence)
    if n_done >= max(sequence.sizes.get(axis, 1), 1):
        return None
    if n_done == 0:
        return sequence
    if axis == "t":
        return sequence.replace(time_plan=_later(sequence, n_done))
    if axis == "p":
        return sequence.replace(stage_positions=list(sequence.stage_positions)[n_done:])
    raise InputError(
        f"Expected a sequence whose slowest axis is time or position, to go on with; this one's is '{axis}'. "
        "Take it anew, into another folder."
    )


def _later(sequence: MDASequence, n_done: int) -> TIntervalLoops:
    plan = sequence.time_plan
    if plan is None or isinstance(plan, MultiPhaseTimePlan):
        raise InputError(
            "Expected a time plan of one interval, to go on with; this one has several phases. "
            "Take the later phases anew, into another folder."
        )
    return TIntervalLoops(interval=plan.interval, loops=plan.loops - n_done)
