"""A plate of 96 wells for a day: the learned focus beside a sweep at every well, a plane, and nothing.

``plate.py MODEL`` runs 96 wells every 30 minutes of 24 simulated hours through the stock engine of
pymmcore-plus: a plate that is tilted and bowed by tens of um, with a height of its own for each well, 40 um
of drift, 10 empty wells and 2 with bubbles. Every contender takes one bright-field image in each well and
time point, of the same cells. What counts is where the focus truly was in the images of wells that are not
empty.

- ``parfocal``: `ParfocalAutofocus`, which begins with the focus of the first well for all of them;
- ``sweep``: a classical autofocus at every well and time point, from where the well was last in focus: planes
  0.5 um apart over +-6 um, the nearest that shows less gradient (Tenengrad) than its neighbours, as unstained
  cells show least in focus;
- ``plane``: through the true focus of three corner wells at the start;
- ``none``: every well at its own true focus of the start.

The result is written at once; ``--table`` prints it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plate_microscope import Layout, PlateMicroscope, Samples, experiment_of, microscope_settings
from pymmcore_plus import CMMCorePlus
from useq import MDAEvent, MDASequence

from parfocal.control import LimitSettings, SimulatedClock
from parfocal.data.whole_file import write_whole_text
from parfocal.errors import ParfocalError
from parfocal.evaluation.evaluate import json_text
from parfocal.focus_measures import tenengrad
from parfocal.microscope import AutofocusSettings, OnFailure, ParfocalAutofocus, virtual_core
from parfocal.model import FocusEstimator, use_threads

RESULT = Path(__file__).parent / "results" / "plate.json"
EVERY_S = 1800.0
SWEEP_UM = np.arange(-6.0, 6.01, 0.5)
WITHIN_UM = 1.0
LIMITS = LimitSettings(lowest_z_um=0.0, highest_z_um=300.0)
SURE_UM = 0.4

Contender = Callable[[CMMCorePlus, SimulatedClock], AbstractContextManager[object]]


@dataclass
class Taken:
    """The images of one contender: well, time point and true defocus of each."""

    wells: list[int] = field(default_factory=list)
    time_points: list[int] = field(default_factory=list)
    true_um: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Plate:
    """What all contenders share."""

    seed: int
    layout: Layout
    samples: Samples
    hours: float

    @property
    def n_time_points(self) -> int:
        """From the start on."""
        return round(3600 * self.hours / EVERY_S)

    def microscope(self, clock: SimulatedClock) -> PlateMicroscope:
        """One over the plate."""
        return PlateMicroscope(
            self.layout,
            self.samples,
            microscope_settings(self.seed),
            seed=self.seed,
            clock=clock,
            experiment=experiment_of(),
        )

    def sequence(self, z_um: NDArray[np.float64], *, autofocus: bool) -> MDASequence:
        """All wells at all times, each from a stage position."""
        places = zip(self.layout.xy_um, z_um, strict=True)
        return MDASequence(
            axis_order="tp",
            stage_positions=[(float(x), float(y), float(z)) for (x, y), z in places],
            time_plan={"interval": 0, "loops": self.n_time_points},
            autofocus_plan={"axes": ("p", "t")} if autofocus else None,
        )

    def focus_at_start_um(self) -> NDArray[np.float64]:
        """True focus of each well, shape (wells,)."""
        microscope = self.microscope(SimulatedClock(paced=False))
        z_um = []
        for x_um, y_um in self.layout.xy_um.tolist():
            microscope.move_xy_to(x_um, y_um)
            z_um.append(microscope.focus_z_um())
        return np.array(z_um)


def run(plate: Plate, z_um: NDArray[np.float64], contender: Contender | None) -> dict[str, Any]:
    """One contender through the whole plate, and what its images were."""
    clock = SimulatedClock(paced=False)
    microscope = plate.microscope(clock)
    core = virtual_core(microscope)
    core.mda.engine.use_hardware_sequencing = False
    core.mda.engine.restore_initial_state = False
    taken, round_s = Taken(), [0.0]

    def begin(event: MDAEvent) -> None:
        clock.wait_until(EVERY_S * event.index["t"])

    def take(image: NDArray[Any], event: MDAEvent, meta: object) -> None:
        taken.wells.append(microscope.well)
        taken.time_points.append(event.index["t"])
        taken.true_um.append(microscope.true_defocus_um())
        round_s[0] = max(round_s[0], clock.now_s() - EVERY_S * event.index["t"])

    core.mda.events.eventStarted.connect(begin)
    core.mda.events.frameReady.connect(take)
    started, before = time.perf_counter(), microscope.n_snaps
    with contender(core, clock) if contender else by_nobody():
        core.mda.run(plate.sequence(z_um, autofocus=contender is not None))
    return {
        **numbers(plate, taken),
        "frames": microscope.n_snaps - before,
        "longest_round_s": round_s[0],
        "seconds": time.perf_counter() - started,
        "images": {
            "well": taken.wells,
            "t": taken.time_points,
            "true_um": [round(um, 3) for um in taken.true_um],
        },
    }


@contextmanager
def by_nobody() -> Iterator[None]:
    """The plan's own positions."""
    yield


def by_parfocal(estimator: FocusEstimator) -> Contender:
    """The learned focus."""

    def attached(core: CMMCorePlus, clock: SimulatedClock) -> ParfocalAutofocus:
        settings = AutofocusSettings(limits=LIMITS, on_failure=OnFailure.CONTINUE, sure_um=SURE_UM)
        return ParfocalAutofocus(core, estimator, settings=settings, clock=clock)

    return attached


