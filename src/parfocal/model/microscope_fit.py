"""MicroscopeFit: the line from a model's answers to the micrometres of one microscope."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from parfocal.settings import Settings


class MicroscopeFit(Settings):
    """``defocus = scale * answer + offset_um``, and what it was fitted on.

    Attributes
    ----------
    scale : float
        Micrometres of this microscope's stage for each one that the network says.
    offset_um : float
        Defocus, on this microscope, of what the network calls in focus; 0 if nobody said what is in focus.
    knows_focus : bool
        Whether the position in focus of the stacks was known, so that `offset_um` could be fitted.
    source : str
        Dataset or file.
    n_stacks, n_frames : int
        Stacks, and the frames in them that the model answered.
    residual_um : float
        Median distance of those frames from the line.
    mae_before_um, mae_after_um : float
        Mean absolute error of the model as it was, and with the line. Where the focus was not known, errors
        are about each stack's own offset.
    is_held_out : bool
        Whether each stack's error after was measured with the line of the others; if not, on the stacks that
        the line was fitted to, which flatters.

    Examples
    --------
    >>> fit = MicroscopeFit(
    ...     scale=2, offset_um=1, knows_focus=True, source="mine", n_stacks=1, n_frames=31,
    ...     residual_um=0.1, mae_before_um=3, mae_after_um=0.2, is_held_out=False)
    >>> fit.of(np.array([-5.0, 5.0]))
    array([-9., 11.])
    """

    scale: Annotated[float, Field(gt=0)]
    offset_um: float
    knows_focus: bool
    source: str
    n_stacks: int
    n_frames: int
    residual_um: float
    mae_before_um: float
    mae_after_um: float
    is_held_out: bool

    def of(self, answers_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """A model's answers, such as the ends of a range, in this microscope's um."""
        return self.scale * answers_um + self.offset_um
