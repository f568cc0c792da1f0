"""History: the course of a lock over minutes and over days, in little memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from parfocal.control import LockSnapshot, LockState

FINEST_S = 0.1
"""Of camera time, in one bucket of the finest level."""
COARSER, LEVELS = 6, 6
"""Each level has buckets so many times as long: those of the coarsest are 13 minutes long."""
BUCKETS = 900
"""Kept in each level: of the finest a minute and a half, of the coarsest a week."""
GRAVEST = (
    LockState.LOCKED,
    LockState.IDLE,
    LockState.PAUSED,
    LockState.VERIFYING,
    LockState.UNCERTAIN,
    LockState.SEARCHING,
    LockState.LOST,
)
"""From the best to the worst: a bucket has the worst of its states."""


@dataclass(slots=True)
class Bucket:
    """Some frames in a row as one: the last position, the mean answer, and the extremes of the belief.

    Attributes
    ----------
    t_s : float
        Of the first frame, on the lock's clock.
    z_um, focus_z_um : float
        Where the stage stood last, and where the accepted answers say that the focus is (NaN without one).
    error_um, least_um, most_um : float
        What is believed of the distance from the target: the last, the least and the most.
    true_error_um : float
        The true one, where a virtual microscope knows it; else NaN.
    in_distribution : float
        The least.
    state : LockState
        The gravest.
    """

    t_s: float
    z_um: float
    focus_z_um: float
    error_um: float
    least_um: float
    most_um: float
    true_error_um: float
    in_distribution: float
    state: LockState
    n_told: int = 0

    @classmethod
    def of(cls, snapshot: LockSnapshot, *, target_um: float) -> Bucket:
        """One frame."""
        true_um = snapshot.true_defocus_um
        error_um = snapshot.belief_um - target_um
        return cls(
            t_s=snapshot.t_s,
            z_um=snapshot.z_um,
            focus_z_um=snapshot.z_um - snapshot.defocus_um if snapshot.accepted else float("nan"),
            error_um=error_um,
            least_um=error_um,
            most_um=error_um,
            true_error_um=float("nan") if true_um is None else true_um - target_um,
            in_distribution=snapshot.in_distribution,
            state=snapshot.state,
            n_told=int(snapshot.accepted),
        )

    def add(self, later: Bucket) -> None:
        """One more frame, of the same stretch."""
        if later.n_told:
            self.n_told += 1
            before_um = later.focus_z_um if self.n_told == 1 else self.focus_z_um
            self.focus_z_um = before_um + (later.focus_z_um - before_um) / self.n_told
        self.z_um, self.error_um, self.true_error_um = later.z_um, later.error_um, later.true_error_um
        self.least_um = min(self.least_um, later.least_um)
        self.most_um = max(self.most_um, later.most_um)
        self.in_distribution = min(self.in_distribution, later.in_distribution)
        self.state = max(self.state, later.state, key=_gravity)


class History:
    """Buckets of frames at several levels of fineness, each of a bounded number.

    Parameters
    ----------
    speed : float
        Seconds of the lock's clock in one of the camera.
    """

    def __init__(self, *, speed: float = 1.0) -> None:
        self._lengths_s = [speed * FINEST_S * COARSER**k for k in range(LEVELS)]
        self._levels: list[deque[Bucket]] = [deque(maxlen=BUCKETS) for _ in range(LEVELS)]

    def add(self, snapshot: LockSnapshot, *, target_um: float) -> None:
        """One more frame."""
        for length_s, level in zip(self._lengths_s, self._levels, strict=True):
            bucket = Bucket.of(snapshot, target_um=target_um)
            if level and snapshot.t_s < level[-1].t_s + length_s * 0.999:
                level[-1].add(bucket)
            else:
                level.append(bucket)

    def over(self, span_s: float | None = None) -> list[Bucket]:
        """The last `span_s` seconds of the lock's clock, or all, as finely as they are kept.

        The last bucket still grows; a caller in another thread than `add` must hold a lock.
        """
        newest = self._levels[0][-1].t_s if self._levels[0] else 0.0
        since_s = -float("inf") if span_s is None else newest - span_s
        for level in self._levels:
            has_all = len(level) < BUCKETS or level[0].t_s <= since_s
            if has_all:
                break
        return [bucket for bucket in level if bucket.t_s >= since_s]


def columns(buckets: Iterable[Bucket]) -> dict[str, list[float | str]]:
    """The same as one list for each value, by its name."""
    names = [name for name in Bucket.__slots__ if name != "n_told"]
    rows = [[getattr(bucket, name) for name in names] for bucket in buckets]
    return {name: [row[k] for row in rows] for k, name in enumerate(names)}


def _gravity(state: LockState) -> int:
    return GRAVEST.index(state) if state in GRAVEST else len(GRAVEST)
