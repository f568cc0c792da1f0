"""The self-check at lock-in: a few small known moves, and whether the answers change as commanded.

It needs no z-stack. It finds the sign and the gain of a model where the stage stands, and refuses a model
that does not fit the sample, before any long move trusts it.

A model whose answers follow the stage as they should is right on this sample, whatever its training looked
like: the check then vouches for images that look strange to the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from parfocal.settings import Settings

CYCLE = (0, 1, 0, -1, 0, -1, 0, 1)
"""Where the stage is looked from, in steps: to and fro, in an order in which steady drift cancels."""
LEAST_TRAVEL_UM = 0.01
FARTHEST_UM = 1e6
"""No answer lies beyond."""
VOUCHED_GAINS, VOUCHED_SD = (0.6, 1.6), 0.15
"""Gain, and its standard error, of answers that follow the stage as they should."""
VOUCHED_FROM, VOUCHED_SHARE = 0.0005, 0.1
"""In-distribution score that is then enough, and share of the least one seen in the check: the lower counts.
Of 312 frames within 14 um of focus, on six days that a model of five others had not seen, none scored less
and 31 of the 32 below .02 were told within 1 um; frames of the chamber without cells scored below .00003."""
LEAST_VOUCHED = 0.00005
"""Whatever was seen in the check: stranger than that are fields without cells."""
CERTAIN = 2.0
"""Standard errors that make a difference one to act on."""


class SelfCheckSettings(Settings):
    """How a model is checked against the stage.

    Attributes
    ----------
    step_um : float, optional
        Length of the known moves; part of what the model can tell, if not given.
    rounds : int
        Of known moves to and fro, each of which ends where it began.
    fewest_accepted : int
        Of the looks; a field that shows less is no field to check in.
    lowest_gain, highest_gain : float
        Change of the answer over change of the stage, between which a model is believed.
    most_tries : int
        A check that proves nothing is made again: so many times altogether.
    """

    step_um: float | None = Field(default=None, gt=0)
    rounds: int = Field(default=1, ge=1)
    fewest_accepted: int = Field(default=5, ge=3)
    lowest_gain: float = Field(default=0.1, gt=0)
    highest_gain: float = Field(default=2.5, gt=0)
    most_tries: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.lowest_gain >= self.highest_gain:
            raise ValueError(
                f"expected lowest_gain below highest_gain, got {self.lowest_gain}, {self.highest_gain}"
            )
        if self.fewest_accepted > self.looks:
            raise ValueError(
                f"expected a fewest_accepted of at most the {self.looks} looks of {self.rounds} rounds"
            )
        return self

    @property
    def looks(self) -> int:
        """Frames, the last of which is taken where the first one was."""
        return self.rounds * len(CYCLE) + 1


@dataclass(frozen=True)
class Look:
    """A frame of a self-check: where the stage stood, and what the model said.

    `accepted` is also said of a frame that is refused for nothing but that it looks strange; how familiar it
    looks is `in_distribution`.
    """

    z_um: float
    defocus_um: float
    accepted: bool
    in_distribution: float = 1.0
    is_strange: bool = False


@dataclass(frozen=True)
class SelfCheck:
    """What came of it.

    Attributes
    ----------
    gain, gain_sd : float
        Change of the answer over change of the stage, and its standard error; 1 is right. It is that of the
        place: far from focus answers flatten, so nothing is corrected by it.
    noise_um : float
        Standard deviation of the answers about their line.
    refusal : str
        Why the model must not be followed here; empty if it may.
    vouched_from : float
        In-distribution score from which on images are trusted that look strange; infinite where the answers
        do not follow the stage so well as to vouch for any.
    is_proven : bool
        False where the model was refused for what may have been a kick, noise, or frames that told nothing:
        another check may say otherwise.
    """

    gain: float
    gain_sd: float
    noise_um: float
    refusal: str = ""
    vouched_from: float = math.inf
    is_proven: bool = True

    @property
    def vouches(self) -> bool:
        """Whether the answers follow the stage so well that strange images are trusted."""
        return math.isfinite(self.vouched_from)

    @property
    def why_not_locked(self) -> str:
        """Why the lock ends; empty if it goes on."""
        if not self.refusal:
            return ""
        proved = "the model does not fit this sample" if self.is_proven else "the self-check proves nothing"
        return f"not locked, as {proved}: {self.refusal}"

    @property
    def in_words(self) -> str:
        """One line for a record."""
        if self.refusal:
            return self.refusal
        told = f"gain {self.gain:.2f} +- {self.gain_sd:.2f}"
        if VOUCHED_GAINS[0] <= self.gain <= VOUCHED_GAINS[1]:
            return told
        much = "less" if self.gain < 1 else "more"
        return f"{told}; warning: the answers change much {much} than the stage moves, as of another scale"


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
    A refusal is proven where the whole interval of the gain is refused. A kick of the focus during the check
    widens the interval by more than it shifts the gain, so it leaves a check inconclusive.
    """
    kept = [look for look in looks if look.accepted and abs(look.defocus_um) < FARTHEST_UM]
    if len(kept) < settings.fewest_accepted:
        return _inconclusive(f"only {len(kept)} of {len(looks)} images can be told")
    z_um, told_um = (np.array(values) for values in zip(*((k.z_um, k.defocus_um) for k in kept), strict=True))
    apart = z_um - z_um.mean()
    if np.ptp(z_um) < LEAST_TRAVEL_UM:
        return _inconclusive("no image can be told but where the stage began")
    gain = float(apart @ told_um / (apart @ apart))
    left = told_um - told_um.mean() - gain * apart
    noise_um = float(np.sqrt(left @ left / (len(kept) - 2)))
    gain_sd = noise_um / float(np.sqrt(apart @ apart))
    refusal, is_proven = _refusal(gain, gain_sd, settings)
    vouches = VOUCHED_GAINS[0] <= gain <= VOUCHED_GAINS[1] and gain_sd <= VOUCHED_SD
    if not (vouches or refusal) and any(look.is_strange for look in kept):
        told = f"gain {gain:.2f} +- {gain_sd:.2f}"
        refusal = f"the images look strange, and the answers do not follow well ({told})"
        is_proven = _is_outside(gain, gain_sd, *VOUCHED_GAINS)
    least = min(look.in_distribution for look in kept)
    vouched_from = max(min(VOUCHED_FROM, VOUCHED_SHARE * least), LEAST_VOUCHED) if vouches else math.inf
    return SelfCheck(gain, gain_sd, noise_um, refusal, vouched_from, is_proven)


def _inconclusive(refusal: str) -> SelfCheck:
    return SelfCheck(math.nan, math.inf, math.nan, refusal, is_proven=False)


def _refusal(gain: float, gain_sd: float, settings: SelfCheckSettings) -> tuple[str, bool]:
    """Why a gain is refused, and whether that is proven."""
    if gain < -CERTAIN * gain_sd:
        return f"the answers fall where the stage rises (gain {gain:.2f}), as if contrast were inverted", True
    is_outside = _is_outside(gain, gain_sd, settings.lowest_gain, settings.highest_gain)
    if gain - CERTAIN * gain_sd < 0:
        return f"the answers do not follow the stage (gain {gain:.2f} +- {gain_sd:.2f})", is_outside
    if is_outside:
        return f"the answers change {gain:.2f} times as much as the stage moves", True
    return "", True


def _is_outside(gain: float, gain_sd: float, lowest: float, highest: float) -> bool:
    """Whether a gain is surely less than one or more than the other."""
    return gain + CERTAIN * gain_sd < lowest or gain - CERTAIN * gain_sd > highest
