"""FocusEstimate, what is known about the focus of one frame, and the contract of whoever gives it.

Free of torch on purpose: the control loop imports this and no learning library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

NORMAL_90 = 1.645
"""Half the 90 % interval of a normal distribution, in standard deviations."""


@dataclass(frozen=True, eq=False)
class FocusEstimate:
    """What an estimator says of one frame.

    Attributes
    ----------
    defocus_um : float
        Stage position minus focus position, in um; the move that restores focus is ``-defocus_um``.
    std_um : float
        Standard deviation of `defocus_um`, in um: that of the normal distribution whose 90 % interval held as
        many of the errors on held-out stacks. A few wild ones do not count in it.
    interval90_um : tuple of float
        Lower and upper end of the interval that holds the true defocus in 90 % of held-out frames, in um.
    probabilities : array, shape (bins,)
        Probability of each bin; sums to 1.
    bin_centres_um : array, shape (bins,)
        Centre of each bin, in um, increasing.
    in_distribution : float
        1 for a frame like those that the model was trained on, 0 for a frame unlike any of them.
    accepted : bool
        False where the estimator abstains: do not act on such an estimate.
    layers_um : tuple of float
        Defocus of each separate focus population of the field, most probable first, in um.
    latency_ms : float
        Time from frame to estimate, in ms.
    is_strange : bool
        Whether it is not accepted for no other reason than that the frame looks unlike those of the training.
        What else vouches for the model, such as a stage whose moves the answers follow, may outweigh that.
    """

    defocus_um: float
    std_um: float
    interval90_um: tuple[float, float]
    probabilities: NDArray[np.float64]
    bin_centres_um: NDArray[np.float64]
    in_distribution: float
    accepted: bool
    layers_um: tuple[float, ...]
    latency_ms: float
    is_strange: bool = False


@runtime_checkable
class Estimator(Protocol):
    """Anything that tells the defocus of one frame."""

    @property
    def fingerprint(self) -> str:
        """A short text that changes whenever the estimator would answer differently."""
        ...

    @property
    def z_range_um(self) -> tuple[float, float]:
        """Lowest and highest defocus that can be told, in um."""
        ...

    def estimate(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> FocusEstimate:
        """The defocus of one frame of shape (Y, X), uint8, uint16 or float32, of any size.

        Raises
        ------
        ModelError
            If the frame's pixel size or type is not one that the model was made for.
        """
        ...
