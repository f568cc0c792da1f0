"""Live control (Fig 6 of the paper): focus held for a day on living yeast, by two controllers and by none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from parfocal.control import (
    FocusLock,
    LimitSettings,
    LockSettings,
    SelfCheckSettings,
    SimulatedClock,
    Supervisor,
)
from parfocal.estimate import Estimator
from parfocal.evaluation.figures import focus_over_time
from parfocal.microscope import ExperimentSettings, SimulatedMicroscope
from parfocal.optics import VirtualMicroscope, settings_of_day
from parfocal.rigs import NEW_DAY
from parfocal.studies.learned import collected, learn, subset
from parfocal.studies.ours import SHIPPED, shipped_for
from parfocal.studies.paper_network import paper_recipe
from parfocal.studies.stocks import FIELD_UM, YEAST_STACKS, yeast, yeast_stock
from parfocal.studies.study import Case, Drawn, Finding, Place, Results, Size, Stock, Study, Table, Told

NONE, PAPER, OURS = "none", "2018", "ours"
LABELS: Mapping[str, str] = {
    NONE: "no control",
    PAPER: "2018: its network, and its rule of ±1 µm",
    OURS: f"ours: FocusLock with the shipped {SHIPPED}",
}
BAND_UM = 1.0
"""Of section 2.7: the estimate is kept within it. Also what counts as held."""
REACH_UM, LARGEST_STEP_UM = 60.0, 5.0
WARM_UP = 20
"""Frames that do not count: in them the lock checks its model by known moves of more than a um."""
MOST_KEPT = 2000
"""Of the frames of a case, for the figures."""
LEARNED_FROM: Mapping[Size, int] = {"toy": 3, "quick": YEAST_STACKS["quick"], "paper": YEAST_STACKS["paper"]}
"""Stacks, at most."""
STEPS: Mapping[Size, int] = {"toy": 4, "quick": 400, "paper": 100_000}
"""Of the 2018 network."""
SEED = 100


@dataclass(frozen=True)
class Plan:
    """How a run goes.

    Attributes
    ----------
    hours, drift_um : float
    period_s : float
        From one frame to the next.
    scene_every_s : float
        The cells change at multiples of this.
    cells_at_start, cells_at_end : int
    """

    hours: float = 24.0
    drift_um: float = 40.0
    period_s: float = 0.05
    scene_every_s: float = 600.0
    cells_at_start: int = 15
    cells_at_end: int = 150

    @property
    def n_frames(self) -> int:
        """Frames of the run."""
        return round(3600 * self.hours / self.period_s)

    @property
    def experiment(self) -> ExperimentSettings:
        """The living experiment, from a stage in focus on."""
        return ExperimentSettings(
            hours=self.hours,
            drift_um=self.drift_um,
            start_defocus_um=0.0,
            scene_every_s=self.scene_every_s,
            cells_at_start=self.cells_at_start,
            cells_at_end=self.cells_at_end,
        )


PLANS: Mapping[Size, Plan] = {
    "toy": Plan(
        hours=0.5, drift_um=4.0, period_s=45.0, scene_every_s=900.0, cells_at_start=5, cells_at_end=8
    ),
    "quick": Plan(period_s=216.0, scene_every_s=1296.0),
    "paper": Plan(),
}


def stocks(size: Size) -> Sequence[Stock]:
    """The stacks that most studies share, for the 2018 network."""
    return (yeast_stock(size),)


def cases(size: Size) -> Sequence[Case]:
    """Who holds the focus."""
    return tuple(
        Case(holder, {"holder": holder}, cost=cost) for holder, cost in ((NONE, 0), (PAPER, 2), (OURS, 1))
    )


def run(case: Case, place: Place) -> Told:
    """Holds the focus of the virtual microscope."""
    holder, plan = case.values["holder"], PLANS[place.size]
    told: Told = {}
    if holder == PAPER:
        yeasts = place.dataset("yeast")
        few = subset(yeasts, place.work / "stacks", collected(yeasts, LEARNED_FROM[place.size]))
        network, told = learn(few, place.work, paper_recipe(place.size, steps=STEPS[place.size]))
        make = paper_rule(network)
    elif holder == OURS:
        make = focus_lock(shipped_for(place.dataset("yeast").settings))
    else:
        make = stand_still
    return {**told, **hold(plan, microscope_of(place.size), make)}


def microscope_of(size: Size) -> VirtualMicroscope:
    """The yeast microscope with the paper's field but for tests, on a day that no training stack is of."""
    return settings_of_day(yeast("toy" if size == "toy" else "paper"), seed=SEED, experiment=NEW_DAY)


