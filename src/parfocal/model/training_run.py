"""TrainingRun, what changes while a network learns, and what watchers are told of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from parfocal.model.recipe import TrainingSettings
from parfocal.model.settling import has_settled, shortened

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
        How much of the run is done, by steps or by time, whichever is further; a run that has settled is
        shorter than planned.
    loss : float
        Running mean of the loss.
    validation_mae_um : float or None
        Mean absolute error on the validation stacks, from the last time it was measured.
    left_s : float
        Seconds to the expected end of the run, at the pace so far.
    waiting : float
        Part of the time in which the run waited for data.
    is_settled : bool
        Whether validation errors no longer fall, so that the run goes to its end fast.
    what : str
        ``cells`` while a network learns to tell single cells, before all else.
    """

    step: int
    steps: int
    fraction: float
    loss: float
    validation_mae_um: float | None
    left_s: float
    waiting: float
    is_settled: bool
    what: Literal["train", "cells"] = "train"


@dataclass(eq=False)
class TrainingRun:
    """What changes while a network learns.

    Attributes
    ----------
    network : Module
        With its weights.
    placed : Module
        The same network as it is run: on its device, in its precision.
    waited_s : float
        How much of `seconds` went by waiting for data.
    errors_um : list of float
        Validation errors, oldest first.
    settled_at : (int, float) or None
        Step and seconds at which validation errors no longer fell.
    best_weights : dict
        Those of the lowest validation error, where the learning rate does not fall.
    start_weights : dict
        Those it started from, where some of them is to be kept.
    start_is_shipped : bool
        Whether they are those of a model that ships with the package, which knows many microscopes.
    is_whole : bool
        False in the middle of a step, when weights, optimiser and counters do not belong together.
    """

    network: nn.Module
    placed: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    waited_s: float = 0.0
    loss: float = math.nan
    errors_um: list[float] = field(default_factory=list)
    settled_at: tuple[int, float] | None = None
    best_mae_um: float = math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    start_weights: dict[str, Tensor] = field(default_factory=dict)
    start_is_shipped: bool = False
    is_whole: bool = True

    def count(self, loss: float, *, seconds: float) -> None:
        """Takes down a step that is done."""
        self.step += 1
        self.seconds = seconds
        self.loss = loss if math.isnan(self.loss) else SMOOTHING * self.loss + (1 - SMOOTHING) * loss

    @property
    def validation_mae_um(self) -> float | None:
        """The last validation error."""
        return self.errors_um[-1] if self.errors_um else None

    @property
    def waiting(self) -> float:
        """Part of the time in which the run waited for data."""
        return self.waited_s / self.seconds if self.seconds > 0 else 0.0

    def validated(self, mae_um: float, settings: TrainingSettings) -> None:
        """Takes down a validation error, the weights if none were as good, and when errors fall no more."""
        self.errors_um.append(mae_um)
        if mae_um <= self.best_mae_um:
            self.best_mae_um = mae_um
            # As the rate falls, the last weights are the best; which ones err least on few stacks is luck.
            if settings.decay == "none":
                self.best_weights = weights_of(self.network)
        # Without decay there is nothing to hurry to: such a run follows its plan.
        patience = settings.patience if settings.decay == "cosine" else None
        if patience and self.settled_at is None and has_settled(self.errors_um, patience=patience):
            self.settled_at = (self.step, self.seconds)

    def fraction(self, settings: TrainingSettings) -> float:
        """How much of the run is done, by steps or by time, whichever is further; 1 is all of it."""
        return self._progress(settings)[0]

    def position(self, settings: TrainingSettings) -> float:
        """Where in the schedule of learning rates it is: a run that has settled goes through it faster."""
        return self._progress(settings)[1]

    def _progress(self, settings: TrainingSettings) -> tuple[float, float]:
        done = _planned(settings, step=self.step, seconds=self.seconds)
        if self.settled_at is None:
            return done, done
        step, seconds = self.settled_at
        settled = _planned(settings, step=step, seconds=seconds)
        return shortened(done, settled_at=settled, cool_down=settings.cool_down)

    def progress(self, settings: TrainingSettings) -> TrainingProgress:
        """The present moment, for whoever watches."""
        fraction = self.fraction(settings)
        return TrainingProgress(
            step=self.step,
            steps=settings.steps,
            fraction=fraction,
            loss=self.loss,
            validation_mae_um=self.validation_mae_um,
            left_s=max(self.seconds * (1 / fraction - 1), 0.0),
            waiting=self.waiting,
            is_settled=self.settled_at is not None,
        )

    def log_values(self) -> dict[str, float]:
        """The numbers worth a line in the log."""
        rate = float(self.optimiser.param_groups[0]["lr"])
        values = {"loss": self.loss, "learning_rate": rate, "seconds": self.seconds}
        values["waiting"] = self.waiting
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
            "waited_s": self.waited_s,
            "loss": self.loss,
            "errors_um": self.errors_um,
            "settled_at": self.settled_at,
            "best_mae_um": self.best_mae_um,
            "best_weights": self.best_weights,
            "start_weights": self.start_weights,
            "start_is_shipped": self.start_is_shipped,
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
        self.waited_s = state["waited_s"]
        self.loss = state["loss"]
        self.errors_um = list(state["errors_um"])
        self.settled_at = state["settled_at"]
        self.best_mae_um = state["best_mae_um"]
        self.best_weights = state["best_weights"]
        self.start_weights = state["start_weights"]
        self.start_is_shipped = state["start_is_shipped"]


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """A copy of all weights of a network, in memory."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def _planned(settings: TrainingSettings, *, step: int, seconds: float) -> float:
    """How much of the plan is done, by steps or by time, whichever is further."""
    by_time = seconds / (60 * settings.minutes) if settings.minutes else 0.0
    return max(step / settings.steps, by_time)
