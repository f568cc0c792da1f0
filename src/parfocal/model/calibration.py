"""What a trained network is worth on stacks it was not trained on: errors, interval width, familiarity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from parfocal.model.estimator import answer
from parfocal.model.familiarity import Familiarity, clipped_fraction, describe, learn_familiarity
from parfocal.model.recipe import Recipe
from parfocal.model.working_frame import working_frame
from parfocal.zstack import ZStack

LabelledStack = tuple[ZStack, float]
"""A stack and its focus position in um."""
MOST_TRAINING_FRAMES = 2000
"""Enough to know what familiar frames look like."""


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
    familiarity: Familiarity
    predictions: Predictions
    part: Literal["validation", "train"]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the model file keeps beside the weights."""
        return {
            "familiarity.means": self.familiarity.means,
            "familiarity.whitening": self.familiarity.whitening,
        }


def calibrate(
    network: nn.Module,
    training: Sequence[LabelledStack],
    validation: Sequence[LabelledStack],
    recipe: Recipe,
) -> Calibration:
    """How wide the intervals must be and what familiar frames look like, measured on the validation stacks.

    Notes
    -----
    Without validation stacks the training stacks serve, which flatters; the model file says so.
    """
    held_out = validation or training
    predictions = predict_stacks(network, held_out, recipe)
    ratios = np.abs(predictions.inferred_um - predictions.actual_um) / predictions.spread_um
    spread_scale = max(float(np.sqrt(np.mean(ratios**2))), 1e-6)
    return Calibration(
        spread_scale=spread_scale,
        interval90_scale=conformal_scale(ratios) / spread_scale,
        familiarity=_familiarity(training, held_out, recipe),
        predictions=predictions,
        part="validation" if validation else "train",
    )


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


def predict_stacks(network: nn.Module, stacks: Sequence[LabelledStack], recipe: Recipe) -> Predictions:
    """Answers for every frame of some stacks, each shown as an estimator would show it."""
    network.eval()
    device = next(network.parameters()).device
    actual, answers = [], []
    with torch.inference_mode():
        for stack, focus_z_um in stacks:
            frames = torch.stack(list(working_frames(stack, recipe)))[:, None].to(device)
            logits = torch.cat([network(part).float() for part in torch.split(frames, 16)]).cpu()
            probabilities = torch.softmax(logits.double(), dim=1).numpy()
            answers += [answer(p, recipe.bins, how=recipe.answer) for p in probabilities]
            actual.append(stack.defocus_um(focus_z_um))
    inferred, spread = np.array(answers).T
    return Predictions(np.concatenate(actual), inferred, spread)


def working_frames(stack: ZStack, recipe: Recipe) -> Iterator[Tensor]:
    """Each frame (y, x) of a stack as the network sees it."""
    scale = recipe.sampling.pixel_size_um / stack.pixel_size_um
    for frame in stack.frames_zyx:
        yield working_frame(frame, scale=scale, network=recipe.network)


def _familiarity(
    training: Sequence[LabelledStack], held_out: Sequence[LabelledStack], recipe: Recipe
) -> Familiarity:
    described, defocus = _describe_all(training, recipe)
    keep = np.linspace(0, len(defocus) - 1, min(len(defocus), MOST_TRAINING_FRAMES)).astype(int)
    bins = recipe.bins.index_of(torch.from_numpy(defocus[keep])).numpy()
    familiarity = learn_familiarity(described[keep], bins, _describe_all(held_out, recipe)[0])
    clipping = [clipped_fraction(frame) for stack, _ in training for frame in stack.frames_zyx]
    return replace(familiarity, usual_clipping=max(clipping))


def _describe_all(
    stacks: Sequence[LabelledStack], recipe: Recipe
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    described = [describe(frame) for stack, _ in stacks for frame in working_frames(stack, recipe)]
    defocus = [stack.defocus_um(focus_z_um) for stack, focus_z_um in stacks]
    return np.stack(described), np.concatenate(defocus)
