"""From frames (Z, Y, X) to one score each: what all focus measures share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.errors import InputError

FocusMeasure = Callable[[NDArray[Any]], NDArray[np.float64]]
"""Frames of shape (Z, Y, X) in, scores of shape (Z,) out."""


def score_each(
    frames_zyx: NDArray[Any], measure: Callable[[NDArray[np.float64]], float]
) -> NDArray[np.float64]:
    """Score of each frame, taken in units of its own mean brightness: no lamp or exposure changes it.

    Parameters
    ----------
    frames_zyx : array, shape (Z, Y, X)
        Grey values of any real type; at least 3 x 3 pixels.
    measure : callable
        Gives the score of one frame, shape (Y, X), of mean 1.

    Returns
    -------
    array, shape (Z,)
        Scores; 0 for a black frame, which is not measured.

    Raises
    ------
    InputError
        If the frames are not of shape (Z, Y, X) with at least 3 x 3 pixels.
    """
    frames = np.asarray(frames_zyx)
    if frames.ndim != 3 or min(frames.shape[1:]) < 3:
        raise InputError(f"Expected frames of shape (Z, Y, X), at least 3 x 3 pixels, got {frames.shape}.")
    scores = np.zeros(len(frames))
    for plane, frame in enumerate(frames):  # one at a time: a stack as floats may not fit in memory
        frame_yx = frame.astype(np.float64)
        brightness = float(frame_yx.mean())
        if brightness:
            scores[plane] = measure(frame_yx / brightness)
    return scores
