"""The self-check at lock-in: a few small known moves, and whether the answers change as commanded.

It needs no z-stack. It finds the sign and the gain of a model on the sample at hand, and refuses a model that
does not fit it, before any long move trusts it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from parfocal.estimate import FocusEstimate
from parfocal.settings import Settings

CYCLE = (0, 1, 0, -1)
"""Where the stage is looked from, in steps: to and fro, so that slow drift counts on both sides alike."""
LEAST_TRAVEL_UM = 0.01
FARTHEST_UM = 1e6
"""No answer lies beyond."""
CERTAIN = 2.0
"""Standard errors that make a difference one to act on."""


class SelfCheckSettings(Settings):
    """How a model is checked against the stage.

    Attributes
    ----------
    step_um : float, optional
        Length of the known moves; part of what the model can tell, if not given.
    looks : int
        Frames, the last of which is taken where the first one was.
    fewest_accepted : int
        Of these; a field that shows less is no field to check in.
    lowest_gain, highest_gain : float
        Change of the answer over change of the stage, between which a model is believed.
    usual_gain_sd : float
        How far gains of models differ from 1, before anything is known: a gain measured roughly counts less.
    """

    step_um: float | None = Field(default=None, gt=0)
    looks: int = Field(default=9, ge=5)
    fewest_accepted: int = Field(default=5, ge=3)
    lowest_gain: float = Field(default=0.1, gt=0)
    highest_gain: float = Field(default=2.5, gt=0)
    usual_gain_sd: float = Field(default=0.25, gt=0)


@dataclass(frozen=True)
class Look:
    """A frame of a self-check: where the stage stood, and what the model said."""

    z_um: float
    defocus_um: float
    accepted: bool


@dataclass(frozen=True)
class SelfCheck:
    """What came of it.

    Attributes
    ----------
    gain, gain_sd : float
        Change of the answer over change of the stage, and its standard error; 1 is right.
    noise_um : float
        Standard deviation of the answers about their line.
    factor : float
        That would mend the gain where it was measured. The lock does not use it: far from focus answers
        flatten, and a gain found there is not that of the rest.
    refusal : str
        Why the model must not be followed here; empty if it may.
    """

    gain: float
    gain_sd: float
    noise_um: float
    factor: float
    refusal: str = ""

    @property
    def in_words(self) -> str:
        """One line for a record."""
        if self.refusal:
            return self.refusal
        return f"gain {self.gain:.2f} +- {self.gain_sd:.2f}"


def planned_offset_um(look: int, *, step_um: float) -> float:
    """How far from where it began the stage stands at one of the looks.

    Examples
    --------
    >>> [planned_offset_um(k, step_um=1.5) for k in range(5)]
    [0.0, 1.5, 0.0, -1.5, 0.0]
    """
    return step_um * CYCLE[look % len(CYCLE)]


def check_looks(looks: Sequence[Look], settings: SelfCheckSettings) -> SelfCheck:
    """What the looks say of a model: the slope of its answers over the stage, by least squares.

    Notes
    -----
    The factor is that of a Gaussian prior about a gain of 1 and the gain measured, inverted.
    """
    kept = [look for look in looks if look.accepted and abs(look.defocus_um) < FARTHEST_UM]
    if len(kept) < settings.fewest_accepted:
        return SelfCheck(
            math.nan, math.inf, math.nan, 1.0, f"only {len(kept)} of {len(looks)} images can be told"
        )
    z_um, told_um = (np.array(values) for values in zip(*((k.z_um, k.defocus_um) for k in kept), strict=True))
    apart = z_um - z_um.mean()
    if np.ptp(z_um) < LEAST_TRAVEL_UM:
        return SelfCheck(math.nan, math.inf, math.nan, 1.0, "the stage did not move")
    gain = float(apart @ told_um / (apart @ apart))
    left = told_um - told_um.mean() - gain * apart
    noise_um = float(np.sqrt(left @ left / (len(kept) - 2)))
    gain_sd = noise_um / float(np.sqrt(apart @ apart))
    certain, usual = 1 / max(gain_sd, 1e-6) ** 2, 1 / settings.usual_gain_sd**2
    likely = (certain * gain + usual) / (certain + usual)
    likely = min(max(likely, settings.lowest_gain), settings.highest_gain)
    refusal = _refusal(gain, gain_sd, settings)
    return SelfCheck(gain, gain_sd, noise_um, 1.0 if refusal else 1 / likely, refusal)


def _refusal(gain: float, gain_sd: float, settings: SelfCheckSettings) -> str:
    if gain < -CERTAIN * gain_sd:
        return f"the answers fall where the stage rises (gain {gain:.2f}), as if contrast were inverted"
    if gain - CERTAIN * gain_sd < 0:
        return f"the answers do not follow the stage (gain {gain:.2f} +- {gain_sd:.2f})"
    lowest, highest = gain - CERTAIN * gain_sd, gain + CERTAIN * gain_sd
    if highest < settings.lowest_gain or lowest > settings.highest_gain:
        return f"the answers change {gain:.2f} times as much as the stage moves"
    return ""


def scaled(estimate: FocusEstimate, factor: float) -> FocusEstimate:
    """An estimate with all its lengths multiplied."""
    if factor == 1:
        return estimate
    low_um, high_um = estimate.interval90_um
    return replace(
        estimate,
        defocus_um=factor * estimate.defocus_um,
        std_um=factor * estimate.std_um,
        interval90_um=(factor * low_um, factor * high_um),
        bin_centres_um=factor * estimate.bin_centres_um,
        layers_um=tuple(factor * layer_um for layer_um in estimate.layers_um),
    )
