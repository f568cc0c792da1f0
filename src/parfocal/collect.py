"""Datasets from the virtual microscope: many simulated z-stacks in a dataset folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from parfocal.compute import run_tasks
from parfocal.data.annotation import Annotation
from parfocal.data.dataset import Dataset, DatasetSettings, ObjectiveRecord, refuse_used_folder
from parfocal.data.split import split_by_stack
from parfocal.data.whole_file import whole_folder
from parfocal.errors import InputError
from parfocal.optics import SimulatedStack, VirtualMicroscope, check_device, simulate_stack

EXPERIMENTS = 5
"""The 2018 paper's stacks come from five experiments."""
CREATED = "2018-03-16T00:00:00+00:00"
"""Date of simulated annotations: the same seed gives the same files."""


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
    """A dataset of simulated z-stacks, annotated with the truth and split by stack.

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
    if n_stacks < 3:
        raise InputError(f"Expected at least 3 stacks, to train, validate and test; got {n_stacks}.")
    refuse_used_folder(folder)
    if scheduler is None:
        check_device(device)
    days = [f"day{k % EXPERIMENTS + 1}" for k in range(n_stacks)]
    ids = [f"{settings.name}-{k:04d}" for k in range(n_stacks)]
    task = partial(_one_stack, settings=settings, seed=seed, device=device)
    tasks = run_tasks(task, range(n_stacks), workers=workers, scheduler=scheduler)
    with closing(tasks), whole_folder(folder) as beside:
        dataset = Dataset.create(beside, _dataset_settings(settings, days, name=folder.absolute().name))
        annotations = {}
        for done, (k, result) in enumerate(tasks, start=1):
            dataset.write(ids[k], result.stack)
            annotations[ids[k]] = Annotation(ids[k], result.focus_z_um, "simulation", CREATED)
            if watch:
                watch(done, n_stacks)
        dataset.annotate(annotations[stack] for stack in ids)
        dataset.write_split(split_by_stack(list(zip(ids, days, strict=True)), seed=seed))
    return Dataset.open(folder)


def _one_stack(index: int, *, settings: VirtualMicroscope, seed: int, device: str) -> SimulatedStack:
    experiment = index % EXPERIMENTS
    return simulate_stack(settings, seed=seed, index=index, experiment=experiment, device=device)


def _dataset_settings(settings: VirtualMicroscope, days: list[str], *, name: str) -> DatasetSettings:
    objective = settings.objective
    return DatasetSettings(
        name=name,
        objective=ObjectiveRecord(
            numerical_aperture=objective.numerical_aperture,
            magnification=objective.magnification,
            immersion_index=objective.immersion_index,
        ),
        pixel_size_um=settings.camera.pixel_size_um,
        wavelength_um=settings.spectrum.centre_um,
        modality=settings.modality,
        z_step_um=settings.scan.step_um,
        experiments=tuple(sorted(set(days))),
    )
