"""What a focus lock and the process of its page say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from parfocal.control import LockSnapshot, LockSummary


@dataclass(frozen=True)
class Heard:
    """An event of the record: its time on the lock's clock, in seconds since 1970, and what."""

    t_s: float
    wall_time_s: float
    text: str


@dataclass(frozen=True, eq=False)
class Answer:
    """The model's distribution over the defocus of the last frame, and the layers it saw."""

    probabilities: NDArray[np.float64]
    bin_centres_um: NDArray[np.float64]
    layers_um: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Steps:
    """What happened since the last message, in order."""

    snapshots: tuple[LockSnapshot, ...]
    heard: tuple[Heard, ...]
    answer: Answer | None


@dataclass(frozen=True)
class FrameFollows:
    """The next message is a frame of this shape (Y, X) and type, as bytes; the last snapshot is of it."""

    shape_yx: tuple[int, int]
    dtype: str


@dataclass(frozen=True)
class Ended:
    """The lock is over; no summary where an error ended it."""

    summary: LockSummary | None


ToPage = Steps | FrameFollows | Ended


class Wish(StrEnum):
    """What viewers may ask of a lock."""

    LOCK = "lock"
    PAUSE = "pause"
    STOP = "stop"
    TARGET = "target"


@dataclass(frozen=True)
class Ask:
    """A wish of a viewer; the target in um where that is what is wished."""

    wish: Wish
    target_um: float | None = None


@dataclass(frozen=True)
class Looking:
    """Whether anybody looks at the page, so that frames are worth sending."""

    at_frames: bool


ToLock = Ask | Looking
