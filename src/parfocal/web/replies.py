"""What the REST endpoints answer, and what they take."""

from __future__ import annotations

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from parfocal.control import LockState, LockSummary
from parfocal.estimate import NORMAL_90
from parfocal.web.board import Reading
from parfocal.web.messages import Heard

KNOWN_UM = 100.0
"""A belief that is wider than this is none."""


class SummaryReply(BaseModel):
    """How a lock went."""

    model_config = ConfigDict(from_attributes=True)

    held: bool = Field(description="Whether the focus was held")
    hours: float
    n_frames: int
    n_moves: int
    losses: int
    residual_rms_um: float | None
    residual_largest_um: float | None
    within_tolerance: float = Field(description="Fraction of frames")
    stage_travel_um: float
    fault: str = Field(description="The failure that ended it; empty if none did")
    why_not_locked: str


class StateReply(BaseModel):
    """What is known of the lock now. What is not known is null."""

    state: LockState = Field(description="What the lock says of itself")
    in_state_s: float = Field(description="For how long, by the lock's clock")
    alarm: bool = Field(description="Whether somebody should come: lost, or ended by a failure")
    is_over: bool
    is_stopping: bool = Field(description="A stop was asked for and comes with the frame at hand")
    is_late: bool = Field(description="Whether frames should have come, and did not")
    frame_age_s: float = Field(description="Real seconds since the last frame")
    frame_rate_hz: float = Field(description="Frames a second, of late")
    elapsed_s: float = Field(description="Of the run, by the lock's clock")
    hours: float = Field(description="How long the run is to last")
    z_um: float | None = Field(description="Stage position")
    lowest_z_um: float = Field(description="Lower end of the window; no position outside is ever commanded")
    highest_z_um: float = Field(description="Upper end of the window")
    target_um: float = Field(description="The defocus that is held")
    tolerance_um: float = Field(description="So far from the target counts as in focus")
    defocus_um: float | None = Field(description="Believed defocus: stage minus focus position")
    interval90_um: tuple[float, float] | None = Field(description="Holds the defocus in nine of ten cases")
    estimate_um: float | None = Field(description="The model's answer to the last frame alone")
    estimate_std_um: float | None
    accepted: bool | None = Field(description="Whether that answer may be acted on")
    in_distribution: float | None = Field(description="1: the frame is like those of the training; 0: unlike")
    latency_ms: float | None = Field(description="From frame to answer")
    reason: str = Field(description="Why it moved with the last frame, or did not")
    n_frames: int = Field(description="Since this page began")
    n_moves: int
    n_losses: int
    rig: str
    record: str
    model: str = Field(description="Fingerprint of the model's file")
    summary: SummaryReply | None = Field(description="Once the lock is over")

    @classmethod
    def of(cls, now: Reading) -> Self:
        """A reading of the board in plain values."""
        start, last = now.start, now.snapshot
        limits = start.settings.limits
        interval_um = believed_interval_um(now)
        return cls(
            state=now.state,
            in_state_s=max(0.0, now.elapsed_s + start.began_s - now.since_s),
            alarm=now.is_alarm,
            is_over=now.is_over,
            is_stopping=now.is_stopping,
            is_late=now.is_late,
            frame_age_s=now.age_s,
            frame_rate_hz=now.rate_hz,
            elapsed_s=now.elapsed_s,
            hours=start.hours,
            z_um=last.z_um if last else None,
            lowest_z_um=limits.lowest_z_um,
            highest_z_um=limits.highest_z_um,
            target_um=now.target_um,
            tolerance_um=start.settings.tolerance_um,
            defocus_um=last.belief_um if last and interval_um else None,
            interval90_um=interval_um,
            estimate_um=_finite(last.defocus_um) if last else None,
            estimate_std_um=_finite(last.std_um) if last else None,
            accepted=last.accepted if last else None,
            in_distribution=_finite(last.in_distribution) if last else None,
            latency_ms=_finite(last.latency_ms) if last else None,
            reason=last.reason if last else "",
            n_frames=now.n_frames,
            n_moves=now.n_moves,
            n_losses=now.n_losses,
            rig=start.rig,
            record=start.record,
            model=start.model,
            summary=_summary(now.summary),
        )


class EventReply(BaseModel):
    """Something that happened during the run."""

    t_s: float = Field(description="On the lock's clock")
    wall_time_s: float = Field(description="Seconds since 1970 (UTC)")
    text: str

    @classmethod
    def of(cls, heard: Heard) -> Self:
        """An event of the board."""
        return cls(t_s=heard.t_s, wall_time_s=heard.wall_time_s, text=heard.text)


class HistoryReply(BaseModel):
    """The course of the lock, oldest first: one list for each value. What is not known is null."""

    t_s: list[float] = Field(description="On the lock's clock")
    z_um: list[float] = Field(description="Stage position")
    focus_z_um: list[float | None] = Field(description="Where the accepted answers say that the focus is")
    error_um: list[float] = Field(description="Believed distance from the target")
    least_um: list[float] = Field(description="The least of it in the stretch that a point stands for")
    most_um: list[float] = Field(description="The most of it")
    true_error_um: list[float | None] = Field(description="The true one, on a virtual microscope only")
    in_distribution: list[float] = Field(description="The least")
    state: list[LockState] = Field(description="The gravest")


class TargetWish(BaseModel):
    """A target to hold."""

    target_um: float = Field(description="The defocus to hold", allow_inf_nan=False)


class AskedReply(BaseModel):
    """What was asked of the lock. It comes with the next frame: see the state."""

    asked: str


class HealthReply(BaseModel):
    """Whether frames come."""

    ok: bool


def believed_interval_um(now: Reading) -> tuple[float, float] | None:
    """What holds the defocus in nine of ten cases, or None while nothing is known."""
    last = now.snapshot
    if last is None or not last.belief_sd_um < KNOWN_UM:
        return None
    half_um = NORMAL_90 * last.belief_sd_um
    return last.belief_um - half_um, last.belief_um + half_um


def without_nan(values: list[float]) -> list[float | None]:
    """The same with None in place of what is not a number, which JSON does not know."""
    return [_finite(value) for value in values]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _summary(summary: LockSummary | None) -> SummaryReply | None:
    return None if summary is None else SummaryReply.model_validate(summary)
