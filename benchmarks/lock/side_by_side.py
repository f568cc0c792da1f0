"""One run: all contenders hold focus on the same cells, each with its own microscope, clock and drive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from holders import Holder, LockHolder, RuleHolder, Spent, StandsStill, Step, TimedCamera
from jumping_focus import JumpingFocus
from numpy.typing import NDArray
from rules import EachAnswer, HillClimber, Rule, Smoothed

from parfocal.control import (
    FocusLock,
    LimitSettings,
    LockSettings,
    SelfCheckSettings,
    SimulatedClock,
    Supervisor,
)
from parfocal.estimate import Estimator
from parfocal.microscope import ExperimentSettings, Sample, SimulatedMicroscope
from parfocal.optics import VirtualMicroscope, preset, settings_of_day
from parfocal.rigs import NEW_DAY

OURS, PAPER, SMOOTHED, CLIMBER, NONE = "parfocal", "2018", "ewma", "hill climber", "none"
CONTENDERS = (OURS, PAPER, SMOOTHED, CLIMBER, NONE)
FRAME_RATE_HZ = LockSettings.model_fields["frame_rate_hz"].default
REACH_UM, LARGEST_STEP_UM = 60.0, 5.0
WITHIN_UM = 1.0
LOST_UM = 3.0
"""This far from focus, and it counts as lost, until it is within `WITHIN_UM` again."""
WARM_UP = 20
"""Frames that do not count: in them the lock checks its model by known moves of more than a um."""
KEEP_EVERY = 5
"""One in so many frames stays in the record."""


@dataclass(frozen=True)
class Plan:
    """How a run goes: its seed, and the frames of it, so many seconds apart."""

    seed: int
    frames: int = 1200
    period_s: float = 72.0
    scene_every_s: float = 1200.0
    quality: str = "ci"

    @property
    def experiment(self) -> ExperimentSettings:
        """The living experiment, from a stage in focus on."""
        return ExperimentSettings(scene_every_s=self.scene_every_s, start_defocus_um=0.0)


@dataclass
class Course:
    """What happened to one contender, frame by frame."""

    true_um: list[float] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)

    def numbers(self, *, since: int = 0) -> dict[str, Any]:
        """How well it held, from that frame on."""
        true_um = np.array(self.true_um[since:])
        moves_um = np.array([step.move_um for step in self.steps])
        says_lost = np.array([step.says_lost for step in self.steps])
        return {
            "rms_um": float(np.sqrt(np.mean(true_um**2))),
            "largest_um": float(np.abs(true_um).max()),
            "within_1um": float(np.mean(np.abs(true_um) <= WITHIN_UM)),
            "losses": count_losses(true_um),
            "reported_losses": int(np.count_nonzero(np.diff(says_lost.astype(int), prepend=0) == 1)),
            "refused": float(np.mean([step.is_refused for step in self.steps])),
            "moves": int(np.count_nonzero(moves_um)),
            "travel_um": float(np.abs(moves_um).sum()),
            **asdict(self.spent),
        }

    def decimated(self) -> dict[str, list[float | None]]:
        """The true defocus of one in `KEEP_EVERY` frames, and what was told of it."""
        told_um = [step.told_um for step in self.steps[::KEEP_EVERY]]
        return {
            "true_um": [round(um, 3) for um in self.true_um[::KEEP_EVERY]],
            "told_um": [None if um is None else round(um, 3) for um in told_um],
        }


class Stand:
    """A contender before its own microscope: the cells are those of all, the drive is its own.

    Parameters
    ----------
    plan : Plan
    sample : Sample
        See `sample_of`.
    make : callable
        See `contenders`.
    begin_s : float
        Time in s at which it stands in focus.
    """

    def __init__(
        self,
        plan: Plan,
        sample: Sample,
        make: Make,
        *,
        begin_s: float = 0.0,
    ) -> None:
        self.clock = SimulatedClock(plan.period_s * FRAME_RATE_HZ, paced=False)
        self.clock.wait_until(begin_s)
        settings, experiment = virtual_microscope(plan), plan.experiment
        self.microscope = SimulatedMicroscope(
            settings, seed=plan.seed, clock=self.clock, experiment=experiment, sample=sample
        )
        self.camera, self.drive = TimedCamera(self.microscope), JumpingFocus(self.microscope)
        self.limits = LimitSettings.around(
            self.drive.position_um(), reach_um=REACH_UM, largest_step_um=LARGEST_STEP_UM
        )
        self.course = Course()
        self._holder = make(self)

    def step_at(self, t_s: float) -> float:
        """One frame, at a time in s; gives the true defocus in um that it is taken at."""
        self.clock.wait_until(t_s)
        true_um = self.microscope.true_defocus_um()
        start, in_camera = Spent.now(), self.camera.spent
        self.course.steps.append(self._holder.step())
        self.course.spent += (Spent.now() - start) - (self.camera.spent - in_camera)
        self.course.true_um.append(true_um)
        return true_um


Make = Callable[[Stand], Holder]
"""What puts a contender before a stand."""


def sample_of(plan: Plan) -> Sample:
    """The cells that all contenders of a run look at."""
    return Sample(virtual_microscope(plan), seed=plan.seed, experiment=plan.experiment)


def virtual_microscope(plan: Plan) -> VirtualMicroscope:
    """The microscope of a run, on a day that no training stack is of."""
    return settings_of_day(preset("yeast-40x", quality=plan.quality), seed=plan.seed, experiment=NEW_DAY)


def contenders(ours: Estimator, paper: Estimator) -> dict[str, Make]:
    """Every contender under its name."""
    return {
        OURS: lambda stand: LockHolder(focus_lock(stand, ours)),
        PAPER: by_rule(lambda: EachAnswer(paper)),
        SMOOTHED: by_rule(lambda: Smoothed(ours)),
        CLIMBER: by_rule(HillClimber),
        NONE: lambda stand: StandsStill(),
    }


def by_rule(make: Callable[[], Rule]) -> Make:
    """A contender that goes by a rule, through a supervisor."""
    return lambda stand: RuleHolder(
        stand.camera, Supervisor(stand.drive, stand.limits, clock=stand.clock), make()
    )


def focus_lock(stand: Stand, estimator: Estimator) -> FocusLock:
    """A lock with the settings that `parfocal lock` has by default."""
    settings = LockSettings(limits=stand.limits, self_check=SelfCheckSettings())
    return FocusLock(stand.camera, stand.drive, estimator, settings=settings, clock=stand.clock)


def hold_side_by_side(
    plan: Plan,
    makers: dict[str, Make],
    *,
    watch: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """One run: the numbers of each contender, and its course.

    Parameters
    ----------
    plan : Plan
    makers : dict
        See `contenders`.
    watch : callable
        Is told after each frame how many are done.
    """
    sample = sample_of(plan)
    stands = {name: Stand(plan, sample, make) for name, make in makers.items()}
    in_scenes = Spent()
    for k in range(plan.frames):
        t_s, start = k * plan.period_s, Spent.now()
        sample.light_at(t_s)  # so that none of the contenders pays for it
        in_scenes += Spent.now() - start
        for stand in stands.values():
            stand.step_at(t_s)
        watch(k + 1)
    return {
        "scenes": asdict(in_scenes),
        "contenders": {name: stand.course.numbers(since=WARM_UP) for name, stand in stands.items()},
        "t_s": [k * plan.period_s for k in range(0, plan.frames, KEEP_EVERY)],
        "courses": {name: stand.course.decimated() for name, stand in stands.items()},
    }


def count_losses(true_um: Sequence[float] | NDArray[np.float64]) -> int:
    """How often focus was lost: further than `LOST_UM`, since it was last within `WITHIN_UM`.

    Examples
    --------
    >>> count_losses([0.0, 3.5, 2.0, -3.5, 0.5, 4.0])
    2
    """
    losses, is_lost = 0, False
    for um in true_um:
        if not is_lost and abs(um) > LOST_UM:
            losses, is_lost = losses + 1, True
        elif abs(um) <= WITHIN_UM:
            is_lost = False
    return losses
