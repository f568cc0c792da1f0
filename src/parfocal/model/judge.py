"""A judge of frames: a small network that was shown familiar and strange ones, and tells them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

BATCH, EPOCHS = 256, 60
SHAKEN = 0.1
"""Standard deviation of what is added to its inputs while it learns."""
FARTHEST = 8.0
"""Inputs beyond so many standard deviations are taken as that far."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judge:
    """One hidden layer over numbers that describe a frame.

    Attributes
    ----------
    hidden, out : arrays, shape (inputs + 1, units) and (units + 1,)
        Weights, biases last; empty for a judge that knows nothing.
    inputs : array, shape (2, inputs)
        Mean and standard deviation of familiar frames.
    """

    hidden: Floats
    out: Floats
    inputs: Floats

    def of(self, numbers: Floats) -> Floats:
        """Above 0 for familiar frames and below for strange ones, shape (N,), from (N, inputs)."""
        x = _scaled(numbers, self.inputs)
        judged: Floats = np.tanh(x @ self.hidden[:-1] + self.hidden[-1]) @ self.out[:-1] + self.out[-1]
        return judged

    def __bool__(self) -> bool:
        return bool(self.out.size)

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


NOBODY = Judge(np.empty(0), np.empty(0), np.empty(0))


def train_judge(familiar: Floats, strange: Floats, *, units: int, seed: int) -> Judge:
    """A judge that has seen frames of both kinds, shapes (N, inputs) and (M, inputs)."""
    inputs = np.stack([familiar.mean(axis=0), familiar.std(axis=0) + 0.02])
    random = torch.Generator().manual_seed(seed)
    x = torch.from_numpy(_scaled(np.concatenate([familiar, strange]), inputs)).float()
    wanted = (torch.arange(len(x)) < len(familiar)).float()
    share = wanted.mean()
    weight = torch.where(wanted > 0, 0.5 / share, 0.5 / (1 - share))
    layers = [torch.empty(x.shape[1], units), torch.zeros(units), torch.empty(units), torch.zeros(1)]
    for layer in (layers[0], layers[2]):
        layer.copy_(torch.randn(layer.shape, generator=random) / len(layer) ** 0.5)
    weights = [nn.Parameter(layer) for layer in layers]
    optimiser = torch.optim.AdamW(weights, lr=5e-3, weight_decay=0.5)
    steps = EPOCHS * max(len(x) // BATCH, 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        drawn = torch.randint(len(x), (BATCH,), generator=random)
        shaken = x[drawn] + SHAKEN * torch.randn(BATCH, x.shape[1], generator=random)
        judged = torch.tanh(shaken @ weights[0] + weights[1]) @ weights[2] + weights[3]
        loss = functional.binary_cross_entropy_with_logits(judged, wanted[drawn], weight=weight[drawn])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    w1, b1, w2, b2 = (w.detach().double().numpy() for w in weights)
    return Judge(np.concatenate([w1, b1[None]]), np.concatenate([w2, b2]), inputs)


def _scaled(numbers: Floats, inputs: Floats) -> Floats:
    scaled: Floats = np.clip((numbers - inputs[0]) / inputs[1], -FARTHEST, FARTHEST)
    return scaled
