"""What a trained network is worth on stacks it was not trained on: errors, interval width, familiarity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from parfocal.estimate import NORMAL_90
from parfocal.model.estimator import answer
from parfocal.model.evidence import LabelledStack as LabelledStack
from parfocal.model.evidence import gather, learn_from_stacks, seen, seen_in_part
from parfocal.model.familiarity import Familiarity
from parfocal.model.intervals import (
    NEW_DAY_FACTOR,
    Intervals,
    learn_stretch,
    stack_scale,
    widest_spread_um,
)
from parfocal.model.recipe import Recipe
from parfocal.zstack import ZStack

_SEED = 402


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers beside the truth, each of shape (N,), in um."""

    actual_um: NDArray[np.float64]
    inferred_um: NDArray[np.float64]
    spread_um: NDArray[np.float64]

    @property
    def mae_um(self) -> float:
        """Mean absolute error."""
        return float(np.abs(self.inferred_um - self.actual_um).mean())

    @property
    def within_1um(self) -> float:
        """Fraction of frames with an error of at most 1 um."""
        return float((np.abs(self.inferred_um - self.actual_um) <= 1).mean())


@dataclass(frozen=True, eq=False)
class Calibration:
    """See `parfocal.model.model_file.ModelHeader` for what the numbers mean."""

    spread_scale: float
    interval90_scale: float
    intervals: Intervals
    familiarity: Familiarity
    predictions: Predictions
    part: Literal["validation", "train"]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the model file keeps beside the weights."""
        return {**self.familiarity.arrays(), **self.intervals.arrays()}


def calibrate(
    network: nn.Module,
    training: Sequence[LabelledStack],
    validation: Sequence[LabelledStack],
    recipe: Recipe,
    *,
    rejects: Sequence[ZStack] = (),
    knows_other_days: bool = False,
) -> Calibration:
    """How wide the intervals must be and what familiar frames look like, measured on the validation stacks.

    Parameters
    ----------
    network : Module
    training, validation : sequence of (ZStack, focus_z_um)
    recipe : Recipe
    rejects : sequence of ZStack
        Of what must not be answered.
    knows_other_days : bool
        Whether the network was taught by other microscopes and days than those of the stacks.

    Notes
    -----
    Two things make intervals wider than the errors of the validation frames: few stacks tell them only
    roughly (`stack_scale`), and a model that knows no other days errs further on those it did not learn from
    (`NEW_DAY_FACTOR`, from simulated days). The larger counts. Without validation stacks the training stacks
    serve, which flatters; the model file says so.
    """
    held_out = validation or training
    random = np.random.default_rng([recipe.training.seed, _SEED])
    frames = (
        seen_in_part(seen(stack, plane, recipe), recipe, generator=random)
        for stack, _ in held_out
        for plane in range(stack.n_planes)
    )
    evidence = gather(network, frames, recipe)
    actual_um = np.concatenate([stack.defocus_um(focus_z_um) for stack, focus_z_um in held_out])
    predictions = Predictions(actual_um, evidence.defocus_um, evidence.spread_um)
    spread_scale, interval90_scale, intervals = _widths(
        predictions,
        held_out,
        knows_other_days=knows_other_days and bool(validation),
        most_refused=recipe.most_refused,
    )
    return Calibration(
        spread_scale=spread_scale,
        interval90_scale=interval90_scale,
        intervals=intervals,
        familiarity=learn_from_stacks(
            network, training, recipe, rejects=rejects, held_out=evidence, n_stacks=len(held_out)
        ),
        predictions=predictions,
        part="validation" if validation else "train",
    )


def _widths(
    predictions: Predictions,
    stacks: Sequence[LabelledStack],
    *,
    knows_other_days: bool,
    most_refused: float,
) -> tuple[float, float, Intervals]:
    """Scale of the spread, scale of the interval, and how that differs with distance from focus."""
    errors = np.abs(predictions.inferred_um - predictions.actual_um)
    ratios = errors / predictions.spread_um
    at_um, stretch = learn_stretch(predictions.inferred_um, ratios)
    stretched = Intervals(at_um, stretch, math.inf).stretch_at(predictions.inferred_um)
    widest_um = widest_spread_um(predictions.spread_um * stretched, errors, most_refused=most_refused)
    intervals = Intervals(at_um, stretch, widest_um)
    even = ratios / stretched
    spread_scale = standard_deviation(even)
    of_stack = np.repeat(np.arange(len(stacks)), [stack.n_planes for stack, _ in stacks])
    new_day = 1.0 if knows_other_days else NEW_DAY_FACTOR
    scale = max(stack_scale(even, of_stack), new_day * conformal_scale(even))
    return spread_scale, max(scale, 1e-6) / spread_scale, intervals


def conformal_scale(ratios: NDArray[np.float64], *, coverage: float = 0.9) -> float:
    """How many spreads wide an interval must be, to either side, to hold the truth of a further frame.

    Parameters
    ----------
    ratios : array, shape (N,)
        |error| / spread of held-out frames, N > 0.
    coverage : float
        How often it must hold the truth, below 1.

    Notes
    -----
    Split conformal prediction (Vovk et al. 2005): the k-th smallest ratio, k the first integer from
    coverage (N + 1) up; the largest one where there are too few. Exact for exchangeable frames; frames of one
    stack err alike, so few stacks tell the width only roughly.

    Examples
    --------
    >>> conformal_scale(np.arange(1.0, 20.0))
    18.0
    """
    k = math.ceil(coverage * (len(ratios) + 1) - 1e-9)
    return float(np.sort(ratios)[min(k, len(ratios)) - 1])


def standard_deviation(ratios: NDArray[np.float64]) -> float:
    """That of the normal distribution whose 90 % interval holds as many ratios.

    Errors of networks have long tails, which a mean square would be the measure of.

    Parameters
    ----------
    ratios : array, shape (N,)
        |error| / spread of held-out frames, N > 0.
    """
    return max(conformal_scale(ratios) / NORMAL_90, 1e-6)


def predict_stacks(network: nn.Module, stacks: Sequence[LabelledStack], recipe: Recipe) -> Predictions:
    """Answers for every frame of some stacks, each shown as an estimator would show it."""
    network.eval()
    device = next(network.parameters()).device
    actual, answers = [], []
    with torch.inference_mode():
        for stack, focus_z_um in stacks:
            frames = torch.stack([seen(stack, plane, recipe) for plane in range(stack.n_planes)])[:, None]
            logits = torch.cat([network(part).float() for part in torch.split(frames.to(device), 16)]).cpu()
            probabilities = torch.softmax(logits.double(), dim=1).numpy()
            answers += [answer(p, recipe.bins, how=recipe.answer) for p in probabilities]
            actual.append(stack.defocus_um(focus_z_um))
    inferred, spread = np.array(answers).T
    return Predictions(np.concatenate(actual), inferred, spread)
