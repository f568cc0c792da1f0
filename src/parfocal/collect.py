"""Datasets from the virtual microscope: many simulated z-stacks in a dataset folder.

Beside the stacks lies a table of where each cell is, and the stage position at which that cell is in focus,
see `parfocal.data.cells`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from parfocal.compute import run_tasks
from parfocal.data.annotation import Annotation
from parfocal.data.cells import CellRow, usual_focus_z_um, write_cells
from parfocal.data.dataset import Dataset, DatasetSettings, ObjectiveRecord, refuse_used_folder
from parfocal.data.split import SplitRow, split_by_stack
from parfocal.data.whole_file import whole_folder
from parfocal.errors import InputError
from parfocal.optics import (
    REFERENCE,
    SAME,
    Similarity,
    SimulatedStack,
    VirtualMicroscope,
    check_device,
    draw_foreign,
    draw_low_aperture,
    draw_microscope,
    similarity,
    simulate_stack,
)
from parfocal.zstack import ZStack

EXPERIMENTS = 5
"""The 2018 paper's stacks come from five experiments."""
STACKS_TO_A_REJECT = 12
"""Of a variety of microscopes."""
CREATED = "2018-03-16T00:00:00+00:00"
"""Date of simulated annotations: the same seed gives the same files."""


@dataclass(frozen=True)
class Experiment:
    """Stacks taken in one go: the microscope as it was, and how many.

    Attributes
    ----------
    name : str
    settings : VirtualMicroscope
    n_stacks : int
    part : str or None
        The part of the split that all of them go to; None leaves that to a split by stack.
    """

    name: str
    settings: VirtualMicroscope
    n_stacks: int
    part: str | None = None


@dataclass(frozen=True)
class _Plan:
    """One stack to be made."""

    stack: str
    index: int
    experiment: int
    settings: VirtualMicroscope


def simulate_dataset(
    folder: Path,
    settings: VirtualMicroscope,
    *,
    n_stacks: int,
    seed: int,
    workers: int = 1,
    scheduler: str | None = None,
    device: str = "cpu",
    watch: Callable[[int, int], None] | None = None,
) -> Dataset:
    """A dataset of simulated z-stacks of five days, annotated with the truth and split by stack.

    Parameters
    ----------
    folder : Path
        Must not exist, or be empty. It appears whole at the end.
    settings : VirtualMicroscope
        Optics, specimen and camera, as `parfocal.optics.preset` gives them.
    n_stacks : int
    seed : int
        The same seed gives the same stacks on any number of workers of one kind of machine.
    workers, scheduler
        See `parfocal.compute.run_tasks`.
    device : str
        Where light is computed, as torch names it: ``cpu`` or ``cuda``.
    watch : callable, optional
        Is told (stacks done, all stacks).

    Raises
    ------
    InputError
        If `n_stacks` is below 3, as a split needs, a scheduler does not answer, or this machine has no such
        device.
    OutputError
        If the folder cannot be written. Whatever fails or stops it, nothing is left.
    DatasetError
        If the folder holds something.
    """
    experiments = [
        Experiment(f"day{day + 1}", settings, len(range(day, n_stacks, EXPERIMENTS)))
        for day in range(min(EXPERIMENTS, n_stacks))
    ]
    return simulate_experiments(
        folder, experiments, seed=seed, workers=workers, scheduler=scheduler, device=device, watch=watch
    )


