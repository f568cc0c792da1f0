"""The supervisor: the one place through which every move of the focus drive passes."""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, model_validator

from parfocal.control.devices import FocusDrive
from parfocal.errors import DeviceError, LimitError
from parfocal.settings import Settings


class LimitSettings(Settings):
    """Where the focus drive may be, and how far it may go at once.

    Attributes
    ----------
    lowest_z_um, highest_z_um : float
        The window, in the drive's own absolute coordinates. No position outside is ever commanded.
    largest_step_um : float
        No single move is longer.
    arrival_tolerance_um : float
        A drive that reads further than this from where it was sent, or from the window, has failed.

    Examples
    --------
    >>> LimitSettings.around(100.0, reach_um=30.0)
    LimitSettings(lowest_z_um=70.0, highest_z_um=130.0, largest_step_um=5.0, arrival_tolerance_um=0.5)
    """

    lowest_z_um: float
    highest_z_um: float
    largest_step_um: float = Field(default=5.0, gt=0)
    arrival_tolerance_um: float = Field(default=0.5, gt=0)

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


class Supervisor:
    """Passes moves on to a drive, clipped to the limits.

    Parameters
    ----------
    drive : FocusDrive
    limits : LimitSettings

    Raises
    ------
    LimitError
        If the drive is outside the window to begin with.
    """

    def __init__(self, drive: FocusDrive, limits: LimitSettings) -> None:
        self._drive = drive
        self._limits = limits
        self._position_in_window_um()

    def move_by(self, move_um: float) -> float:
        """How far the drive went, in um, when asked to go `move_um`.

        The move is cut to the largest step, then to the window. The drive is stopped before any error is
        raised.

        Raises
        ------
        LimitError
            If `move_um` is not a finite number, or the drive is outside the window.
        DeviceError
            If the drive fails or does not arrive.
        """
        try:
            return self._move_by(move_um)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End any motion now."""
        self._drive.stop()

    def _move_by(self, move_um: float) -> float:
        if not math.isfinite(move_um):
            raise LimitError(f"Expected a move in um, got {move_um}. Nothing was moved.")
        start_um = self._position_in_window_um()
        target_um = self._clip(start_um, move_um)
        if target_um == start_um:
            return 0.0
        self._drive.move_to(target_um)
        arrived_um = self._drive.position_um()
        if not abs(arrived_um - target_um) <= self._limits.arrival_tolerance_um:
            raise DeviceError(
                f"Expected the focus drive at {target_um:.3f} um, it reads {arrived_um:.3f} um. "
                "Check that nothing blocks it and that nothing else moves it."
            )
        return arrived_um - start_um

    def _clip(self, start_um: float, move_um: float) -> float:
        limits = self._limits
        step_um = max(-limits.largest_step_um, min(move_um, limits.largest_step_um))
        return max(limits.lowest_z_um, min(start_um + step_um, limits.highest_z_um))

    def _position_in_window_um(self) -> float:
        z_um, limits = self._drive.position_um(), self._limits
        slack_um = limits.arrival_tolerance_um
        if not limits.lowest_z_um - slack_um <= z_um <= limits.highest_z_um + slack_um:
            raise LimitError(
                f"Expected the focus drive between {limits.lowest_z_um} and {limits.highest_z_um} um, "
                f"it is at {z_um:.3f} um. Nothing was moved. Move it by hand, or set other limits."
            )
        return z_um
