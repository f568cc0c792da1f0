"""How a run went, from its record alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from parfocal.control.lock_settings import LockSettings
from parfocal.control.lock_summary import LockSummary, summarise
from parfocal.control.run_log import RunLog
from parfocal.control.run_record import RunEvent, RunRecord

FAULT = "fault: "
"""So begins the event with which a lock ends that a failure ended."""


def summary_of_run(record: Path) -> LockSummary:
    """How a run went, from its record; all of it, where it was resumed.

    Raises
    ------
    InputError
        If the file is missing or is no run record.
    """
    run = RunLog.open(record)
    lock = LockSettings.parse(run.settings()["lock"], source=str(record))
    (_, first_um), *later = run.targets(lock.controller.target_um)
    summary = summarise(
        run.snapshots(), target_um=first_um, tolerance_um=lock.tolerance_um, later_targets=later
    )
    events = run.events()
    resumptions = [event for event in events if event.is_resumption]
    faults = [event.text.removeprefix(FAULT) for event in _last_part(events) if event.text.startswith(FAULT)]
    return replace(
        summary,
        fault=faults[0] if faults else "",
        held=summary.held and not faults,
        n_resumed=len(resumptions),
        unwatched_hours=sum(_unwatched_s(run, event) for event in resumptions) / 3600,
    )


def _last_part(events: Sequence[RunEvent]) -> Sequence[RunEvent]:
    """The events since it was last resumed: what ended an earlier part did not end the run."""
    begins = [k for k, event in enumerate(events) if event.is_resumption]
    return events[begins[-1] :] if begins else events


def _unwatched_s(run: RunRecord, resumption: RunEvent) -> float:
    before_s = run.last_time_s(before_s=resumption.t_s)
    return 0.0 if before_s is None else resumption.t_s - before_s
