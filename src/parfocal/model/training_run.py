"""TrainingRun, what changes while a network learns, and what watchers are told of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from parfocal.model.recipe import TrainingSettings

SMOOTHING = 0.98
"""Weight of the past in the running mean of the loss."""


@dataclass(frozen=True)
class TrainingProgress:
    """A moment of a training run, for whoever watches.

    Attributes
    ----------
    step, steps : int
        Steps done, and steps to do.
    fraction : float
        How much of the run is done, by steps or by time, whichever is further.
    loss : float
        Running mean of the loss.
    validation_mae_um : float or None
        Mean absolute error on the validation stacks, from the last time it was measured.
    """

    step: int
    steps: int
    fraction: float
    loss: float
    validation_mae_um: float | None


@dataclass(eq=False)
class TrainingRun:
    """What changes while a network learns.

    Attributes
    ----------
    network : Module
        With its weights.
    placed : Module
        The same network as it is run: on its device, in its precision.
    is_whole : bool
        False in the middle of a step, when weights, optimiser and counters do not belong together.
    """

    network: nn.Module
    placed: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    validation_mae_um: float | None = None
    best_mae_um: float = math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    is_whole: bool = True

    def count(self, loss: float, *, seconds: float) -> None:
        """Takes down a step that is done."""
        self.step += 1
        self.seconds = seconds
        self.loss = loss if math.isnan(self.loss) else SMOOTHING * self.loss + (1 - SMOOTHING) * loss

    def keep_if_best(self, mae_um: float) -> None:
        """Takes down a validation error, and the weights if none were as good."""
        self.validation_mae_um = mae_um
        if mae_um <= self.best_mae_um:
            self.best_mae_um = mae_um
            self.best_weights = {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}

    def fraction(self, settings: TrainingSettings) -> float:
        """How much of the run is done, by steps or by time, whichever is further; 1 is all of it."""
        by_time = self.seconds / (60 * settings.minutes) if settings.minutes else 0.0
        return max(self.step / settings.steps, by_time)

    def progress(self, settings: TrainingSettings) -> TrainingProgress:
        """The present moment, for whoever watches."""
        return TrainingProgress(
            self.step, settings.steps, self.fraction(settings), self.loss, self.validation_mae_um
        )

    def log_values(self) -> dict[str, float]:
        """The numbers worth a line in the log."""
        rate = float(self.optimiser.param_groups[0]["lr"])
        values = {"loss": self.loss, "learning_rate": rate, "seconds": self.seconds}
        if self.validation_mae_um is not None:
            values["validation_mae_um"] = self.validation_mae_um
        return values

    def state(self) -> dict[str, Any]:
        """All of it as plain values and tensors, to be restored later."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.loss,
            "validation_mae_um": self.validation_mae_um,
            "best_mae_um": self.best_mae_um,
            "best_weights": self.best_weights,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up a state where it was left; weights and optimiser change in place.

        Raises
        ------
        KeyError, RuntimeError, ValueError
            If the state is not one of this network and optimiser.
        """
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        self.seconds = state["seconds"]
        self.loss = state["loss"]
        self.validation_mae_um = state["validation_mae_um"]
        self.best_mae_um = state["best_mae_um"]
        self.best_weights = state["best_weights"]
