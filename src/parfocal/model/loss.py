"""What training minimises, and how fast it goes downhill."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from parfocal.model.bins import BinSettings
from parfocal.model.recipe import TrainingSettings


def focus_loss(
    logits: Tensor, defocus_um: Tensor, *, bins: BinSettings, settings: TrainingSettings
) -> Tensor:
    """Cross entropy with the soft label, plus the error of the expectation, in bins.

    Parameters
    ----------
    logits : Tensor, shape (N, bins)
    defocus_um : Tensor, shape (N,)
    bins : BinSettings
    settings : TrainingSettings
        Width of the labels and weight of the second term.

    Returns
    -------
    Tensor
        One number.
    """
    logits = logits.float()
    labels = bins.soft_labels(defocus_um, sigma_um=settings.label_sigma_um)
    loss = -(labels * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    if settings.expectation_weight == 0:
        return loss
    centres = torch.as_tensor(bins.centres_um, dtype=torch.float32, device=logits.device)
    error = (torch.softmax(logits, dim=1) @ centres - defocus_um) / bins.width_um
    return loss + settings.expectation_weight * functional.smooth_l1_loss(error, torch.zeros_like(error))


def learning_rate(settings: TrainingSettings, *, fraction: float) -> float:
    """The learning rate at a fraction of the run: a linear warm-up, then constant or a half cosine.

    Examples
    --------
    >>> settings = TrainingSettings(learning_rate=1e-3, warm_up=0.1)
    >>> [round(learning_rate(settings, fraction=f), 6) for f in (0.05, 0.1, 0.55)]
    [0.0005, 0.001, 0.0005]
    """
    if fraction < settings.warm_up:
        return settings.learning_rate * max(fraction / settings.warm_up, 0.01)
    if settings.decay == "none":
        return settings.learning_rate
    progress = (fraction - settings.warm_up) / (1 - settings.warm_up)
    return settings.learning_rate * max(0.5 * (1 + math.cos(math.pi * min(progress, 1.0))), 1e-3)
