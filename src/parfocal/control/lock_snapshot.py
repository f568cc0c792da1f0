"""LockSnapshot: everything a focus lock saw, believed and did in one frame."""

from __future__ import annotations

from dataclasses import dataclass

from parfocal.control.lock_state import LockState


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

    @property
    def true_focus_z_um(self) -> float | None:
        """Stage position that was in focus; known on a virtual microscope only."""
        return None if self.true_defocus_um is None else self.z_um - self.true_defocus_um
