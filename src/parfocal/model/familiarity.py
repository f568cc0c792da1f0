"""How much a frame looks like those a model was trained on: its in-distribution score.

Two opinions, added. One is the distance of what is known of the frame, its description and the network's own
features, from what training frames at the same defocus are like (class-conditional Mahalanobis distance, Lee
et al. 2018); it needs no examples of strange frames and so is open to all of them. The other is a small
network that was shown strange frames, see `parfocal.model.strange_frames`, and judges what it knows better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from parfocal.model.description import describe

SHRINKAGE, SCARCITY = 0.02, 0.1
"""Of the covariance towards its diagonal: at least, and times numbers over frames where those are few."""
GROUP_UM, GROUPS_APART_UM = 1.5, 2.0
"""Training frames within about so far are what a frame is compared to; and how densely that is kept."""
HIDDEN = 64
BATCH, EPOCHS = 256, 60
REFUSED = 0.005
"""Of the held-out frames. Those that the score puts below one half."""
UNSEEN = 8
"""Over the number of held-out frames: how much further the farthest familiar frames lie than those seen."""
SHARPNESS = 1.5
CLIPPING_TOLERANCE = 0.03
"""Clipped pixels beyond the usual fraction, from which on a frame is unfamiliar."""
PREFIX = "familiarity."

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of some frames.

    Attributes
    ----------
    numbers : array, shape (N, numbers)
        See `numbers_of`.
    defocus_um, spread_um : array, shape (N,)
        The network's answers and how wide they are.
    probabilities : array, shape (N, bins)
    """

    numbers: Floats
    defocus_um: Floats
    spread_um: Floats
    probabilities: Floats

    def __len__(self) -> int:
        return len(self.defocus_um)


