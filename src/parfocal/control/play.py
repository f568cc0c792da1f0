"""Play: a drive that must run through a gap before the objective follows, whenever it turns round."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Play:
    """Where the objective is, as far as the drive's readings tell.

    Attributes
    ----------
    width_um : float
        Motion of the drive that a change of direction loses; 0 for a drive without lost motion.
    objective_um : float
        In the drive's coordinate.

    Examples
    --------
    >>> play = Play(0.4, 10.0)
    >>> round(play.move_for(1.0, z_um=10.0), 6), play.after(11.2).objective_um
    (1.2, 11.0)
    >>> round(play.after(11.2).move_for(-1.0, z_um=11.2), 6)  # turning round costs the whole gap
    -1.4
    """

    width_um: float
    objective_um: float

    def after(self, z_um: float) -> Play:
        """Once the drive reads `z_um`: it pushes the objective along only where the gap is run through."""
        half_um = self.width_um / 2
        return Play(self.width_um, min(max(self.objective_um, z_um - half_um), z_um + half_um))

    def move_for(self, move_um: float, *, z_um: float) -> float:
        """How far a drive that reads `z_um` must go to bring the objective `move_um` further."""
        if move_um == 0:
            return 0.0
        return self.objective_um + move_um + math.copysign(self.width_um / 2, move_um) - z_um
