"""Teaches a network the heights of single cells, where a simulation says them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from parfocal.data.cells import read_cells
from parfocal.data.dataset import Dataset
from parfocal.data.sampling import prefetch
from parfocal.errors import DatasetError, SettingsError
from parfocal.model.bins import BinSettings
from parfocal.model.cell_patches import CellSettings, PatchBatch, PatchSampler
from parfocal.model.loss import learning_rate
from parfocal.model.networks import Bands
from parfocal.model.networks.cell_reader import CellReader
from parfocal.model.recipe import Recipe, TrainingSettings
from parfocal.model.training_run import SMOOTHING, TrainingProgress
from parfocal.model.working_frame import SAME_PIXEL
from parfocal.zstack import ZStack

EMPTY_WEIGHT = 0.5
"""Of telling whether there is a cell, beside telling its defocus."""
NEAR_UM = 5.0
"""Cells within so much of focus are those whose errors are measured."""
MEASURED_BATCHES = 12


def learn_cells(
    reader: CellReader,
    dataset: Dataset,
    training: Sequence[ZStack],
    validation: Sequence[ZStack],
    *,
    recipe: Recipe,
    bands: Bands,
    fabric: Fabric,
    watch: Callable[[TrainingProgress], None] | None = None,
) -> None:
    """Teaches a reader; its weights change in place, and stay as they are from then on.

    Parameters
    ----------
    reader : CellReader
    dataset : Dataset
        With a table of cells, see `parfocal.data.cells`.
    training, validation : sequence of ZStack
        Its stacks in the order of its split; how far errors go is measured on the second, if there are any.
    recipe : Recipe
        With `cells`.
    bands : Bands
        For the numbers that describe a frame as a whole.
    fabric : Fabric
        Where it runs, and how precisely.
    watch : callable, optional
        Is told of the progress after every step.

    Raises
    ------
    DatasetError
        If the dataset has no table of cells, none of them is ever within reach of focus, or its stacks are
        not of the working pixel.
    SettingsError
        If the recipe does not say how.
    """
    settings = recipe.cells
    if settings is None:
        raise SettingsError(
            "Expected [cells] in the recipe, as its network tells single cells, or a model to start from "
            "that knows them. Set cell_bins to 0 to do without."
        )
    bins = cell_bins(recipe.bins, n_bins=reader.n_bins)
    reader.centres_um[:] = torch.from_numpy(bins.centres_um)
    sampler = partial(_sampler, dataset, recipe=recipe, settings=settings, bands=bands)
    learned = sampler("train", training)
    measured = sampler("validation", validation) if validation else learned
    reader.scale_to(learned.batch(step).numbers for step in range(MEASURED_BATCHES))
    reader.requires_grad_(True).to(fabric.device)
    _descend(reader, learned, settings, bins=bins, fabric=fabric, watch=watch)
    reader.eval().requires_grad_(False)
    reader.spread_scale.fill_(_spread_scale(reader, measured, bins=bins, fabric=fabric))


def cell_bins(bins: BinSettings, *, n_bins: int) -> BinSettings:
    """So many bins over the range of others."""
    width_um = (bins.highest_um - bins.lowest_um) / (n_bins - 1)
    return BinSettings(lowest_um=bins.lowest_um, highest_um=bins.highest_um, width_um=width_um)


def _sampler(
    dataset: Dataset,
    part: str,
    stacks: Sequence[ZStack],
    *,
    recipe: Recipe,
    settings: CellSettings,
    bands: Bands,
) -> PatchSampler:
    working_um = recipe.sampling.pixel_size_um
    if any(abs(stack.pixel_size_um / working_um - 1) > SAME_PIXEL for stack in stacks):
        raise DatasetError(f"Expected stacks of the working pixel, {working_um:g} um, to learn single cells.")
    cells = read_cells(dataset.folder)
    known = [
        (stack, cells[name])
        for name, stack in zip(dataset.ids_in(part), stacks, strict=True)
        if name in cells
    ]
    return PatchSampler(
        [stack for stack, _ in known],
        [of_stack for _, of_stack in known],
        settings=settings,
        bands=bands,
        reach_um=recipe.bins.highest_um - recipe.bins.width_um,
        seed=recipe.training.seed,
    )


def _descend(
    reader: CellReader,
    sampler: PatchSampler,
    settings: CellSettings,
    *,
    bins: BinSettings,
    fabric: Fabric,
    watch: Callable[[TrainingProgress], None] | None,
) -> None:
    schedule = TrainingSettings(steps=settings.steps, learning_rate=settings.learning_rate)
    optimiser = torch.optim.AdamW(reader.parameters(), weight_decay=schedule.weight_decay)
    reader.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    started, running = time.monotonic(), math.nan
    with closing(prefetch(sampler.batch, range(settings.steps))) as batches:
        for step, batch in enumerate(batches):
            torch.manual_seed(step)
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(schedule, fraction=step / settings.steps)
            loss = cell_loss(reader, batch, bins=bins, settings=settings, fabric=fabric)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            value = loss.item()
            running = value if math.isnan(running) else SMOOTHING * running + (1 - SMOOTHING) * value
            if watch:
                watch(_progress(step + 1, settings.steps, loss=running, seconds=time.monotonic() - started))


def cell_loss(
    reader: CellReader, batch: PatchBatch, *, bins: BinSettings, settings: CellSettings, fabric: Fabric
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


def _read(reader: CellReader, batch: PatchBatch, fabric: Fabric) -> tuple[tuple[Tensor, Tensor], Tensor]:
    contrast, numbers, defocus_um = (part.to(fabric.device) for part in batch)
    with fabric.autocast():
        places = reader(contrast.contiguous(memory_format=torch.channels_last), numbers)
    return (places.logits[:, 0, 0], places.presence[:, 0, 0]), defocus_um


def _spread_scale(reader: CellReader, sampler: PatchSampler, *, bins: BinSettings, fabric: Fabric) -> float:
    """Factor that makes the spread of its distributions a standard deviation of its errors near focus."""
    ratios = []
    centres = bins.centres_um
    with torch.inference_mode():
        for step in range(MEASURED_BATCHES):
            (logits, _), actual = _read(reader, sampler.batch(step), fabric)
            probabilities = torch.softmax(logits.double(), dim=1).cpu().numpy()
            actual_um = actual.cpu().numpy()
            mean_um = probabilities @ centres
            spread_um = np.sqrt(probabilities @ centres**2 - mean_um**2 + bins.width_um**2 / 12)
            near = np.abs(actual_um) <= NEAR_UM
            ratios.append(((mean_um - actual_um) / spread_um)[near])
    return max(float(np.sqrt(np.mean(np.concatenate(ratios) ** 2))), 1e-3)


def _progress(step: int, steps: int, *, loss: float, seconds: float) -> TrainingProgress:
    return TrainingProgress(
        step=step,
        steps=steps,
        fraction=step / steps,
        loss=loss,
        validation_mae_um=None,
        left_s=seconds * (steps - step) / step,
        waiting=0.0,
        is_settled=False,
    )
