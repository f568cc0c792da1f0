"""How a focus lock went, in words and in JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parfocal.cli.terminal import say

if TYPE_CHECKING:
    from parfocal.control import LockSummary


def say_summary(summary: LockSummary) -> None:
    """Print how a lock went, the verdict first."""
    verdict = "Focus held" if summary.held else "Focus was not held"
    if summary.residual_rms_um is None:
        verdict = "Focus was never found"
    say(
        f"{verdict} for {_span(summary.hours)} over {summary.stage_travel_um:.1f} um of stage travel: "
        f"{summary.n_frames} frames, {summary.n_moves} moves, {summary.losses} losses.",
        style="bold green" if summary.held else "bold red",
    )
    if summary.residual_rms_um is not None and summary.residual_largest_um is not None:
        say(
            f"Residual defocus {summary.residual_rms_um:.2f} um RMS, {summary.residual_largest_um:.2f} um at "
            f"most; {summary.within_tolerance:.1%} of frames within tolerance."
        )
    if summary.n_resumed:
        times = "once" if summary.n_resumed == 1 else f"{summary.n_resumed} times"
        say(f"Resumed {times}; for {_span(summary.unwatched_hours)} nobody watched.")
    if summary.why_not_locked and not summary.held:
        say(f"While it was not locked, mostly: {summary.why_not_locked}.")
    if summary.fault:
        say(f"Ended early: {summary.fault}", style="red")


def _span(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def summary_json(summary: LockSummary, *, record: Path) -> dict[str, Any]:
    """The summary as plain values, and where the record is."""
    return {**asdict(summary), "record": str(record)}
