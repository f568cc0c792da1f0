"""The supervisor: the one place through which every move of the focus drive passes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from parfocal.control.allowance import HOUR_S, Allowance
from parfocal.control.clock import Clock
from parfocal.control.devices import FocusDrive
from parfocal.errors import DeviceError, LimitError
from parfocal.settings import Settings

MOST_OF_IT = 0.6
"""Of a move, from which on it was undone; less than that may be a drive that creeps back."""


class LimitSettings(Settings):
    """Where the focus drive may be, and how far and how fast it may go.

    Attributes
    ----------
    lowest_z_um, highest_z_um : float
        The window, in the drive's own absolute coordinates. No position outside is ever commanded.
    largest_step_um : float
        No single move is longer.
    largest_step_toward_um : float, optional
        The same for moves toward the sample, in which an objective can hit it: half of the other if not
        given.
    fastest_um_per_s : float, optional
        Moves in a row go no further than that on average, beyond one largest step: eight largest steps a
        second if not given.
    travel_um_per_h : float, optional
        Nor further than that in an hour, to and fro: twenty times the window if not given.
    arrival_tolerance_um : float
        A drive that reads further than this from where it was sent, or from the window, has failed.
    most_undone : int
        So many moves in a row may be undone by somebody else. Two that drive one objective must not go on.

    Examples
    --------
    >>> limits = LimitSettings.around(100.0, reach_um=30.0)
    >>> limits.lowest_z_um, limits.highest_z_um, limits.step_toward_um, limits.budget_um_per_h
    (70.0, 130.0, 2.5, 1200.0)
    """

    lowest_z_um: float
    highest_z_um: float
    largest_step_um: float = Field(default=5.0, gt=0)
    largest_step_toward_um: float | None = Field(default=None, gt=0)
    fastest_um_per_s: float | None = Field(default=None, gt=0)
    travel_um_per_h: float | None = Field(default=None, gt=0)
    arrival_tolerance_um: float = Field(default=0.5, gt=0)
    most_undone: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.lowest_z_um >= self.highest_z_um:
            raise ValueError(
                f"expected lowest_z_um below highest_z_um, got {self.lowest_z_um}, {self.highest_z_um}"
            )
        if self.arrival_tolerance_um > self.largest_step_um:
            raise ValueError("expected an arrival_tolerance_um of at most largest_step_um")
        return self

    @classmethod
    def around(cls, z_um: float, *, reach_um: float, largest_step_um: float = 5.0) -> Self:
        """A window that reaches `reach_um` to both sides of a position."""
        return cls(lowest_z_um=z_um - reach_um, highest_z_um=z_um + reach_um, largest_step_um=largest_step_um)

    def allowed(self, z_um: float) -> float:
        """The position itself, where somebody's plan may send the drive.

        Raises
        ------
        LimitError
            If it is outside the window.
        """
        if not self.lowest_z_um <= z_um <= self.highest_z_um:
            raise LimitError(
                f"Expected a plan that keeps the focus drive between {self.lowest_z_um} and "
                f"{self.highest_z_um} um, it goes to {z_um:.2f} um. Nothing was moved. Set other limits, or "
                "another plan."
            )
        return z_um

    @property
    def step_toward_um(self) -> float:
        """Longest single move toward the sample."""
        return min(self.largest_step_toward_um or 0.5 * self.largest_step_um, self.largest_step_um)

    @property
    def rate_um_per_s(self) -> float:
        """How fast moves in a row may go on."""
        return self.fastest_um_per_s or 8 * self.largest_step_um

    @property
    def budget_um_per_h(self) -> float:
        """Travel in an hour, to and fro."""
        return self.travel_um_per_h or 20 * (self.highest_z_um - self.lowest_z_um)


class CutBy(StrEnum):
    """What a move was cut short by."""

    NOTHING = ""
    STEP = "the largest step"
    RATE = "the largest rate"
    TRAVEL = "the travel allowed in an hour"
    WINDOW = "the end of the window"
    HAND = "somebody else, who moved the drive"


@dataclass(frozen=True)
class Move:
    """A move as it was made: how far the drive went, in um, and what cut it shortest."""

    um: float
    cut_by: CutBy = CutBy.NOTHING


class Supervisor:
    """Passes moves on to a drive, cut to the limits.

    Parameters
    ----------
    drive : FocusDrive
    limits : LimitSettings
    clock : Clock
        By which rates count.

    Raises
    ------
    LimitError
        If the drive is outside the window to begin with.
    """

    def __init__(self, drive: FocusDrive, limits: LimitSettings, *, clock: Clock) -> None:
        self._drive = drive
        self._limits = limits
        self._clock = clock
        now_s, step_um = clock.now_s(), limits.largest_step_um
        budget_um = max(limits.budget_um_per_h, step_um)
        self._rate = Allowance(step_um, limits.rate_um_per_s, step_um, now_s)
        self._travel = Allowance(budget_um, limits.budget_um_per_h / HOUR_S, budget_um, now_s)
        self._left_at_um = self._read_um()
        self._is_displaced = False
        self._moved_um = 0.0  # by the last move, until it is looked at
        self._n_undone = 0

    @property
    def is_displaced(self) -> bool:
        """Whether the drive, when last looked at, stood elsewhere than it was left: moved, or crept."""
        return self._is_displaced

    def take_over(self) -> None:
        """What was done to the drive until now was meant to be: others drive it in turn.

        Raises
        ------
        LimitError
            If it is outside the window.
        DeviceError
            If it does not answer.
        """
        self._moved_um, self._n_undone, self._is_displaced = 0.0, 0, False
        self._left_at_um = self._read_um()

    def position_um(self) -> float:
        """Where the drive stands, as it reads.

        Raises
        ------
        LimitError
            If it is outside the window; the drive was stopped.
        DeviceError
            If it does not answer, or somebody undoes move after move.
        """
        try:
            return self._look()
        except BaseException:
            self.stop()
            raise

    def glance_um(self) -> float:
        """Where the drive stands while it is left to others: outside the window is no failure.

        Whatever they do with it counts as no undone move. `is_displaced` is as after `position_um`.

        Raises
        ------
        DeviceError
            If it does not answer, or with no finite number; the drive was stopped.
        """
        try:
            z_um = self._drive.position_um()
            if not math.isfinite(z_um):
                raise DeviceError(f"Expected the position of the focus drive in um, it reads {z_um}.")
        except BaseException:
            self.stop()
            raise
        self._is_displaced = abs(z_um - self._left_at_um) > self._limits.arrival_tolerance_um
        if self._is_displaced:
            self._left_at_um = z_um
        self._moved_um, self._n_undone = 0.0, 0
        return z_um

    def is_within(self, z_um: float) -> bool:
        """Whether a position lies in the window, up to what a drive may be off."""
        slack_um = self._limits.arrival_tolerance_um
        return self._limits.lowest_z_um - slack_um <= z_um <= self._limits.highest_z_um + slack_um

    def move_by(self, move_um: float) -> Move:
        """How far the drive went when asked to go `move_um`.

        The move is cut to the largest step, to what rate and travel allow, then to the window. A drive that
        somebody moved since it was last looked at stays where it is. The drive is stopped before any error is
        raised.

        Raises
        ------
        LimitError
            If `move_um` is not a finite number, or the drive is outside the window.
        DeviceError
            If the drive fails, does not arrive, or somebody undoes move after move.
        """
        try:
            return self._move_by(move_um)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End any motion now."""
        self._drive.stop()

    def _move_by(self, move_um: float) -> Move:
        if not math.isfinite(move_um):
            raise LimitError(f"Expected a move in um, got {move_um}. Nothing was moved.")
        start_um, t_s = self._look(), self._clock.now_s()
        if self._is_displaced:  # since the image that asked for this move
            return Move(0.0, CutBy.HAND)
        target_um, cut_by = self._cut(start_um, move_um, t_s)
        if target_um == start_um:
            return Move(0.0, cut_by)
        spent_um = abs(target_um - start_um)  # also where the drive then fails
        self._rate = self._rate.spend(spent_um, t_s=t_s)
        self._travel = self._travel.spend(spent_um, t_s=t_s)
        self._drive.move_to(target_um)
        arrived_um = self._drive.position_um()
        if not abs(arrived_um - target_um) <= self._limits.arrival_tolerance_um:
            raise DeviceError(
                f"Expected the focus drive at {target_um:.3f} um, it reads {arrived_um:.3f} um. "
                "Check that nothing blocks it and that nothing else moves it."
            )
        self._left_at_um, self._moved_um = arrived_um, arrived_um - start_um
        return Move(self._moved_um, cut_by)

    def _cut(self, start_um: float, move_um: float, t_s: float) -> tuple[float, CutBy]:
        limits = self._limits
        allowed = {
            CutBy.STEP: limits.step_toward_um if move_um > 0 else limits.largest_step_um,
            CutBy.RATE: self._rate.available(t_s=t_s),
            CutBy.TRAVEL: self._travel.available(t_s=t_s),
        }
        tightest = min(allowed, key=lambda cut: allowed[cut])
        length_um = min(abs(move_um), allowed[tightest])
        cut_by = tightest if length_um < abs(move_um) else CutBy.NOTHING
        wanted_um = start_um + math.copysign(length_um, move_um)
        target_um = max(limits.lowest_z_um, min(wanted_um, limits.highest_z_um))
        return target_um, cut_by if target_um == wanted_um else CutBy.WINDOW

    def _look(self) -> float:
        """Where the drive stands; notices when that is not where it was left."""
        z_um, left_at_um = self._read_um(), self._left_at_um
        self._is_displaced = abs(z_um - left_at_um) > self._limits.arrival_tolerance_um
        if self._moved_um:
            is_undone = self._is_displaced and (left_at_um - z_um) / self._moved_um > MOST_OF_IT
            self._n_undone = self._n_undone + 1 if is_undone else 0
        self._moved_um = 0.0
        if self._is_displaced:
            self._left_at_um = z_um
        if self._n_undone >= self._limits.most_undone:
            raise DeviceError(
                f"Expected the focus drive at {left_at_um:.3f} um, where it was left, it reads "
                f"{z_um:.3f} um: {self._n_undone} moves in a row were undone. Check that nothing else drives "
                "it, such as a hardware autofocus."
            )
        return z_um

    def _read_um(self) -> float:
        z_um, limits = self._drive.position_um(), self._limits
        if not self.is_within(z_um):
            raise LimitError(
                f"Expected the focus drive between {limits.lowest_z_um} and {limits.highest_z_um} um, "
                f"it is at {z_um:.3f} um. Nothing was moved. Move it by hand, or set other limits."
            )
        return z_um
