"""The line that a model's answers for some stacks lie near, and whether it is one to be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from parfocal.errors import InputError

FEWEST_PLANES = 5
LEAST_RANK_CORRELATION = 0.9
SCALES = (0.5, 2.0)
APART = 1 / 3
"""Of a stack's range: planes nearer to each other say little of a slope."""


@dataclass(frozen=True, eq=False)
class StackAnswers:
    """What a model says of the planes of one stack, each of shape (planes,), in um.

    Attributes
    ----------
    actual_um : array
        Their defocus; their stage positions where nobody said which one is in focus.
    inferred_um, std_um, half90_um : array
        The answers, their standard deviations, and half the widths of their 90 % intervals.
    """

    actual_um: NDArray[np.float64]
    inferred_um: NDArray[np.float64]
    std_um: NDArray[np.float64]
    half90_um: NDArray[np.float64]

    def only(self, chosen: NDArray[np.bool_]) -> StackAnswers:
        """Those of some planes."""
        columns = (self.actual_um, self.inferred_um, self.std_um, self.half90_um)
        return StackAnswers(*(column[chosen] for column in columns))


@dataclass(frozen=True)
class Line:
    """``defocus = scale * answer + offset_um``."""

    scale: float
    offset_um: float

    def of(self, answers: StackAnswers) -> NDArray[np.float64]:
        """Defocus of some planes, in um."""
        return self.scale * answers.inferred_um + self.offset_um


UNCHANGED = Line(1.0, 0.0)


def fit_line(stacks: Sequence[StackAnswers]) -> Line:
    """The line that most planes lie near.

    Parameters
    ----------
    stacks : sequence of StackAnswers
        Each of at least two planes that are not at one place.

    Examples
    --------
    >>> z = np.arange(5.0)
    >>> fit_line([StackAnswers(2 * z + 1, z, np.ones(5), np.ones(5))])
    Line(scale=2.0, offset_um=1.0)
    """
    steepness = float(np.median(np.concatenate([_steepnesses(answers) for answers in stacks])))
    scale = 1 / steepness if steepness > 0 else np.inf
    if not np.isfinite(scale):
        return Line(scale, 0.0)
    offsets = [np.median(answers.actual_um - scale * answers.inferred_um) for answers in stacks]
    return Line(scale, float(np.median(offsets)))


def _steepnesses(answers: StackAnswers) -> NDArray[np.float64]:
    """Answer per um of the stage for each pair of planes that lie apart: never divided by zero."""
    one, other = np.triu_indices(len(answers.actual_um), k=1)
    stage_um = answers.actual_um[other] - answers.actual_um[one]
    apart = np.abs(stage_um) >= APART * np.ptp(answers.actual_um)
    answered_um = answers.inferred_um[other] - answers.inferred_um[one]
    steepness: NDArray[np.float64] = answered_um[apart] / stage_um[apart]
    return steepness


def usable_stacks(stacks: Sequence[StackAnswers], *, range_um: float) -> list[StackAnswers]:
    """The stacks that a line can be fitted to: with enough planes, over at least a range.

    Raises
    ------
    InputError
        If there is none.
    """
    answered = [answers for answers in stacks if len(answers.actual_um) >= FEWEST_PLANES]
    if not answered:
        most = max(len(answers.actual_um) for answers in stacks)
        raise InputError(
            f"Expected a stack with at least {FEWEST_PLANES} planes that the model answers, got {most}: the "
            "images are unlike those of its training, or out of its range. Train a model on such stacks."
        )
    usable = [answers for answers in answered if np.ptp(answers.actual_um) >= range_um]
    if not usable:
        widest_um = max(np.ptp(answers.actual_um) for answers in answered)
        raise InputError(
            f"Expected planes over at least {range_um:g} um, got {widest_um:.3g} um that the model answers. "
            "Take a stack over a larger range."
        )
    return usable


def check_line(line: Line, stacks: Sequence[StackAnswers]) -> None:
    """Refuses a line that is none, or too steep or too flat to be believed.

    Raises
    ------
    InputError
        If answers do not rise with the stage, or the scale is beyond `SCALES`.
    """
    correlations = [spearmanr(answers.actual_um, answers.inferred_um).statistic for answers in stacks]
    correlation = float(np.nan_to_num(np.median(correlations)))
    if correlation < LEAST_RANK_CORRELATION:
        backwards = " The stage may count the other way round." if correlation < -0.5 else ""
        raise InputError(
            f"Expected answers that rise with the stage, with a rank correlation of at least "
            f"{LEAST_RANK_CORRELATION:g}; got {correlation:.2f}.{backwards} No line mends that: "
            "train a model on such stacks."
        )
    if not SCALES[0] <= line.scale <= SCALES[1]:
        raise InputError(
            f"Expected a scale from {SCALES[0]:g} to {SCALES[1]:g}, got {line.scale:.2f} um of the stage for "
            "each um that the model says. Check pixel size and stage positions of the stack, or train a "
            "model on such stacks."
        )