def simulate_variety(
    folder: Path,
    *,
    n_stacks: int,
    seed: int,
    workers: int = 1,
    scheduler: str | None = None,
    device: str = "cpu",
    watch: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Stacks of as many bright-field microscopes and specimens, as if all were taken by ``yeast-40x``.

    No two are of one experiment, so any split is honest; one in twenty is for validation and one for testing.
    The first half has an NA from 0.9 up, the second a lower one. In focus is the median height of the cells,
    by the area they cover. One more for every twelve is in the part ``reject``: it shows what must not be
    answered. See `parfocal.optics.draw_microscope`, `draw_low_aperture` and `draw_foreign` for what differs
    between them, `simulate_dataset` for the parameters and errors.
    """
    n_high = n_stacks - n_stacks // 2

    def drawn(index: int) -> VirtualMicroscope:
        generator = np.random.default_rng([seed, index])
        if index >= n_stacks:
            return draw_foreign(generator, number=index - n_stacks)
        return draw_microscope(generator) if index < n_high else draw_low_aperture(generator)

    experiments = [
        Experiment(f"{index:05d}", drawn(index), 1, _part(index) if index < n_stacks else "reject")
        for index in range(n_stacks + n_stacks // STACKS_TO_A_REJECT)
    ]
    return simulate_experiments(
        folder,
        experiments,
        seed=seed,
        workers=workers,
        scheduler=scheduler,
        device=device,
        watch=watch,
        as_if_by=REFERENCE,
    )


def _part(index: int) -> str:
    return {2: "validation", 12: "test"}.get(index % 20, "train")


def simulate_experiments(
    folder: Path,
    experiments: Sequence[Experiment],
    *,
    seed: int,
    workers: int = 1,
    scheduler: str | None = None,
    device: str = "cpu",
    watch: Callable[[int, int], None] | None = None,
    as_if_by: VirtualMicroscope | None = None,
) -> Dataset:
    """A dataset of several experiments, each with settings of its own; taken in turns.

    Parameters
    ----------
    folder : Path
        Must not exist, or be empty. It appears whole at the end.
    experiments : sequence of Experiment
        Alike in objective, pixel size and z step, or `as_if_by` makes them so. The first stacks hold equally
        many of each experiment, as long as each has more.
    seed, workers, scheduler, device, watch
        See `simulate_dataset`.
    as_if_by : VirtualMicroscope, optional
        Stacks are written as this microscope would take them of specimens similar in Fresnel's sense, see
        `parfocal.optics.similarity`: the images are the same.

    Raises
    ------
    InputError, OutputError, DatasetError
        See `simulate_dataset`.
    """
    plans = _in_turns(experiments)
    if len(plans) < 3:
        raise InputError(f"Expected at least 3 stacks, to train, validate and test; got {len(plans)}.")
    refuse_used_folder(folder)
    if scheduler is None:
        check_device(device)
    task = partial(_one_stack, seed=seed, device=device)
    written_as = as_if_by or experiments[0].settings
    tasks = run_tasks(task, plans, workers=workers, scheduler=scheduler)
    with closing(tasks), whole_folder(folder) as beside:
        settings = _dataset_settings(written_as, experiments, folder)
        dataset = Dataset.create(beside, settings if as_if_by is None else _of_many(settings, experiments))
        annotations, cells = {}, {}
        for done, (k, result) in enumerate(tasks, start=1):
            stack = plans[k].stack
            scales = similarity(result.settings, as_if_by) if as_if_by else SAME
            dataset.write(stack, _scaled(result.stack, scales))
            cells[stack] = cell_rows(stack, result, scales)
            if experiments[plans[k].experiment].part != "reject":
                focus_z_um = _focus_z_um(result, cells[stack], scales)
                annotations[stack] = Annotation(stack, focus_z_um, "simulation", CREATED)
            if watch:
                watch(done, len(plans))
        ids = [plan.stack for plan in plans]
        dataset.annotate(annotations[stack] for stack in ids if stack in annotations)
        dataset.write_split(_split(plans, experiments, seed=seed))
        write_cells(beside, (row for stack in ids for row in cells[stack]))
    return Dataset.open(folder)


def _in_turns(experiments: Sequence[Experiment]) -> list[_Plan]:
    turns = [(turn, day) for day, one in enumerate(experiments) for turn in range(one.n_stacks)]
    return [
        _Plan(f"{experiments[day].settings.name}-{index:04d}", index, day, experiments[day].settings)
        for index, (_, day) in enumerate(sorted(turns))
    ]


def _split(plans: Sequence[_Plan], experiments: Sequence[Experiment], *, seed: int) -> list[SplitRow]:
    rows = {
        plan.stack: SplitRow(plan.stack, experiments[plan.experiment].name, part)
        for plan in plans
        if (part := experiments[plan.experiment].part)
    }
    others = [(plan.stack, experiments[plan.experiment].name) for plan in plans if plan.stack not in rows]
    rows |= {row.stack: row for row in split_by_stack(others, seed=seed)} if others else {}
    return [rows[plan.stack] for plan in plans]


def _one_stack(plan: _Plan, *, seed: int, device: str) -> SimulatedStack:
    return simulate_stack(
        plan.settings, seed=seed, index=plan.index, experiment=plan.experiment, device=device
    )


def _scaled(stack: ZStack, scales: Similarity) -> ZStack:
    if scales is SAME:
        return stack
    pixel_um = round(stack.pixel_size_um / scales.across, 9)
    return ZStack(stack.frames_zyx, stack.z_um / scales.along, pixel_um, stack.metadata)


def _focus_z_um(result: SimulatedStack, cells: Sequence[CellRow], scales: Similarity) -> float:
    """Of a microscope as it is, where its usual cells on the floor are in focus; of a variety, most cells.

    Where these swim beyond the scan, those on the floor count there too.
    """
    on_floor_um = result.focus_z_um / scales.along
    if scales is SAME or not cells:
        return on_floor_um
    usual_um, planes_um = usual_focus_z_um(cells), result.stack.z_um / scales.along
    return usual_um if planes_um.min() <= usual_um <= planes_um.max() else on_floor_um


def cell_rows(stack: str, result: SimulatedStack, scales: Similarity = SAME) -> list[CellRow]:
    """The cells of a stack as its table holds them, in lengths of a microscope that shows the same images."""
    deeper = result.settings.objective.immersion_index / result.scene.medium_index
    focus_z_um = [
        result.focus_z_um + (cell.height_um - result.scene.focus_height_um) * deeper
        for cell in result.scene.cells
    ]
    return [
        CellRow(
            stack,
            cell.kind,
            x_um=round(cell.x_um / scales.across, 3),
            y_um=round(cell.y_um / scales.across, 3),
            focus_z_um=round(z_um / scales.along, 3),
            radius_um=round(cell.radius_um / scales.across, 3),
            layer=cell.layer,
        )
        for cell, z_um in zip(result.scene.cells, focus_z_um, strict=True)
    ]


def _dataset_settings(
    settings: VirtualMicroscope, experiments: Sequence[Experiment], folder: Path
) -> DatasetSettings:
    objective = settings.objective
    return DatasetSettings(
        name=folder.absolute().name,
        objective=ObjectiveRecord(
            numerical_aperture=objective.numerical_aperture,
            magnification=objective.magnification,
            immersion_index=objective.immersion_index,
        ),
        pixel_size_um=settings.camera.pixel_size_um,
        wavelength_um=settings.spectrum.centre_um,
        modality=settings.modality,
        z_step_um=settings.scan.step_um,
        experiments=tuple(sorted({experiment.name for experiment in experiments})),
    )


def _of_many(settings: DatasetSettings, experiments: Sequence[Experiment]) -> DatasetSettings:
    apertures = [experiment.settings.objective.numerical_aperture for experiment in experiments]
    return settings.replace(apertures=(min(apertures), max(apertures)))
