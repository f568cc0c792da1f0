"""Goes on with the record of a run that ended or was cut off: what ``parfocal lock --resume`` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from parfocal.control import (
    FocusLock,
    LockSettings,
    LockSnapshot,
    LockSummary,
    Onlooker,
    Onlookers,
    RecordSettings,
    RunLog,
    RunRecord,
    run_so_far,
)
from parfocal.control.requests import target_event
from parfocal.control.run_record import RESUMED
from parfocal.control.run_so_far import settings_at_the_end
from parfocal.control.run_summary import summary_of_run
from parfocal.errors import InputError
from parfocal.estimate import Estimator
from parfocal.hold import checked_for, draw_run, facts_of, refuse_no_time, start_of
from parfocal.rigs import Rig


def resume_focus(
    rig: Rig,
    estimator: Estimator,
    *,
    record: Path,
    settings: LockSettings | None = None,
    hours: float | None = None,
    keep: RecordSettings | None = None,
    facts: Mapping[str, Any] | None = None,
    watch: Callable[[LockSnapshot], None] | None = None,
    onlookers: Sequence[Onlooker] = (),
) -> LockSummary:
    """Locks the focus for the rest of a run, in its record, and draws all of it.

    Parameters
    ----------
    rig : Rig
        The one of the record, opened with ``after=run_so_far(record)``.
    estimator : Estimator
        The one of the record.
    record : Path
    settings, hours, keep
        Those of the record, where not given. The hours count from the first frame of all.
    facts : mapping, optional
        What else the record should know; takes the place of what it has under the same names.
    watch : callable, optional
        Is told of every frame.
    onlookers : sequence of Onlooker
        Pages and alarms.

    Returns
    -------
    LockSummary
        Of the whole run.

    Raises
    ------
    InputError
        If the record is of another model or rig, holds no frames or is being written, or the run is over.
    ModelError, DeviceError, LimitError
        As `parfocal.hold.hold_focus`.

    Notes
    -----
    Where the focus was last found counts as the place to go back to only if the drive still stands where the
    record left it: else somebody moved it, and where it stands counts.
    """
    run = RunLog.open(record)
    so_far, before = run_so_far(run), run.settings()
    _refuse_another(rig, estimator, run)
    held_um = settings_at_the_end(run).controller.target_um
    settings = settings or settings_at_the_end(run)
    hours = before["hours"] if hours is None else hours
    keep = keep or RecordSettings.parse(before.get("record", {}), source=str(record))
    refuse_no_time(hours)
    left_s = so_far.began_s + 3600 * hours - rig.clock.now_s()
    if left_s <= so_far.period_s / 2:  # no room for another frame
        raise InputError(f"{record}: its {hours:g} h are over. Give it more of them to go on.")
    settings = checked_for(rig, estimator, settings)
    is_where_left = abs(rig.drive.position_um() - so_far.left_at_um) <= settings.limits.arrival_tolerance_um
    known = {**before, **(facts or {}), **facts_of(rig, estimator, settings=settings, hours=hours, keep=keep)}
    with RunLog.go_on(record, settings=known, keep=keep) as log, Onlookers(onlookers, watch=watch) as crowd:
        lock = FocusLock(
            rig.camera,
            rig.drive,
            estimator,
            settings=settings,
            clock=rig.clock,
            log=log,
            on_step=crowd.see,
            on_event=crowd.hear,
            truth=rig.truth,
            good_z_um=so_far.good_z_um if is_where_left else None,
            first_event="; ".join([f"{RESUMED}{so_far.away_s(time.time()):.0f} s", *_changes(before, known)]),
        )
        if settings.controller.target_um != held_um:
            log.event(rig.clock.now_s(), target_event(held_um, settings.controller.target_um))
        began_s = so_far.began_s
        crowd.begin(
            lock,
            start_of(rig, estimator, settings=settings, record=record, began_s=began_s, hours=hours),
        )
        part = lock.run(began_s + 3600 * hours - rig.clock.now_s())
        whole = summary_of_run(record)
        whole = replace(whole, fault=part.fault, held=whole.held and not part.fault)
        crowd.end_with(whole)
    draw_run(record)
    return whole


def _refuse_another(rig: Rig, estimator: Estimator, run: RunRecord) -> None:
    if estimator.fingerprint != run.model_fingerprint:
        raise InputError(
            f"{run.path}: is a run of the model {run.model_fingerprint}, this one is "
            f"{estimator.fingerprint}. Resume it with the same model, or begin another run."
        )
    known = run.settings()
    ours = {"rig": rig.about, "rig_fingerprint": rig.fingerprint, "pixel_size_um": rig.camera.pixel_size_um}
    differs = [name for name, value in ours.items() if known.get(name, value) != value]
    if differs:
        raise InputError(
            f"{run.path}: is a run on {_in_words(known)}, this is {_in_words(ours)}. Resume it there, or "
            "begin another run."
        )


def _in_words(rig: Mapping[str, Any]) -> str:
    pixel_size_um, fingerprint = rig.get("pixel_size_um"), rig.get("rig_fingerprint")
    size = f", pixels of {pixel_size_um:g} um" if pixel_size_um else ""
    return f"{rig['rig']}{size}" + (f" ({fingerprint})" if fingerprint else "")


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What is other than it was, in words for each value."""
    old, new = _flat(before), _flat(after)
    for name in new:
        if name in old and old[name] != new[name]:
            yield f"{name} changed from {old[name]} to {new[name]}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under names with dots."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
