"""The focus motor: lost motion on reversal, and settling after a move."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import Field

from parfocal.settings import Settings


class MotorSettings(Settings):
    """How the objective follows the focus motor.

    Attributes
    ----------
    backlash_um : float
        Motion of the motor that a change of direction loses: 0.08, a gear with an encoder on the motor's
        side (assumed; 0.02 to 0.3 is usual).
    settling_ms : float
        The objective comes within 1/e of its place in this time: 15, so that 5 um are 0.2 um away after the
        50 ms of a frame (assumed).
    arrival_ms : float
        A move takes this long until the motor says that it has arrived (assumed).
    """

    backlash_um: float = Field(default=0.08, ge=0)
    settling_ms: float = Field(default=15.0, ge=0)
    arrival_ms: float = Field(default=50.0, ge=0)


@dataclass(frozen=True)
class Motion:
    """The last move of the motor, from which the objective's place at any later time follows.

    Attributes
    ----------
    motor_um : float
        Where the motor is, as its encoder reads it.
    from_um, to_um : float
        Where the objective was when the move began, and where it comes to rest.
    begun_s : float
        When the move began.
    """

    motor_um: float
    from_um: float
    to_um: float
    begun_s: float

    @classmethod
    def at_rest(cls, z_um: float) -> Motion:
        """Motor and objective at one place."""
        return cls(z_um, z_um, z_um, 0.0)

    def objective_um(self, t_s: float, settings: MotorSettings) -> float:
        """Where the objective is at a time in s."""
        if t_s < self.begun_s or settings.settling_ms == 0:
            return self.to_um
        left = math.exp(-1000 * (t_s - self.begun_s) / settings.settling_ms)
        return self.to_um + (self.from_um - self.to_um) * left

    def moved_to(self, z_um: float, *, t_s: float, settings: MotorSettings) -> Motion:
        """The move to a position in um that begins at a time in s.

        Examples
        --------
        >>> settings = MotorSettings(backlash_um=0.1)
        >>> up = Motion.at_rest(0.0).moved_to(5.0, t_s=0.0, settings=settings)
        >>> back = up.moved_to(4.96, t_s=1.0, settings=settings)
        >>> up.to_um, back.to_um
        (4.95, 4.95)
        """
        # Play: the motor pushes the objective along only where it has run through half the gap.
        half_um = settings.backlash_um / 2
        to_um = min(max(self.to_um, z_um - half_um), z_um + half_um)
        return Motion(z_um, self.objective_um(t_s, settings), to_um, t_s)