def numbers_of(frame_yx: NDArray[Any], features: NDArray[Any] | None) -> Floats:
    """Description of a frame and, where a network has them, its features, shape (numbers,)."""
    described = describe(frame_yx).astype(np.float64)
    # Features come from rectifiers: a few of them large.
    return (
        described
        if features is None
        else np.concatenate([described, np.arcsinh(features.astype(np.float64))])
    )


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What familiar frames are like, and what strange ones are like if any were seen.

    Attributes
    ----------
    groups_um : array, shape (groups,)
    means : array, shape (groups, numbers)
        What frames at about that defocus are like.
    whitening : array, shape (numbers, numbers)
        Turns differences into units of the spread within a group.
    hidden, out : arrays, shape (inputs + 1, units) and (units + 1,)
        The judge's weights, biases last; empty without one.
    inputs : array, shape (2, inputs)
        Mean and standard deviation of what the judge gets.
    levels : array, shape (5,)
        Of held-out frames: median and step of the distance, the same of the judgement, and the sum of both
        below which `REFUSED` of them lie.
    usual_clipping : float
        The largest `clipped_fraction` of the training frames.
    """

    groups_um: Floats
    means: Floats
    whitening: Floats
    hidden: Floats
    out: Floats
    inputs: Floats
    levels: Floats
    usual_clipping: float = 0.0

    def scores(self, evidence: Evidence) -> Floats:
        """1 for familiar frames, 0 for frames unlike all others, shape (N,); 0.5 is where doubt begins."""
        margin = self._opinion(evidence) - self.levels[4]
        scores: Floats = 1 / (1 + np.exp(-SHARPNESS * np.clip(margin, -40, 40)))
        return np.where(np.isfinite(margin), scores, 0.0)

    def is_clipped(self, frame_yx: NDArray[Any]) -> bool:
        """Whether a camera frame (Y, X) is saturated or black to a degree that training frames were not."""
        return clipped_fraction(frame_yx) > self.usual_clipping + CLIPPING_TOLERANCE

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a model file keeps."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "usual_clipping"}
        return {f"{PREFIX}{name}": value.astype(np.float32) for name, value in kept.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, usual_clipping: float) -> Self:
        """What `arrays` gave.

        Raises
        ------
        KeyError
            If one is missing.
        """
        names = [f.name for f in fields(cls) if f.name != "usual_clipping"]
        return cls(
            **{name: arrays[f"{PREFIX}{name}"].astype(np.float64) for name in names},
            usual_clipping=usual_clipping,
        )

    @property
    def usual_distance(self) -> float:
        """Median distance of held-out frames from others of their defocus, in standard deviations."""
        return float(np.exp(self.levels[0] / 2))

    def _opinion(self, evidence: Evidence) -> Floats:
        residuals = self._residuals(evidence)
        distance = np.log((residuals**2).mean(axis=1) + 1e-12)
        opinion: Floats = (self.levels[0] - distance) / self.levels[1]
        if self.out.size:
            # However sure the judge is, the distance is heard.
            opinion = opinion + np.minimum(
                (self._judged(residuals, evidence) - self.levels[2]) / self.levels[3], 1.0
            )
        return opinion

    def _residuals(self, evidence: Evidence) -> Floats:
        nearness = _nearness(evidence.defocus_um, self.groups_um)
        usual = nearness / nearness.sum(axis=1, keepdims=True) @ self.means
        residuals: Floats = (evidence.numbers - usual) @ self.whitening
        return residuals

    def _judged(self, residuals: Floats, evidence: Evidence) -> Floats:
        x = np.clip((_judge_inputs(residuals, evidence) - self.inputs[0]) / self.inputs[1], -8, 8)
        judged: Floats = np.tanh(x @ self.hidden[:-1] + self.hidden[-1]) @ self.out[:-1] + self.out[-1]
        return judged


def clipped_fraction(frame_yx: NDArray[Any]) -> float:
    """Fraction of pixels at the largest or at the smallest grey value of a frame, whichever is larger.

    Examples
    --------
    >>> clipped_fraction(np.array([[1, 4, 4], [2, 3, 4]]))
    0.5
    """
    extremes = (frame_yx.max(), frame_yx.min())
    return max(float(np.count_nonzero(frame_yx == extreme)) / frame_yx.size for extreme in extremes)


def everything_familiar(n_numbers: int) -> Familiarity:
    """Finds no frame strange that can be described: for a model that has not learned yet."""
    empty = np.empty(0)
    levels = np.array([0.0, 1.0, 0.0, 1.0, -1e6])
    return Familiarity(np.zeros(1), np.zeros((1, n_numbers)), np.eye(n_numbers), empty, empty, empty, levels)


def learn_familiarity(
    familiar: Evidence,
    strange: Evidence | None = None,
    *,
    held_out: Evidence,
    usual_clipping: float = 0.0,
    seed: int = 0,
) -> Familiarity:
    """What frames look like.

    Parameters
    ----------
    familiar : Evidence
        Of training frames, and of the same as they could have looked.
    strange : Evidence, optional
        Of frames that must not be answered. Of no account where they are not told from held-out frames.
    held_out : Evidence
        Of frames of other stacks; they decide where doubt begins.
    usual_clipping : float
    seed : int
        Of the judge's first weights.
    """
    lowest, highest = familiar.defocus_um.min(), familiar.defocus_um.max()
    groups_um = np.linspace(lowest, highest, max(round((highest - lowest) / GROUPS_APART_UM), 1) + 1)
    nearness = _nearness(familiar.defocus_um, groups_um)
    means = nearness.T @ familiar.numbers / nearness.sum(axis=0)[:, None]
    spread_out = familiar.numbers - nearness / nearness.sum(axis=1, keepdims=True) @ means
    empty = np.empty(0)
    learned = Familiarity(
        groups_um,
        means,
        _whitening(spread_out),
        empty,
        empty,
        empty,
        np.array([0.0, 1.0, 0.0, 1.0, 0.0]),
        usual_clipping,
    )
    if strange is not None:
        judging = _with_judge(learned, familiar, strange, seed=seed)
        # A judge that finds held-out frames strange knows its few training frames by heart, and no more.
        if np.median(judging._judged(judging._residuals(held_out), held_out)) > 0:
            learned = judging
    return _levelled(learned, held_out)


def _nearness(defocus_um: Floats, groups_um: Floats) -> Floats:
    apart = (np.clip(defocus_um, groups_um[0], groups_um[-1])[:, None] - groups_um) / GROUP_UM
    nearness: Floats = np.exp(-0.5 * apart**2)
    return nearness


def _whitening(residuals: Floats) -> Floats:
    covariance = residuals.T @ residuals / len(residuals)
    n_frames, n_numbers = residuals.shape
    shrinkage = max(SHRINKAGE, SCARCITY * n_numbers / (SCARCITY * n_numbers + n_frames))
    floor = shrinkage * np.diag(np.diag(covariance)) + 1e-4 * np.eye(n_numbers)
    values, vectors = np.linalg.eigh((1 - shrinkage) * covariance + floor)
    whitening: Floats = vectors / np.sqrt(values)
    return whitening


def _judge_inputs(residuals: Floats, evidence: Evidence) -> Floats:
    distance = np.log((residuals**2).mean(axis=1) + 1e-12)
    alone = np.stack([distance, np.log(evidence.spread_um)], axis=1)
    return np.concatenate([residuals, residuals**2 / 4, 3 * alone, evidence.probabilities], axis=1)


def _with_judge(learned: Familiarity, familiar: Evidence, strange: Evidence, *, seed: int) -> Familiarity:
    of_familiar, of_strange = (_judge_inputs(learned._residuals(e), e) for e in (familiar, strange))
    inputs = np.stack([of_familiar.mean(axis=0), of_familiar.std(axis=0) + 0.02])
    x = np.clip((np.concatenate([of_familiar, of_strange]) - inputs[0]) / inputs[1], -8, 8)
    hidden, out = _train_judge(x, np.arange(len(x)) < len(familiar), seed=seed)
    return Familiarity(
        learned.groups_um,
        learned.means,
        learned.whitening,
        hidden,
        out,
        inputs,
        learned.levels,
        learned.usual_clipping,
    )


def _train_judge(x: Floats, is_familiar: NDArray[np.bool_], *, seed: int) -> tuple[Floats, Floats]:
    """Weights and biases of a network of one hidden layer."""
    random = torch.Generator().manual_seed(seed)
    inputs, wanted = torch.from_numpy(x).float(), torch.from_numpy(is_familiar).float()
    share = wanted.mean()
    weight = torch.where(wanted > 0, 0.5 / share, 0.5 / (1 - share))
    layers = [torch.empty(x.shape[1], HIDDEN), torch.zeros(HIDDEN), torch.empty(HIDDEN), torch.zeros(1)]
    for layer in (layers[0], layers[2]):
        layer.copy_(torch.randn(layer.shape, generator=random) / len(layer) ** 0.5)
    weights = [nn.Parameter(layer) for layer in layers]
    optimiser = torch.optim.AdamW(weights, lr=5e-3, weight_decay=0.5)
    steps = EPOCHS * max(len(x) // BATCH, 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        drawn = torch.randint(len(x), (BATCH,), generator=random)
        shaken = inputs[drawn] + 0.1 * torch.randn(BATCH, x.shape[1], generator=random)
        judged = torch.tanh(shaken @ weights[0] + weights[1]) @ weights[2] + weights[3]
        loss = functional.binary_cross_entropy_with_logits(judged, wanted[drawn], weight=weight[drawn])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    w1, b1, w2, b2 = (w.detach().double().numpy() for w in weights)
    return np.concatenate([w1, b1[None]]), np.concatenate([w2, b2])


def _levelled(learned: Familiarity, held_out: Evidence) -> Familiarity:
    residuals = learned._residuals(held_out)
    distance = np.log((residuals**2).mean(axis=1) + 1e-12)
    judged = learned._judged(residuals, held_out) if learned.out.size else np.zeros(len(held_out))
    levels = np.array([*_level(distance, towards=0.95), *_level(judged, towards=0.05), 0.0])
    plain = {f.name: getattr(learned, f.name) for f in fields(learned)}
    opinion = Familiarity(**{**plain, "levels": levels})._opinion(held_out)
    median, low = np.quantile(opinion, (0.5, REFUSED))
    levels[4] = median - (median - low) * (1 + UNSEEN / len(held_out))
    return Familiarity(**{**plain, "levels": levels})


def _level(values: Floats, *, towards: float) -> tuple[float, float]:
    median = float(np.median(values))
    return median, max(abs(float(np.quantile(values, towards)) - median), 0.05)