@dataclass(frozen=True)
class Step:
    """One frame of a holder: what it was told, if it asked, whether it acts on that, and how far it moved."""

    told_um: float | None = None
    accepted: bool = True
    move_um: float = 0.0


Holder = Callable[[], Step]
"""Takes a frame and may move the drive."""
Make = Callable[[SimulatedMicroscope, LimitSettings, SimulatedClock], Holder]
"""What puts a holder before a microscope."""


def stand_still(microscope: SimulatedMicroscope, limits: LimitSettings, clock: SimulatedClock) -> Holder:
    """Nothing holds the focus."""
    return Step


def paper_rule(estimator: Estimator) -> Make:
    """Each answer that is outside the band is moved by, whatever the estimator thinks of it (section 2.7)."""

    def make(microscope: SimulatedMicroscope, limits: LimitSettings, clock: SimulatedClock) -> Holder:
        supervisor = Supervisor(microscope, limits, clock=clock)

        def step() -> Step:
            frame_yx = microscope.snap()
            told_um = estimator.estimate(frame_yx, pixel_size_um=microscope.pixel_size_um).defocus_um
            move_um = supervisor.move_by(-told_um).um if abs(told_um) > BAND_UM else 0.0
            return Step(told_um, move_um=move_um)

        return step

    return make


def focus_lock(estimator: Estimator) -> Make:
    """A `FocusLock` with the settings of `parfocal lock`."""

    def make(microscope: SimulatedMicroscope, limits: LimitSettings, clock: SimulatedClock) -> Holder:
        settings = LockSettings(limits=limits, self_check=SelfCheckSettings())
        lock = FocusLock(microscope, microscope, estimator, settings=settings, clock=clock)

        def step() -> Step:
            now = lock.step()
            return Step(now.defocus_um, accepted=now.accepted, move_um=now.move_um)

        return step

    return make


def hold(plan: Plan, microscope: VirtualMicroscope, make: Make) -> Told:
    """A run: how the focus was held, and its course."""
    clock = SimulatedClock(plan.period_s * LockSettings.model_fields["frame_rate_hz"].default, paced=False)
    live = SimulatedMicroscope(microscope, seed=SEED, clock=clock, experiment=plan.experiment)
    start_um, cells_at_start = live.position_um(), live.n_cells()
    limits = LimitSettings.around(start_um, reach_um=REACH_UM, largest_step_um=LARGEST_STEP_UM)
    holder = make(live, limits, clock)
    places: list[tuple[float, float, float]] = []
    steps: list[Step] = []
    for k in range(plan.n_frames):
        clock.wait_until(k * plan.period_s)
        places.append((live.position_um(), live.focus_z_um(), live.true_defocus_um()))
        steps.append(holder())
    stage_um, focus_um, true_um = np.array(places).T
    return {
        "cells_at_start": cells_at_start,
        "cells_at_end": live.n_cells(),
        "accepted": float(np.mean([step.accepted for step in steps])),
        **how_held(true_um, stage_um=stage_um, moves_um=[step.move_um for step in steps], since=WARM_UP),
        "drift_um": float(np.ptp(focus_um)),
        "course": {
            "time_h": thinned(np.arange(plan.n_frames) * plan.period_s / 3600, digits=4),
            "stage_um": thinned(stage_um),
            "true_um": thinned(true_um),
            "told_um": thinned([np.nan if step.told_um is None else step.told_um for step in steps]),
        },
    }


