"""TrainingJob, what stays the same during a training: its data, its recipe, its place and its files."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lightning_fabric import Fabric
from torch import Tensor

from parfocal.data.dataset import Dataset
from parfocal.data.frame_store import hold_stacks
from parfocal.data.sampling import FrameSampler, prefetch
from parfocal.errors import DatasetError, OutputError, SettingsError
from parfocal.model.calibration import LabelledStack
from parfocal.model.checkpoint import recipe_of
from parfocal.model.described import DescriptionSampler
from parfocal.model.placement import is_leader, place
from parfocal.model.recipe import Recipe
from parfocal.model.training_log import TrainingLog
from parfocal.zstack import ZStack

T = TypeVar("T")

CHECKPOINT = "checkpoint.pt"
CELLS_CHECKPOINT = "cells.pt"
MOST_WATCHED_FRAMES = 250
"""Of frames, at each validation: neighbouring planes err alike, and all of 69 stacks would cost 90 steps."""


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """What stays the same during training.

    Attributes
    ----------
    training : list of (ZStack, focus_z_um)
    validation : list of (ZStack, focus_z_um)
        Empty in all processes but the first, which alone validates.
    rejects : list of ZStack
        Of what must not be answered.
    watched : list of (ZStack, focus_z_um)
        Of the validation stacks, as many planes as can be validated often.
    is_validated : bool
        Whether the dataset has validation stacks.
    fabric : Fabric
        Device, precision, and the other processes if there are any.
    log : TrainingLog or None
        None in all processes but the first, which alone writes files.
    """

    dataset: Dataset
    training: list[LabelledStack]
    validation: list[LabelledStack]
    rejects: list[ZStack]
    watched: list[LabelledStack]
    is_validated: bool
    recipe: Recipe
    sampler: FrameSampler | DescriptionSampler
    fabric: Fabric
    checkpoint: Path
    log: TrainingLog | None
    data_fingerprint: str

    @property
    def cells_checkpoint(self) -> Path:
        """Of what learns single cells, before the rest."""
        return self.checkpoint.with_name(CELLS_CHECKPOINT)

    @property
    def is_first(self) -> bool:
        """Whether this is the first process, or the only one."""
        return bool(self.fabric.is_global_zero)

    def agreed(self, value: T) -> T:
        """The first process's value, in every process, so that all decide alike."""
        agreed: T = self.fabric.broadcast(value)
        return agreed

    def unique(self, step: int) -> int:
        """A number that no other step and no other process has."""
        return int(step * self.fabric.world_size + self.fabric.global_rank)

    def batches(self, steps: range) -> Generator[tuple[Tensor, Tensor]]:
        """The part of each batch that this process draws, made ahead."""
        size = self.recipe.training.batch_size // self.fabric.world_size
        return prefetch(lambda step: self.sampler.batch(self.unique(step), size=size), steps)


def prepare(
    dataset: Dataset,
    *,
    out: Path,
    recipe: Recipe | Callable[[list[LabelledStack]], Recipe],
    devices: int,
    nodes: int,
    memory_gib: float,
) -> TrainingJob:
    """Reads the data, checks that they suit the recipe, and makes the folder of the training.

    Raises
    ------
    DatasetError, SettingsError, OutputError
        See `parfocal.model.training.train`.
    """
    training_ids, validation_ids = _ids_in(dataset, "train"), _ids_in(dataset, "validation")
    if not training_ids:
        raise DatasetError(f"{dataset.folder}: has no training stacks; split.csv must name some as 'train'.")
    read_ids = [*training_ids, *(validation_ids if is_leader() else ())]
    focus_z_um = [dataset.focus_z_um(stack) for stack in read_ids]
    reject_ids = _ids_in(dataset, "reject") if is_leader() else []
    stacks = hold_stacks(
        map(dataset.read, [*read_ids, *reject_ids]), folder=_existing(out), memory_gib=memory_gib / devices
    )
    labelled = list(zip(stacks, focus_z_um, strict=False))
    training, validation = labelled[: len(training_ids)], labelled[len(training_ids) :]
    if not isinstance(recipe, Recipe):
        recipe = recipe(training)
    sampler = _sampler(training, recipe, dataset)
    _check_crops(sampler, recipe)
    _check_batch("batch_size", recipe.training.batch_size, n_processes=devices * nodes)
    if recipe.cells:
        _check_batch("batch_size of cells", recipe.cells.batch_size, n_processes=devices * nodes)
    folder = _training_folder(out)
    fabric = place(recipe.training.precision, devices=devices, nodes=nodes)
    return TrainingJob(
        dataset=dataset,
        training=training,
        validation=validation,
        rejects=stacks[len(read_ids) :],
        watched=_thinned(validation or training),
        is_validated=bool(validation_ids),
        recipe=recipe,
        sampler=sampler,
        fabric=fabric,
        checkpoint=folder / CHECKPOINT,
        log=TrainingLog(folder) if fabric.is_global_zero else None,
        data_fingerprint=dataset.fingerprint(),
    )


