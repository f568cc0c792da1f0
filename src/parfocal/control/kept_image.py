"""Kept images: whole camera frames in the record of a run, now and then."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from parfocal.control.allowance import HOUR_S, Allowance
from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_state import LockState
from parfocal.settings import Settings

FAST = 1
"""Level of zlib: 4 million pixels of 16 bit take a quarter of a second, and two thirds of the room."""


class RecordSettings(Settings):
    """Which frames of the camera a record keeps.

    Attributes
    ----------
    keep_image_every_s : float
        Seconds of the lock's clock from one kept image to the next; 0 keeps none at all.
    change_rest_s : float
        A state that differs from that of the last kept image is kept too, this long after it at the
        soonest.
    most_changes_per_h : int
        So many images at most are kept for a change of state, at once and again in each hour: a lock that
        flaps for days must not fill the disk.
    """

    keep_image_every_s: float = Field(default=600.0, ge=0)
    change_rest_s: float = Field(default=10.0, ge=0)
    most_changes_per_h: int = Field(default=12, ge=0)


@dataclass(frozen=True)
class LastKept:
    """Time on the lock's clock, and state, of the last kept image; and how many more changes may be kept."""

    t_s: float
    state: LockState
    changes: Allowance

    @classmethod
    def of(cls, snapshot: LockSnapshot, settings: RecordSettings, *, before: Self | None = None) -> Self:
        """That of a frame which is kept, the last one before it being another."""
        t_s, most = snapshot.t_s, float(settings.most_changes_per_h)
        changes = before.changes if before else Allowance(most, most / HOUR_S, most, t_s)
        if before and t_s - before.t_s < settings.keep_image_every_s:
            changes = changes.spend(1.0, t_s=t_s)
        return cls(t_s, snapshot.state, changes)


def is_due(snapshot: LockSnapshot, last: LastKept | None, settings: RecordSettings) -> bool:
    """Whether the image of a frame is to be kept.

    Parameters
    ----------
    snapshot : LockSnapshot
        Of the frame.
    last : LastKept or None
        The last one that was kept; the first frame of a run is.
    settings : RecordSettings
    """
    if settings.keep_image_every_s == 0:
        return False
    if last is None:
        return True
    rest_s = snapshot.t_s - last.t_s
    has_changed = snapshot.state is not last.state
    may_change = rest_s >= settings.change_rest_s and last.changes.available(t_s=snapshot.t_s) >= 1
    return rest_s >= settings.keep_image_every_s or (has_changed and may_change)


@dataclass(frozen=True, eq=False)
class KeptImage:
    """A camera frame that a record kept.

    Attributes
    ----------
    number : int
        Of the frame in its run, from 1.
    snapshot : LockSnapshot
        What the lock saw, believed and did in it.
    frame_yx : array, shape (Y, X)
        As the camera gave it.
    """

    number: int
    snapshot: LockSnapshot
    frame_yx: NDArray[Any]


def pack(frame_yx: NDArray[Any]) -> tuple[int, int, str, bytes]:
    """Height, width, type and compressed bytes of a frame of shape (Y, X), without loss."""
    height, width = frame_yx.shape
    packed = zlib.compress(np.ascontiguousarray(frame_yx).tobytes(), FAST)
    return height, width, frame_yx.dtype.str, packed


def unpack(height: int, width: int, dtype: str, packed: bytes) -> NDArray[Any]:
    """The frame, shape (Y, X), from what `pack` gave.

    Examples
    --------
    >>> unpack(*pack(np.arange(6, dtype=np.uint16).reshape(2, 3)))
    array([[0, 1, 2],
           [3, 4, 5]], dtype=uint16)
    """
    return np.frombuffer(zlib.decompress(packed), np.dtype(dtype)).reshape(height, width)