def how_held(
    true_um: NDArray[np.float64], *, stage_um: ArrayLike, moves_um: ArrayLike, since: int = 0
) -> Told:
    """How well a focus was held.

    Parameters
    ----------
    true_um : array, shape (N,)
        Defocus of each frame, in um.
    stage_um, moves_um : array, shape (N,)
        Where the drive stood, and how far it was moved after the frame.
    since : int
        The first frame whose defocus counts.

    Examples
    --------
    >>> true_um = np.array([9.0, 0.0, 1.0, -2.0])
    >>> told = how_held(true_um, stage_um=[5, 6, 6, 4], moves_um=[1, 0, -2, 0], since=1)
    >>> told["largest_um"], round(told["within_1um"], 2), told["travel_um"], told["stage_range_um"]
    (2.0, 0.67, 3.0, 2.0)
    """
    counted = true_um[since:]
    moves = np.asarray(moves_um, np.float64)
    return {
        "n_frames": len(true_um),
        "rms_um": float(np.sqrt(np.mean(counted**2))),
        "largest_um": float(np.abs(counted).max()),
        "within_1um": float(np.mean(np.abs(counted) <= BAND_UM)),
        "moves": int(np.count_nonzero(moves)),
        "travel_um": float(np.abs(moves).sum()),
        "stage_range_um": float(np.ptp(np.asarray(stage_um, np.float64))),
    }


