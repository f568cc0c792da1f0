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
    say(
        f"{verdict} for {summary.hours:.2f} h over {summary.stage_travel_um:.1f} um of stage travel: "
        f"{summary.n_frames} frames, {summary.n_moves} moves, {summary.losses} losses.",
        style="bold green" if summary.held else "bold red",
    )
    if summary.residual_rms_um is not None and summary.residual_largest_um is not None:
        say(
            f"Residual defocus {summary.residual_rms_um:.2f} um RMS, {summary.residual_largest_um:.2f} um at "
            f"most; {summary.within_tolerance:.1%} of frames within tolerance."
        )
    if summary.fault:
        say(f"Ended by a fault: {summary.fault}", style="red")


def summary_json(summary: LockSummary, *, record: Path) -> dict[str, Any]:
    """The summary as plain values, and where the record is."""
    return {**asdict(summary), "record": str(record)}