@contextmanager
def by_sweep(core: CMMCorePlus, clock: SimulatedClock) -> Iterator[None]:
    """A sweep to the least gradient, which the engine takes for a hardware autofocus."""

    def full_focus() -> None:
        around_um = core.getZPosition() + SWEEP_UM
        frames = []
        for z_um in around_um:
            core.setZPosition(float(z_um))
            frames.append(core.snap())
        core.setZPosition(float(around_um[least_near_the_middle(tenengrad(np.stack(frames)))]))

    core.getAutoFocusDevice = lambda: "sweep"
    core.enableContinuousFocus = lambda enable: None
    core.fullFocus = full_focus
    yield


def least_near_the_middle(scores: NDArray[np.float64]) -> int:
    """The plane that scores less than its neighbours, of several the one nearest the middle; else that."""
    middle = len(scores) // 2
    inner = scores[1:-1]
    least = 1 + np.flatnonzero((inner <= scores[:-2]) & (inner <= scores[2:]))
    return int(least[np.abs(least - middle).argmin()]) if len(least) else middle


def numbers(plate: Plate, taken: Taken) -> dict[str, Any]:
    """How well the wells that are not empty were in focus."""
    wells, times = np.array(taken.wells), np.array(taken.time_points)
    off_um = np.abs(np.array(taken.true_um))
    counts = ~plate.layout.empty[wells]
    bubbly, first, last = plate.layout.bubbly[wells], times == 0, times == times.max()
    return {
        "images_that_count": int(counts.sum()),
        "within_1um": float(np.mean(off_um[counts] <= WITHIN_UM)),
        "rms_um": float(np.sqrt(np.mean(off_um[counts] ** 2))),
        "largest_um": float(off_um[counts].max()),
        "bubbly_within_1um": float(np.mean(off_um[bubbly] <= WITHIN_UM)),
        "first_round_within_1um": float(np.mean(off_um[counts & first] <= WITHIN_UM)),
        "lost_in_the_end": int(np.count_nonzero(off_um[counts & last] > WITHIN_UM)),
    }


def three_points(plate: Plate, focus_um: NDArray[np.float64]) -> NDArray[np.float64]:
    """The plane through three corner wells, at all of them."""
    xy_um = plate.layout.xy_um
    corners = [int(np.argmin(xy_um @ way)) for way in ([1, 1], [-1, 1], [1, -1])]
    design = np.column_stack([xy_um, np.ones(len(xy_um))])
    plane: NDArray[np.float64] = design @ np.linalg.solve(design[corners], focus_um[corners])
    return plane


def table(result: dict[str, Any]) -> str:
    """All contenders, one a line."""
    n_images = result["wells"] * result["time_points"]
    lines = [
        "| contender | within 1 um | first round | RMS um | largest um | wells off in the last round "
        "| wells with bubbles within 1 um | frames an image | longest round, s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {one['within_1um']:.2%} | {one['first_round_within_1um']:.1%} | {one['rms_um']:.2f} | "
        f"{one['largest_um']:.2f} | {one['lost_in_the_end']} | {one['bubbly_within_1um']:.1%} | "
        f"{one['frames'] / n_images:.2f} | {one['longest_round_s']:.0f} |"
        for name, one in result["contenders"].items()
    ]
    about = (
        f"{result['wells']} wells, {result['time_points']} rounds {EVERY_S / 60:.0f} minutes apart, seed "
        f"{result['seed']}; model {result['model']}."
    )
    return "\n".join([*lines, "", about])


def make(options: argparse.Namespace) -> dict[str, Any]:
    """All contenders on one plate."""
    use_threads(1)
    estimator = FocusEstimator.load(options.model)
    settings, experiment = microscope_settings(options.seed), experiment_of()
    layout = Layout.of(options.seed, wells=options.wells)
    samples = Samples(settings, seed=options.seed, experiment=experiment)
    plate = Plate(options.seed, layout, samples, options.hours)
    focus_um = plate.focus_at_start_um()
    plans: dict[str, tuple[NDArray[np.float64], Contender | None]] = {
        "parfocal": (np.full(len(focus_um), focus_um[0]), by_parfocal(estimator)),
        "sweep": (focus_um, by_sweep),
        "plane": (three_points(plate, focus_um), None),
        "none": (focus_um, None),
    }
    told: dict[str, Any] = {
        "seed": options.seed,
        "wells": len(focus_um),
        "time_points": plate.n_time_points,
        "model": estimator.fingerprint,
        "contenders": {},
    }
    for name in options.only or plans:
        told["contenders"][name] = run(plate, *plans[name])
        one = {key: value for key, value in told["contenders"][name].items() if key != "images"}
        print(name, json.dumps(one), flush=True)
    return told


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", help="a model of other days of yeast-40x")
    parser.add_argument("--seed", type=int, default=300)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--wells", type=int, default=96)
    parser.add_argument("--only", nargs="*", help="these contenders")
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--table", action="store_true", help="print the result that is there")
    options = parser.parse_args(arguments)
    try:
        if options.model:
            result = make(options)
            options.result.parent.mkdir(parents=True, exist_ok=True)
            write_whole_text(options.result, json_text(result))
        print(table(json.loads(options.result.read_text("utf-8"))))
    except ParfocalError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
