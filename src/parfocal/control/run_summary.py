"""How a run went, from its record alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from parfocal.control.lock_settings import LockSettings
from parfocal.control.lock_summary import LockSummary, summarise
from parfocal.control.run_log import RunLog

FAULT = "fault: "
"""So begins the event with which a lock ends that a failure ended."""


def summary_of_run(record: Path) -> LockSummary:
    """How a run went, from its record.

    Raises
    ------
    InputError
        If the file is missing or is no run record.
    """
    run = RunLog.open(record)
    lock = LockSettings.parse(run.settings()["lock"], source=str(record))
    summary = summarise(run.snapshots(), target_um=lock.controller.target_um, tolerance_um=lock.tolerance_um)
    faults = [event.text.removeprefix(FAULT) for event in run.events() if event.text.startswith(FAULT)]
    return replace(summary, fault=faults[0], held=False) if faults else summary
