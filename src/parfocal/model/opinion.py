"""An opinion on whether frames are familiar, from one view of them.

It adds two things. One is the distance of what is seen of a frame from what training frames at the same
defocus are like (class-conditional Mahalanobis distance, Lee et al. 2018); it needs no examples of strange
frames and so is open to all of them. The other is a small network that was shown strange frames, see
`parfocal.model.strange_frames`, and judges what it knows better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

SHRINKAGE, SCARCITY = 0.02, 0.1
"""Of the covariance towards its diagonal: at least, and times numbers over frames where those are few."""
GROUP_UM, GROUPS_APART_UM = 1.5, 2.0
"""Training frames within about so far are what a frame is compared to; and how densely that is kept."""
HIDDEN = 64
BATCH, EPOCHS = 256, 60

Floats = NDArray[np.float64]


class View(NamedTuple):
    """What is seen of some frames.

    Attributes
    ----------
    numbers : array, shape (N, numbers)
    defocus_um, spread_um : array, shape (N,)
        The network's answers and how wide they are.
    probabilities : array, shape (N, bins)
    """

    numbers: Floats
    defocus_um: Floats
    spread_um: Floats
    probabilities: Floats


@dataclass(frozen=True, eq=False)
class Opinion:
    """What familiar frames are like in one view, and what strange ones are like if any were seen.

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
    levels : array, shape (4,)
        Of held-out frames: median and step of the distance, and the same of the judgement.
    """

    groups_um: Floats
    means: Floats
    whitening: Floats
    hidden: Floats
    out: Floats
    inputs: Floats
    levels: Floats

    def of(self, view: View) -> Floats:
        """About 0 for familiar frames and below for strange ones, shape (N,)."""
        residuals = self._residuals(view)
        opinion: Floats = (self.levels[0] - _log_distance(residuals)) / self.levels[1]
        if self.out.size:
            # However sure the judge is, the distance is heard.
            judged = (self._judged(residuals, view) - self.levels[2]) / self.levels[3]
            opinion = opinion + np.minimum(judged, 1.0)
        return opinion

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, by name."""
        return {f.name: getattr(self, f.name).astype(np.float32) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` gave.

        Raises
        ------
        KeyError
            If one is missing.
        """
        return cls(**{f.name: arrays[f.name].astype(np.float64) for f in fields(cls)})

    def _residuals(self, view: View) -> Floats:
        nearness = _nearness(view.defocus_um, self.groups_um)
        usual = nearness / nearness.sum(axis=1, keepdims=True) @ self.means
        residuals: Floats = (view.numbers - usual) @ self.whitening
        return residuals

    def _judged(self, residuals: Floats, view: View) -> Floats:
        x = np.clip((_judge_inputs(residuals, view) - self.inputs[0]) / self.inputs[1], -8, 8)
        judged: Floats = np.tanh(x @ self.hidden[:-1] + self.hidden[-1]) @ self.out[:-1] + self.out[-1]
        return judged


def learn_opinion(familiar: View, strange: View | None, *, held_out: View, seed: int) -> Opinion:
    """An opinion from frames of both kinds, or of the first alone.

    Parameters
    ----------
    familiar, strange : View
    held_out : View
        Of familiar frames of other stacks. A judge that finds them strange is not heard.
    seed : int
        Of the judge's first weights.
    """
    lowest, highest = familiar.defocus_um.min(), familiar.defocus_um.max()
    groups_um = np.linspace(lowest, highest, max(round((highest - lowest) / GROUPS_APART_UM), 1) + 1)
    nearness = _nearness(familiar.defocus_um, groups_um)
    means = nearness.T @ familiar.numbers / nearness.sum(axis=0)[:, None]
    spread_out = familiar.numbers - nearness / nearness.sum(axis=1, keepdims=True) @ means
    none = np.empty(0)
    learned = Opinion(groups_um, means, _whitening(spread_out), none, none, none, np.array([0.0, 1, 0, 1]))
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


def _log_distance(residuals: Floats) -> Floats:
    distance: Floats = np.log((residuals**2).mean(axis=1) + 1e-12)
    return distance


def _judge_inputs(residuals: Floats, view: View) -> Floats:
    alone = np.stack([_log_distance(residuals), np.log(view.spread_um)], axis=1)
    return np.concatenate([residuals, residuals**2 / 4, 3 * alone, view.probabilities], axis=1)


def _with_judge(learned: Opinion, familiar: View, strange: View, *, seed: int) -> Opinion:
    of_familiar, of_strange = (_judge_inputs(learned._residuals(view), view) for view in (familiar, strange))
    inputs = np.stack([of_familiar.mean(axis=0), of_familiar.std(axis=0) + 0.02])
    x = np.clip((np.concatenate([of_familiar, of_strange]) - inputs[0]) / inputs[1], -8, 8)
    hidden, out = _train_judge(x, np.arange(len(x)) < len(of_familiar), seed=seed)
    return replace(learned, hidden=hidden, out=out, inputs=inputs)


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


def _levelled(learned: Opinion, held_out: View) -> Opinion:
    residuals = learned._residuals(held_out)
    judged = learned._judged(residuals, held_out) if learned.out.size else np.zeros(len(residuals))
    levels = np.array([*_level(_log_distance(residuals), towards=0.95), *_level(judged, towards=0.05)])
    return replace(learned, levels=levels)


def _level(values: Floats, *, towards: float) -> tuple[float, float]:
    median = float(np.median(values))
    return median, max(abs(float(np.quantile(values, towards)) - median), 0.05)
