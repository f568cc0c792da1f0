"""The offset of a channel: how far above the focus of the light that a model knows it is sharpest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus

from parfocal.errors import FocusError
from parfocal.focus_measures import tenengrad
from parfocal.microscope.micromanager.autofocus import ParfocalAutofocus

LEAST_CONTRAST = 1.1
"""Of the sharpest plane's score over the median's: with less there is nothing to be sharp."""


@dataclass(frozen=True, eq=False)
class ChannelOffset:
    """Where a channel is in focus.

    Attributes
    ----------
    um : float
        How far above the focus of the model's light, in um of the stage: the value that
        `AutofocusSettings.channel_offsets_um` takes.
    above_um, scores : array, shape (planes,)
        The planes that were taken, and the mean squared gradient of each (Tenengrad).
    """

    um: float
    above_um: NDArray[np.float64]
    scores: NDArray[np.float64]


def measure_channel_offset(
    core: CMMCorePlus,
    autofocus: ParfocalAutofocus,
    *,
    group: str,
    channel: str,
    half_range_um: float = 4.0,
    step_um: float = 0.5,
) -> ChannelOffset:
    """Focus, then look through a short stack of a channel for its sharpest plane.

    For channels in which what is in focus is sharp, as fluorescence is. The drive ends in focus, the light as
    it was.

    Parameters
    ----------
    core : CMMCorePlus
    autofocus : ParfocalAutofocus
    group, channel : str
        Configuration group and preset of the channel.
    half_range_um, step_um : float
        To both sides of the focus, and from plane to plane.

    Raises
    ------
    FocusError
        If the focus is not found, or the channel has no sharpest plane within the range.
    LimitError
        If the stack leaves the window; nothing was moved then.
    """
    result = autofocus.focus_here()
    if not result.is_focused:
        raise FocusError(f"Expected a field that can be focused: {result.in_words}.")
    n = round(half_range_um / step_um)
    above_um: NDArray[np.float64] = step_um * np.arange(-n, n + 1, dtype=np.float64)
    focus_um = result.z_um - result.defocus_um
    before = core.getCurrentConfig(group)
    frames = autofocus.stack_at(focus_um + above_um, group=group, channel=channel)
    if before:
        core.setConfig(group, before)
    scores = tenengrad(frames)
    return ChannelOffset(_sharpest_um(above_um, scores, channel), above_um, scores)


def _sharpest_um(above_um: NDArray[np.float64], scores: NDArray[np.float64], channel: str) -> float:
    """The top of the parabola through the best plane and its neighbours."""
    best = int(scores.argmax())
    if best in (0, len(scores) - 1) or scores[best] < LEAST_CONTRAST * np.median(scores):
        raise FocusError(
            f"Expected {channel} to be sharpest within {above_um[0]:+.1f} to {above_um[-1]:+.1f} um of the "
            "focus, it is not. Look at the images; take a larger range, or a brighter field."
        )
    left, top, right = scores[best - 1 : best + 2]
    step_um = above_um[1] - above_um[0]
    return float(above_um[best] + step_um * (left - right) / (2 * (left - 2 * top + right)))
