"""Teaches a network the heights of single cells, where a simulation says them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from parfocal.data.cells import read_cells
from parfocal.data.sampling import prefetch
from parfocal.errors import DatasetError, SettingsError
from parfocal.model.bins import BinSettings
from parfocal.model.calibration import LabelledStack
from parfocal.model.cell_patches import CellSettings, PatchBatch, PatchSampler
from parfocal.model.checkpoint import load_checkpoint, save_checkpoint
from parfocal.model.interruption import interrupts_held
from parfocal.model.loss import learning_rate
from parfocal.model.networks import Bands
from parfocal.model.networks.cell_reader import CellReader
from parfocal.model.recipe import TrainingSettings
from parfocal.model.training_job import TrainingJob
from parfocal.model.training_run import SMOOTHING, TrainingProgress
from parfocal.model.working_frame import SAME_PIXEL

EMPTY_WEIGHT = 0.5
"""Of telling whether there is a cell, beside telling its defocus."""
NEAR_UM = 5.0
"""Cells within so much of focus are those whose errors are measured."""
MEASURED_BATCHES = 12
MEASURED_CELLS = 256
"""Batches of so many, to know what numbers to expect and how far errors go."""


@dataclass(eq=False)
class CellRun:
    """What changes while a reader learns.

    Attributes
    ----------
    reader : CellReader
    placed : Module
        The same reader as it is run: on its device, in its precision.
    is_whole : bool
        False in the middle of a step, when weights, optimiser and counters do not belong together.
    """

    reader: CellReader
    placed: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    is_whole: bool = True

    def count(self, loss: float, *, seconds: float) -> None:
        """Takes down a step that is done."""
        self.step += 1
        self.seconds = seconds
        self.loss = loss if math.isnan(self.loss) else SMOOTHING * self.loss + (1 - SMOOTHING) * loss
        self.is_whole = True

    def progress(self, steps: int) -> TrainingProgress:
        """The present moment, for whoever watches."""
        return TrainingProgress(
            step=self.step,
            steps=steps,
            fraction=self.step / steps,
            loss=self.loss,
            validation_mae_um=None,
            left_s=self.seconds * (steps - self.step) / self.step,
            waiting=0.0,
            is_settled=False,
            what="cells",
        )

    def state(self) -> dict[str, Any]:
        """All of it as plain values and tensors, to be restored later."""
        return {
            "reader": self.reader.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.loss,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up a state where it was left, see `parfocal.model.training_run.TrainingRun.restore`."""
        self.reader.load_state_dict(state["reader"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self.loss = state["step"], state["seconds"], state["loss"]


def learn_cells(
    reader: CellReader,
    job: TrainingJob,
    *,
    bands: Bands,
    resume: bool = False,
    watch: Callable[[TrainingProgress], None] | None = None,
) -> None:
    """Teaches a reader; its weights change in place, and stay as they are from then on.

    Parameters
    ----------
    reader : CellReader
    job : TrainingJob
        Of a recipe with `cells`, and a dataset with a table of cells, see `parfocal.data.cells`. How far
        errors go is measured on its validation stacks, if there are any.
    bands : Bands
        For the numbers that describe a frame as a whole.
    resume : bool
        Whether to go on from the checkpoint of a run that was stopped.
    watch : callable, optional
        Is told of the progress after every step.

    Raises
    ------
    DatasetError
        If the dataset has no table of cells, none of them is ever within reach of focus, or its stacks are
        not of the working pixel.
    SettingsError
        If the recipe does not say how.
    InputError
        If the checkpoint is of another recipe or other data.
    """
    settings = job.recipe.cells
    if settings is None:
        raise SettingsError(
            "Expected [cells] in the recipe, as its network tells single cells, or a model to start from "
            "that knows them. Set cell_bins to 0 to do without."
        )
    bins = cell_bins(job.recipe.bins, n_bins=reader.n_bins)
    reader.centres_um[:] = torch.from_numpy(bins.centres_um)
    learned = _sampler(job, "train", job.training, settings=settings, bands=bands)
    reader.scale_to(learned.batch(step, size=MEASURED_CELLS).numbers for step in range(MEASURED_BATCHES))
    reader.requires_grad_(True).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(reader.parameters(), weight_decay=_schedule(settings).weight_decay)
    run = CellRun(reader, *job.fabric.setup(reader, optimiser))
    if resume:
        _take_up(run, job)
    _learn(run, job, learned, settings, bins=bins, watch=watch)
    reader.eval().requires_grad_(False)
    scale = math.nan
    if job.is_first:
        measured = (
            _sampler(job, "validation", job.validation, settings=settings, bands=bands)
            if job.validation
            else learned
        )
        scale = _spread_scale(reader, measured, bins=bins, fabric=job.fabric)
    reader.spread_scale.fill_(job.agreed(scale))


def cell_bins(bins: BinSettings, *, n_bins: int) -> BinSettings:
    """So many bins over the range of others."""
    width_um = (bins.highest_um - bins.lowest_um) / (n_bins - 1)
    return BinSettings(lowest_um=bins.lowest_um, highest_um=bins.highest_um, width_um=width_um)


def _sampler(
    job: TrainingJob, part: str, stacks: list[LabelledStack], *, settings: CellSettings, bands: Bands
) -> PatchSampler:
    working_um = job.recipe.sampling.pixel_size_um
    if any(abs(stack.pixel_size_um / working_um - 1) > SAME_PIXEL for stack, _ in stacks):
        raise DatasetError(f"Expected stacks of the working pixel, {working_um:g} um, to learn single cells.")
    cells = read_cells(job.dataset.folder)
    known = [
        (stack, cells[name])
        for name, (stack, _) in zip(job.dataset.ids_in(part), stacks, strict=True)
        if name in cells
    ]
    return PatchSampler(
        [stack for stack, _ in known],
        [of_stack for _, of_stack in known],
        settings=settings,
        bands=bands,
        reach_um=job.recipe.bins.highest_um - job.recipe.bins.width_um,
        seed=job.recipe.training.seed,
    )


def _take_up(run: CellRun, job: TrainingJob) -> None:
    if job.is_first:
        load_checkpoint(job.cells_checkpoint, run, recipe=job.recipe, data_fingerprint=job.data_fingerprint)
    state = job.agreed(run.state() if job.is_first else {})
    if not job.is_first:
        run.restore(state)


def _schedule(settings: CellSettings) -> TrainingSettings:
    return TrainingSettings(steps=settings.steps, learning_rate=settings.learning_rate)


def _learn(
    run: CellRun,
    job: TrainingJob,
    sampler: PatchSampler,
    settings: CellSettings,
    *,
    bins: BinSettings,
    watch: Callable[[TrainingProgress], None] | None,
) -> None:
    """The loop, with a checkpoint now and then, and at its end, however it ends."""
    schedule, size = _schedule(settings), settings.batch_size // job.fabric.world_size
    started = saved = time.monotonic()
    before_s = run.seconds
    run.placed.train()
    batches = prefetch(
        lambda step: sampler.batch(job.unique(step), size=size), range(run.step, settings.steps)
    )
    with closing(batches), interrupts_held() as let_interrupt:
        try:
            for batch in batches:
                run.is_whole = False
                torch.manual_seed(job.unique(run.step))
                for group in run.optimiser.param_groups:
                    group["lr"] = learning_rate(schedule, fraction=run.step / settings.steps)
                loss = cell_loss(run.placed, batch, bins=bins, settings=settings, fabric=job.fabric)
                run.optimiser.zero_grad(set_to_none=True)
                job.fabric.backward(loss)
                run.optimiser.step()
                run.count(loss.item(), seconds=before_s + time.monotonic() - started)
                if time.monotonic() - saved > job.recipe.training.checkpoint_every_s:
                    _save(run, job)
                    saved = time.monotonic()
                if watch:
                    watch(run.progress(settings.steps))
                let_interrupt()
        finally:
            if run.is_whole:
                _save(run, job)


def _save(run: CellRun, job: TrainingJob) -> None:
    if job.is_first:
        save_checkpoint(job.cells_checkpoint, run, recipe=job.recipe, data_fingerprint=job.data_fingerprint)


def cell_loss(
    reader: nn.Module, batch: PatchBatch, *, bins: BinSettings, settings: CellSettings, fabric: Fabric
) -> Tensor:
    """Cross entropy of cells with the soft label, error of their expectation, and whether there is one."""
    places, defocus_um = _read(reader, batch, fabric)
    is_cell = ~torch.isnan(defocus_um)
    logits, actual_um = places[0][is_cell], defocus_um[is_cell]
    labels = bins.soft_labels(actual_um, sigma_um=settings.label_sigma_um)
    told = -(labels * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    centres = torch.as_tensor(bins.centres_um, dtype=torch.float32, device=logits.device)
    error = (torch.softmax(logits, dim=1) @ centres - actual_um) / bins.width_um
    missed = functional.binary_cross_entropy_with_logits(places[1], is_cell.float())
    return told + 0.3 * functional.smooth_l1_loss(error, torch.zeros_like(error)) + EMPTY_WEIGHT * missed


def _read(reader: nn.Module, batch: PatchBatch, fabric: Fabric) -> tuple[tuple[Tensor, Tensor], Tensor]:
    contrast, numbers, defocus_um = (part.to(fabric.device) for part in batch)
    with fabric.autocast():
        places = reader(contrast.contiguous(memory_format=torch.channels_last), numbers)
    return (places.logits[:, 0, 0], places.presence[:, 0, 0]), defocus_um


def _spread_scale(reader: nn.Module, sampler: PatchSampler, *, bins: BinSettings, fabric: Fabric) -> float:
    """Factor that makes the spread of its distributions a standard deviation of its errors near focus."""
    ratios = []
    centres = bins.centres_um
    with torch.inference_mode():
        for step in range(MEASURED_BATCHES):
            (logits, _), actual = _read(reader, sampler.batch(step, size=MEASURED_CELLS), fabric)
            probabilities = torch.softmax(logits.double(), dim=1).cpu().numpy()
            actual_um = actual.cpu().numpy()
            mean_um = probabilities @ centres
            spread_um = np.sqrt(probabilities @ centres**2 - mean_um**2 + bins.width_um**2 / 12)
            near = np.abs(actual_um) <= NEAR_UM
            ratios.append(((mean_um - actual_um) / spread_um)[near])
    return max(float(np.sqrt(np.mean(np.concatenate(ratios) ** 2))), 1e-3)
