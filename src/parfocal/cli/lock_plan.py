"""How a lock is to behave, as far as the options of the verb say, and the settings that come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from parfocal.cli.source import LARGEST_STEP_UM, limits_of

if TYPE_CHECKING:
    from parfocal.control import LockSettings, LockSnapshot, LockSummary, Onlooker, RecordSettings, RunSoFar
    from parfocal.estimate import Estimator
    from parfocal.rigs import Rig

    Watch = Callable[[LockSnapshot], None]

FRAME_RATE_HZ = 20.0
SOURCE = "the command's options"


@dataclass(frozen=True)
class LockWishes:
    """What the options say; None where they say nothing."""

    lowest_z: float | None
    highest_z: float | None
    largest_step: float | None
    dead_band: float | None
    backlash: float | None
    target: float | None
    frame_rate: float | None
    self_check: bool | None

    def of_new_run(self, rig: Rig, *, depth_um: float | None) -> LockSettings:
        """The settings of a new run.

        Parameters
        ----------
        rig : Rig
        depth_um : float or None
            Depth of field, where it is known.
        """
        from parfocal.control import LockSettings

        step_um = LARGEST_STEP_UM if self.largest_step is None else self.largest_step
        checks = not rig.repeats_frames if self.self_check is None else self.self_check
        tolerance = _known({"arrival_tolerance_um": arrival_tolerance_of(self.largest_step)})
        values = {
            "limits": {**limits_of(rig, self.lowest_z, self.highest_z, step_um), **tolerance},
            "frame_rate_hz": FRAME_RATE_HZ if self.frame_rate is None else self.frame_rate,
            "controller": {"target_um": self.target or 0.0},
            "self_check": {} if checks else None,
        }
        settings = LockSettings.parse(values, source=SOURCE)
        if depth_um:
            settings = settings.for_depth(depth_um)
        return self.changing(settings)

    def changing(self, settings: LockSettings) -> LockSettings:
        """Settings with what the options say in place of what they had."""
        from parfocal.control import LockSettings

        values = settings.model_dump()
        checks: dict[bool | None, Any] = {None: values["self_check"], True: {}, False: None}
        said = {
            "limits": {
                "lowest_z_um": self.lowest_z,
                "highest_z_um": self.highest_z,
                "largest_step_um": self.largest_step,
                "arrival_tolerance_um": arrival_tolerance_of(self.largest_step),
            },
            "controller": {"target_um": self.target, "dead_band_um": self.dead_band},
        }
        tables = {name: {**values[name], **_known(table)} for name, table in said.items()}
        changes = {
            "self_check": checks[self.self_check],
            **_known({"frame_rate_hz": self.frame_rate, "backlash_um": self.backlash}),
        }
        return LockSettings.parse({**values, **tables, **changes}, source=SOURCE)


@dataclass(frozen=True)
class Before:
    """The part of a run that is in its record already; nothing, of a new run."""

    so_far: RunSoFar | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Path | None) -> Self:
        """What a record has, where there is one."""
        if record is None:
            return cls()
        from parfocal.control import RunLog, run_so_far

        run = RunLog.open(record)
        return cls(run_so_far(run), run.settings())


@dataclass(frozen=True)
class LockPlan:
    """A lock as the options have it, ready to begin or to go on."""

    wishes: LockWishes
    hours: float
    record: Path
    keep_image_every_s: float | None
    facts: Mapping[str, Any]
    depth_um: float | None

    def hold(
        self, rig: Rig, estimator: Estimator, watch: Watch, onlookers: Sequence[Onlooker]
    ) -> LockSummary:
        """Begin a run."""
        from parfocal.control import RecordSettings
        from parfocal.hold import hold_focus

        return hold_focus(
            rig,
            estimator,
            settings=self.wishes.of_new_run(rig, depth_um=self.depth_um),
            hours=self.hours,
            record=self.record,
            keep=self._keep(RecordSettings()),
            facts=self.facts,
            watch=watch,
            onlookers=onlookers,
        )

    def go_on(
        self, rig: Rig, estimator: Estimator, watch: Watch, onlookers: Sequence[Onlooker]
    ) -> LockSummary:
        """Go on with a run."""
        from parfocal.control import RecordSettings, RunLog, settings_at_the_end
        from parfocal.resume import resume_focus

        run = RunLog.open(self.record)
        return resume_focus(
            rig,
            estimator,
            record=self.record,
            settings=self.wishes.changing(settings_at_the_end(run)),
            hours=self.hours,
            keep=self._keep(RecordSettings.parse(run.settings().get("record", {}), source=str(self.record))),
            facts=self.facts,
            watch=watch,
            onlookers=onlookers,
        )

    def _keep(self, settings: RecordSettings) -> RecordSettings:
        every_s = self.keep_image_every_s
        return settings if every_s is None else settings.replace(keep_image_every_s=every_s)


def arrival_tolerance_of(largest_step_um: float | None) -> float | None:
    """None for the usual one; less for a drive of so small steps that they would not be noticed in it."""
    from parfocal.control import LimitSettings

    usual_um: float = LimitSettings.model_fields["arrival_tolerance_um"].default
    return largest_step_um if largest_step_um and largest_step_um < usual_um else None


def _known(values: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
