"""LockSummary: how well a focus lock did, from its snapshots."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_state import LockState

MOSTLY, STRAYED = 0.75, 3.0
"""A model that is sure and wrong reports no loss: the truth, where it is known, has the last word."""


@dataclass(frozen=True)
class LockSummary:
    """How a focus lock went.

    Attributes
    ----------
    hours : float
        From the first frame to the last, on the lock's clock.
    n_frames, n_accepted, n_moves : int
    residual_rms_um, residual_largest_um : float or None
        Distance from the lock target since it first locked: the true one where the microscope knows it, else
        the accepted estimates. None if it never locked.
    within_tolerance : float
        Fraction of frames since it first locked whose residual is known and within the tolerance.
    losses : int
        How often a lock was lost.
    held : bool
        It locked, never lost, and ended locked; and where the microscope knows the truth, at least `MOSTLY`
        of the frames were within the tolerance and none further than `STRAYED` tolerances from the target.
    stage_travel_um : float
        Highest stage position minus lowest.
    fault : str
        The failure that ended it; empty if none did.
    why_not_locked : str
        What most of the frames said that were not locked; empty if there were none.
    n_resumed : int
        How often it was resumed after it had ended or was cut off.
    unwatched_hours : float
        Of the hours, those between an end and the resumption: nobody knows what the focus did.
    """

    hours: float
    n_frames: int
    n_accepted: int
    n_moves: int
    residual_rms_um: float | None
    residual_largest_um: float | None
    within_tolerance: float
    losses: int
    held: bool
    stage_travel_um: float
    fault: str = ""
    why_not_locked: str = ""
    n_resumed: int = 0
    unwatched_hours: float = 0.0


class LockTally:
    """Adds up snapshots, one by one, for a `LockSummary`: a run of days does not fit in memory.

    Parameters
    ----------
    target_um, tolerance_um : float
        The lock target to begin with, and how far from it still counts as in focus.
    """

    def __init__(self, *, target_um: float, tolerance_um: float) -> None:
        self._target_um = target_um
        self._tolerance_um = tolerance_um
        self._time_range_s = self._z_range_um = (math.inf, -math.inf)
        self._n_frames = self._n_accepted = self._n_moves = self._losses = 0
        self._n_locked = self._n_within = self._n_residuals = 0
        self._sum_of_squares_um2 = self._largest_um = 0.0
        self._knows_truth = False
        self._state = LockState.IDLE
        self._reasons: Counter[str] = Counter()
        self._is_on_its_way = False

    def aim(self, target_um: float) -> None:
        """Another target from the next frame on: the way there is no residual of either."""
        self._target_um = target_um
        self._is_on_its_way = True

    def add(self, snapshot: LockSnapshot) -> None:
        """Count one more frame."""
        self._time_range_s = _widened(self._time_range_s, snapshot.t_s)
        self._z_range_um = _widened(self._z_range_um, snapshot.z_um)
        self._n_frames += 1
        self._n_accepted += snapshot.accepted
        self._n_moves += snapshot.move_um != 0
        self._losses += snapshot.state is LockState.LOST and self._state is not LockState.LOST
        self._state = snapshot.state
        if self._state is not LockState.LOCKED:
            self._reasons[snapshot.reason] += 1
        if self._state is LockState.LOCKED:
            self._is_on_its_way = False
        if (self._n_locked or self._state is LockState.LOCKED) and not self._is_on_its_way:
            self._n_locked += 1
            self._add_residual(snapshot)

    def _add_residual(self, snapshot: LockSnapshot) -> None:
        if snapshot.true_defocus_um is not None:
            residual_um = abs(snapshot.true_defocus_um - self._target_um)
            self._knows_truth = True
        elif snapshot.accepted:
            residual_um = abs(snapshot.defocus_um - self._target_um)
        else:
            return
        self._n_residuals += 1
        self._n_within += residual_um <= self._tolerance_um
        self._sum_of_squares_um2 += residual_um**2
        self._largest_um = max(self._largest_um, residual_um)

    def summary(self, *, fault: str = "") -> LockSummary:
        """What the frames so far amount to."""
        n = self._n_residuals
        return LockSummary(
            hours=_width(self._time_range_s) / 3600,
            n_frames=self._n_frames,
            n_accepted=self._n_accepted,
            n_moves=self._n_moves,
            residual_rms_um=math.sqrt(self._sum_of_squares_um2 / n) if n else None,
            residual_largest_um=self._largest_um if n else None,
            within_tolerance=self._n_within / self._n_locked if self._n_locked else 0.0,
            losses=self._losses,
            held=self._held() and not fault,
            stage_travel_um=_width(self._z_range_um),
            fault=fault,
            why_not_locked=next((reason for reason, _ in self._reasons.most_common(1)), ""),
        )

    def _held(self) -> bool:
        strayed = self._knows_truth and (
            self._largest_um > STRAYED * self._tolerance_um or self._n_within < MOSTLY * self._n_locked
        )
        return self._state is LockState.LOCKED and not self._losses and not strayed


def summarise(
    snapshots: Iterable[LockSnapshot],
    *,
    target_um: float,
    tolerance_um: float,
    later_targets: Sequence[tuple[float, float]] = (),
) -> LockSummary:
    """How a run went, from all its snapshots.

    Parameters
    ----------
    snapshots : iterable of LockSnapshot
    target_um, tolerance_um : float
        See `LockTally`.
    later_targets : sequence of (float, float)
        Time on the lock's clock from which another target held, and that target in um; in order.
    """
    tally = LockTally(target_um=target_um, tolerance_um=tolerance_um)
    waiting = deque(later_targets)
    for snapshot in snapshots:
        while waiting and waiting[0][0] <= snapshot.t_s:
            tally.aim(waiting.popleft()[1])
        tally.add(snapshot)
    return tally.summary()


def _widened(interval: tuple[float, float], value: float) -> tuple[float, float]:
    return min(interval[0], value), max(interval[1], value)


def _width(interval: tuple[float, float]) -> float:
    return max(0.0, interval[1] - interval[0])
