"""Which classical measure a hill climber can follow to focus: where each is least, or most, near focus.

``sharpness.py`` takes frames of growing cells from -4 to 4 um, on days of their own, and climbs each measure
up and down from focus to its nearest extremum. The table has the distance of these from focus, and how far
the slope reaches that leads there, on the shorter side. The benchmark's climber goes by what is best here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from side_by_side import Plan, virtual_microscope

from parfocal.control import SimulatedClock
from parfocal.focus_measures import FOCUS_MEASURES
from parfocal.microscope import SimulatedMicroscope

DEFOCUS_UM = np.arange(-4.0, 4.01, 0.25)
FIRST_SEED = 40
"""Not one of the seeds that focus is held on."""
HOURS = (2.0, 14.0)


def stacks(seeds: int) -> Iterator[NDArray[np.uint16]]:
    """Frames of shape (Z, Y, X) at `DEFOCUS_UM`, for each seed and hour."""
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for hours in HOURS:
            clock, plan = SimulatedClock(paced=False), Plan(seed)
            microscope = SimulatedMicroscope(
                virtual_microscope(plan), seed=seed, clock=clock, experiment=plan.experiment
            )
            clock.wait_until(3600 * hours)
            yield np.array([frame_at(microscope, um) for um in DEFOCUS_UM.tolist()])


def frame_at(microscope: SimulatedMicroscope, defocus_um: float) -> NDArray[np.uint16]:
    """A frame of shape (Y, X) at a defocus."""
    microscope.move_to(microscope.focus_z_um() + defocus_um)
    return microscope.snap()


def climbed(scores: NDArray[np.float64], start: int) -> int:
    """Index of the maximum that climbing from a start leads to, step by step.

    Examples
    --------
    >>> climbed(np.array([5.0, 1.0, 2.0, 3.0, 0.0]), 2)
    3
    """
    here = start
    while True:
        near = range(max(here - 1, 0), min(here + 2, len(scores)))
        best = max(near, key=lambda k: scores[k])
        if scores[best] <= scores[here]:
            return here
        here = best


def reach_um(scores: NDArray[np.float64], top: int) -> float:
    """How far from a maximum one may start and still be led to it, on the shorter side."""
    led = [climbed(scores, k) == top for k in range(len(scores))]
    below, above = led[top::-1], led[top:]
    return min(_first_false(below), _first_false(above)) * float(DEFOCUS_UM[1] - DEFOCUS_UM[0])


def _first_false(values: list[bool]) -> int:
    return (values.index(False) if False in values else len(values)) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=6)
    options = parser.parse_args()
    frames = list(stacks(options.seeds))
    at_focus = int(np.argmin(np.abs(DEFOCUS_UM)))
    print("| measure | extremum | RMS distance from focus um | reach um |\n| --- | --- | --- | --- |")
    for name, measure in FOCUS_MEASURES.items():
        scores = [measure(frames_zyx) for frames_zyx in frames]
        for extremum, sign in (("most", 1), ("least", -1)):
            tops = [climbed(sign * one, at_focus) for one in scores]
            reaches_um = [reach_um(sign * one, top) for one, top in zip(scores, tops, strict=True)]
            rms_um = np.sqrt(np.mean(DEFOCUS_UM[tops] ** 2))
            print(f"| {name} | {extremum} | {rms_um:.2f} | {np.median(reaches_um):.2f} |")


if __name__ == "__main__":
    main()
