"""LockSnapshot: everything a focus lock saw, believed and did in one frame."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

from parfocal.control.belief import Belief
from parfocal.control.lock_state import LockState
from parfocal.estimate import FocusEstimate


@dataclass(frozen=True, slots=True)
class LockSnapshot:
    """One frame of a focus lock.

    Attributes
    ----------
    t_s, wall_time_s : float
        Time of the frame: on the lock's clock, and in seconds since 1970 (UTC).
    z_um : float
        Stage position at which the frame was taken.
    defocus_um, std_um, in_distribution, accepted, latency_ms
        The estimate, as in `FocusEstimate`.
    belief_um, belief_sd_um : float
        Mean and standard deviation of the belief over defocus, after this frame and before the move.
    state : LockState
    move_um : float
        How far the stage then went; 0 if it was held still.
    reason : str
        Why it moved or did not.
    true_defocus_um : float or None
        Known on a virtual microscope only.
    """

    t_s: float
    wall_time_s: float
    z_um: float
    defocus_um: float
    std_um: float
    in_distribution: float
    accepted: bool
    latency_ms: float
    belief_um: float
    belief_sd_um: float
    state: LockState
    move_um: float
    reason: str
    true_defocus_um: float | None = None

    @classmethod
    def of(
        cls,
        estimate: FocusEstimate,
        belief: Belief,
        *,
        t_s: float,
        z_um: float,
        state: LockState,
        move_um: float,
        reason: str,
        true_defocus_um: float | None,
    ) -> Self:
        """The frame of now, from what was estimated and believed of it."""
        return cls(
            t_s=t_s,
            wall_time_s=time.time(),
            z_um=z_um,
            defocus_um=estimate.defocus_um,
            std_um=estimate.std_um,
            in_distribution=estimate.in_distribution,
            accepted=estimate.accepted,
            latency_ms=estimate.latency_ms,
            belief_um=belief.mean_um,
            belief_sd_um=belief.sd_um,
            state=state,
            move_um=move_um,
            reason=reason,
            true_defocus_um=true_defocus_um,
        )

    @property
    def true_focus_z_um(self) -> float | None:
        """Stage position that was in focus; known on a virtual microscope only."""
        return None if self.true_defocus_um is None else self.z_um - self.true_defocus_um
