"""FrameWatch: notices a camera that gives old frames, or none that show anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from parfocal.settings import Settings

EVERY_PX = 8
"""Every so many rows and columns are compared: enough of a frame to hold noise, and 20 us."""

FULL = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))
"""What a camera says of a pixel that can take no more light, by its bits."""

DOUBTS = ("the camera ", "the frame is ")
"""So begins whatever is said of a frame that is not to be trusted."""


class FrameWatchSettings(Settings):
    """When a frame is not to be trusted.

    Attributes
    ----------
    slowest_frame_s : float
        A camera that took longer gives a frame of a past that may be over.
    refuse_repeated : bool
        Whether a frame equal to the one before counts as old: no two frames of a real camera are equal, not
        even of an empty field. A recorded stack repeats its planes.
    """

    slowest_frame_s: float = Field(default=5.0, gt=0)
    refuse_repeated: bool = True


class FrameWatch:
    """Compares each frame with the one before.

    Parameters
    ----------
    settings : FrameWatchSettings
    """

    def __init__(self, settings: FrameWatchSettings) -> None:
        self._settings = settings
        self._before: NDArray[Any] | None = None

    def doubt(self, frame_yx: NDArray[Any], *, took_s: float) -> str:
        """Why a frame is not to be trusted; empty where nothing speaks against it.

        Parameters
        ----------
        frame_yx : array, shape (Y, X)
        took_s : float
            Time from asking the camera to the frame.
        """
        seen = frame_yx[::EVERY_PX, ::EVERY_PX].copy()
        is_repeated = self._before is not None and np.array_equal(seen, self._before)
        self._before = seen
        dark_or_full = _dark_or_full(frame_yx, seen)
        if dark_or_full:
            return dark_or_full
        if is_repeated and self._settings.refuse_repeated:
            return "the camera gave the same frame again"
        if took_s > self._settings.slowest_frame_s:
            return f"the camera took more than {self._settings.slowest_frame_s:g} s for the frame"
        return ""


def _dark_or_full(frame_yx: NDArray[Any], seen: NDArray[Any]) -> str:
    """What is wrong with a frame of a camera whose pixels are all dark, or all full; empty of any other."""
    value = int(seen[0, 0])
    is_even = seen.dtype.kind == "u" and np.all(seen == value) and np.all(frame_yx == value)
    if not is_even or value not in (0, *FULL):
        return ""
    if value == 0:
        return "the frame is black: check the light, the shutter and the exposure"
    return f"the frame is saturated, every pixel is {value}: check the light and the exposure"
