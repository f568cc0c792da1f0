"""RunSoFar: where the record of a run left off, for a lock that goes on with it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parfocal.control.focus_lock import BY_HAND
from parfocal.control.lock_settings import LockSettings
from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_state import LockState
from parfocal.control.run_record import RunRecord
from parfocal.errors import InputError


@dataclass(frozen=True)
class RunSoFar:
    """Where a record left off.

    Attributes
    ----------
    n_frames : int
    began_s, last_s : float
        Times of the first frame and of the last, on the lock's clock.
    period_s : float
        From one frame to the next, on the lock's clock.
    last_wall_s : float
        Time of the last frame in seconds since 1970.
    left_at_um : float
        Where the drive was left.
    good_z_um : float
        Where it was last in focus, or to where somebody moved it since; where it began, if neither.
    """

    n_frames: int
    began_s: float
    last_s: float
    period_s: float
    last_wall_s: float
    left_at_um: float
    good_z_um: float

    @property
    def next_s(self) -> float:
        """When the next frame is due on a simulated clock, which stood still since the last one."""
        return self.last_s + self.period_s

    def away_s(self, wall_s: float) -> float:
        """Seconds from the last frame to a time in seconds since 1970."""
        return max(wall_s - self.last_wall_s, 0.0)

    def now_s(self, wall_s: float) -> float:
        """Time on the lock's clock, which went on with the wall's, at a time in seconds since 1970."""
        return self.last_s + self.away_s(wall_s)


def run_so_far(record: RunRecord) -> RunSoFar:
    """Where a record left off.

    Raises
    ------
    InputError
        If it holds no frames.
    """
    first, last = next(record.snapshots(), None), next(record.last_first(), None)
    if first is None or last is None:
        raise InputError(f"{record.path}: holds no frames, so there is nothing to resume. Begin another run.")
    facts = record.settings()
    lock = settings_at_the_end(record)
    return RunSoFar(
        n_frames=record.n_frames,
        began_s=first.t_s,
        last_s=last.t_s,
        period_s=facts.get("speed", 1.0) / lock.frame_rate_hz,
        last_wall_s=last.wall_time_s,
        left_at_um=last.z_um + last.move_um,
        good_z_um=_good_z_um(record, lock),
    )


def settings_at_the_end(record: RunRecord) -> LockSettings:
    """How the lock of a record behaved when it ended: its settings, and the target that was held last."""
    lock = LockSettings.parse(record.settings()["lock"], source=str(record.path))
    target_um = record.targets(lock.controller.target_um)[-1][1]
    return lock.replace(controller=lock.controller.replace(target_um=target_um).model_dump())


def _good_z_um(record: RunRecord, lock: LockSettings) -> float:
    by_hand_s = max((e.t_s for e in record.events() if e.text.startswith(BY_HAND)), default=-math.inf)
    z_um = math.nan
    for snapshot in record.last_first():
        is_by_hand = snapshot.t_s <= by_hand_s or snapshot.reason.startswith(BY_HAND)
        if is_by_hand and not math.isnan(z_um):
            return z_um  # of the first frame after the hand
        z_um = snapshot.z_um
        if _is_good(snapshot, lock):
            return z_um
    return z_um


def _is_good(snapshot: LockSnapshot, lock: LockSettings) -> bool:
    """Whether a lock that has nothing to go by would go back to where this frame was taken."""
    error_um = snapshot.belief_um - lock.controller.target_um
    widest_um = max(snapshot.std_um, snapshot.belief_sd_um)
    is_sure = snapshot.accepted and not lock.controller.is_unsure(error_um=error_um, sd_um=widest_um)
    return snapshot.state is LockState.LOCKED and is_sure and abs(error_um) <= lock.tolerance_um