def _sampler(
    training: list[LabelledStack], recipe: Recipe, dataset: Dataset
) -> FrameSampler | DescriptionSampler:
    if recipe.network.architecture != "focus":
        return FrameSampler(training, recipe.sampling, seed=recipe.training.seed)
    objective = dataset.settings.objective
    return DescriptionSampler(
        training,
        recipe.sampling,
        looks=recipe.looks,
        network=recipe.network,
        immersion_index=objective.immersion_index if objective else 1.0,
        seed=recipe.training.seed,
    )


def _ids_in(dataset: Dataset, part: str) -> list[str]:
    return [row.stack for row in dataset.split() if row.part == part]


def _thinned(stacks: list[LabelledStack]) -> list[LabelledStack]:
    """The same stacks with every k-th plane of each, another first one from stack to stack."""
    every = math.ceil(sum(stack.n_planes for stack, _ in stacks) / MOST_WATCHED_FRAMES)
    if every <= 1:
        return stacks
    kept = [slice(k % every % stack.n_planes, None, every) for k, (stack, _) in enumerate(stacks)]
    return [
        (
            ZStack(stack.frames_zyx[planes], stack.z_um[planes], stack.pixel_size_um, stack.metadata),
            focus_z_um,
        )
        for planes, (stack, focus_z_um) in zip(kept, stacks, strict=True)
    ]


def _existing(out: Path) -> Path:
    """Where frames that do not fit into memory go: near the model, though its folder is not made yet."""
    return next(folder for folder in out.absolute().parents if folder.is_dir())


def stopped_recipe(out: Path) -> Recipe:
    """The recipe of the training of a model file that was stopped.

    Raises
    ------
    InputError
        If it left no checkpoint, or that is damaged.
    """
    checkpoint, cells = (_folder_beside(out) / name for name in (CHECKPOINT, CELLS_CHECKPOINT))
    return recipe_of(checkpoint if checkpoint.exists() or not cells.exists() else cells)


def _folder_beside(out: Path) -> Path:
    return out.with_name(f"{out.stem}.training")


def _training_folder(out: Path) -> Path:
    """Made before the first step, lest hours of training be lost to a place that cannot be written."""
    folder = _folder_beside(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror}). Choose another --out.") from error
    return folder


def _check_crops(sampler: FrameSampler | DescriptionSampler, recipe: Recipe) -> None:
    smallest, largest = sampler.sides_px
    network = recipe.network
    needed = network.smallest_px
    if smallest < needed or (not network.takes_any_size and largest != needed):
        exactly = "" if network.takes_any_size else "exactly "
        raise SettingsError(
            f"Expected crops of {exactly}{needed} pixels for the network, but the recipe's sampling gives "
            f"{smallest} to {largest} pixels. Change crop_um, pixel_size_um or input_px of the recipe."
        )


def _check_batch(name: str, batch_size: int, *, n_processes: int) -> None:
    if batch_size % n_processes:
        raise SettingsError(
            f"Expected a batch that {n_processes} processes can share; {name} is {batch_size}. "
            "Change it, or --devices."
        )