def thinned(values: ArrayLike, *, digits: int = 3) -> list[float | None]:
    """At most `MOST_KEPT` of the values, evenly spread and rounded; None for those that are no number.

    Examples
    --------
    >>> thinned([0.12345, np.nan]), len(thinned(np.zeros(5001)))
    ([0.123, None], 1667)
    """
    every = -(-len(np.asarray(values)) // MOST_KEPT)
    return [
        None if np.isnan(value) else round(value, digits)
        for value in np.asarray(values, np.float64)[::every].tolist()
    ]


def figures(results: Results) -> Mapping[str, Drawn]:
    """Stage and sample focus over time for both ways to hold it, as Fig 6."""
    return {
        f"held-by-{name}": Drawn(_over_time(results[name], title=LABELS[name]), _caption(results[name]))
        for name in (PAPER, OURS)
    }


def _over_time(told: Told, *, title: str) -> Figure:
    course = told["course"]
    stage_um, told_um = (np.array(course[name], np.float64) for name in ("stage_um", "told_um"))
    return focus_over_time(
        time_h=course["time_h"],
        stage_um=stage_um,
        focal_um=stage_um - told_um,
        true_defocus_um=course["true_um"],
        tolerance_um=BAND_UM,
        title=title,
    )


def _caption(told: Told) -> str:
    return (
        "As Fig 6: stage and sample focus as the network has it; below, the defocus that was left. The focus "
        f"drifts by {told['drift_um']:.0f} µm, {told['cells_at_start']} cells become {told['cells_at_end']}. "
        "The band is ±1 µm."
    )


def table(results: Results) -> Table:
    """A row for each holder."""
    columns = (
        "held by",
        "RMS (µm)",
        "largest (µm)",
        "within 1 µm",
        "frames",
        "answers accepted",
        "moves",
        "travel, to and fro (µm)",
        "stage range (µm)",
    )
    note = (
        f"The true defocus of each frame, from the {WARM_UP + 1}st on: before, our lock checks its model by "
        "moving the stage on purpose."
    )
    return Table(columns, [_row(LABELS[name], told) for name, told in results.cases.items()], note)


def _row(label: str, told: Told) -> tuple[str, ...]:
    return (
        label,
        f"{told['rms_um']:.2f}",
        f"{told['largest_um']:.2f}",
        f"{told['within_1um']:.1%}",
        f"{told['n_frames']:,}",
        f"{told['accepted']:.0%}" if told["holder"] == OURS else "-",
        f"{told['moves']:,}",
        f"{told['travel_um']:.0f}",
        f"{told['stage_range_um']:.1f}",
    )


def findings(results: Results) -> Sequence[Finding]:
    """What the paper says of Fig 6, and what came of it here."""
    return _held(results[PAPER], results[NONE]), _many_cells(results[PAPER]), _ours(results)


def _held(paper: Told, none: Told) -> Finding:
    is_held = paper["within_1um"] >= 0.9
    went_along = abs(paper["stage_range_um"] - paper["drift_um"]) < 0.2 * paper["drift_um"]
    near = paper["largest_um"] < 0.25 * none["largest_um"]
    return Finding(
        "Over 24 hours and 40 µm of drift the sample is maintained within ±1 µm of the position locked in.",
        f"By the rule of 2018, {paper['within_1um']:.0%} of the frames are within 1 µm, the furthest at "
        f"{paper['largest_um']:.1f} µm; the stage went over {paper['stage_range_um']:.0f} µm, the "
        f"focus drifted by {paper['drift_um']:.0f} µm. With no control {none['within_1um']:.0%} are, the "
        f"furthest at {none['largest_um']:.0f} µm.",
        "agrees" if is_held and went_along else "open" if near else "differs",
        ""
        if is_held and went_along
        else "The rule keeps the estimate within ±1 µm, not the sample: the network's errors come on top, "
        "and the drift between two frames.",
    )


def _many_cells(paper: Told) -> Finding:
    true_um = np.abs(np.array(paper["course"]["true_um"], np.float64))
    middle = len(true_um) // 2
    first, last = (float(np.sqrt(np.mean(part**2))) for part in (true_um[:middle], true_um[middle:]))
    is_so = last < 1.5 * first
    return Finding(
        "Focus is held regardless of what is in the field, from 15 cells to many hundreds.",
        f"RMS {first:.2f} µm in the first half and {last:.2f} µm in the second, as {paper['cells_at_start']} "
        f"cells became {paper['cells_at_end']}.",
        "agrees" if is_so else "differs",
        "The field holds no more cells than that; the paper's is three times as large." if is_so else "",
    )


def _ours(results: Results) -> Finding:
    paper, ours = results[PAPER], results[OURS]
    return Finding(
        "A belief over many frames, with a dead band of its own, holds the sample itself within ±1 µm.",
        f"Our lock leaves {ours['rms_um']:.2f} µm RMS, {ours['largest_um']:.1f} µm at most, and "
        f"{ours['within_1um']:.0%} of the frames within 1 µm; the rule of 2018 {paper['rms_um']:.2f} µm RMS. "
        f"Both without the first {WARM_UP} frames, in which our lock checks its model by known moves.",
        "agrees" if ours["within_1um"] >= 0.9 else "differs",
        beyond=True,
    )


def how(size: Size) -> str:
    """What was run."""
    plan = PLANS[size]
    field_um = FIELD_UM["toy" if size == "toy" else "paper"]
    return (
        f"{plan.hours:g} simulated hours with {plan.drift_um:g} µm of drift, {plan.n_frames:,} frames, one "
        f"every {plan.period_s:g} s, cells that change every {plan.scene_every_s / 60:g} minutes in a field "
        f"of {field_um:g} µm; the 2018 network at 4X, trained by {STEPS[size]:,} steps, and the shipped "
        "model, which is not trained for it. The paper: 24 hours at 20 frames a second, 15 to many hundreds "
        "of cells, a network with 100,000 steps, a real microscope."
    )


STUDY = Study(
    name="closed-loop",
    title="Live control",
    paper="Fig 6, section 2.7",
    question="Is focus held for a day while the stage drifts and the cells grow?",
    stocks=stocks,
    cases=cases,
    run=run,
    figures=figures,
    table=table,
    findings=findings,
    how=how,
)
