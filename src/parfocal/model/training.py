"""The training loop, in plain sight."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from copy import deepcopy
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from parfocal.data.dataset import Dataset
from parfocal.errors import SettingsError
from parfocal.model.calibration import Calibration, LabelledStack, calibrate, predict_stacks
from parfocal.model.cell_training import learn_cells
from parfocal.model.checkpoint import load_checkpoint, save_checkpoint
from parfocal.model.described import DescriptionSampler
from parfocal.model.inherited import inherit, mixed
from parfocal.model.interruption import interrupts_held
from parfocal.model.loss import focus_loss, learning_rate
from parfocal.model.model_file import ModelHeader, save_model
from parfocal.model.networks import FocusNetwork, build_network, count_parameters
from parfocal.model.placement import as_started, is_started_by_cluster
from parfocal.model.processes import run_in_processes
from parfocal.model.recipe import Recipe, TrainingSettings, default_recipe
from parfocal.model.shipped import is_shipped
from parfocal.model.training_job import TrainingJob, prepare
from parfocal.model.training_run import TrainingProgress, TrainingRun, weights_of

Batch = tuple[Tensor, Tensor]
"""Frames (N, 1, Y, X) and their defocus (N,) in um."""
LOG_EVERY = 10
SCALED_TO = 128
"""Descriptions, for each look, that tell a network what numbers to expect."""
WORSE = 1.5
"""Where weights that are kept in part err as many times as much, none are."""
MEMORY_GIB = 4.0
"""Of frames that a training holds, unless told otherwise."""


def train(
    dataset: Dataset,
    *,
    out: Path,
    recipe: Recipe | Callable[[list[LabelledStack]], Recipe] = default_recipe,
    init: Path | None = None,
    resume: bool = False,
    devices: int = 1,
    nodes: int = 1,
    memory_gib: float = MEMORY_GIB,
    watch: Callable[[TrainingProgress], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ModelHeader:
    """Trains a focus model on the training stacks of a dataset and writes it to a file.

    Parameters
    ----------
    dataset : Dataset
        With annotations and a split.
    out : Path
        The model file. Beside it, ``<name>.training`` keeps checkpoint and logs, and the checkpoint of the
        run before.
    recipe : Recipe or callable
        A recipe, or what gives one for the training stacks; by default the best known for them, see
        `default_recipe`.
    init : Path, optional
        A model whose weights to start from.
    resume : bool
        Whether to go on from the checkpoint of a stopped run; `init` is then of no account. On a CPU the
        result is, to the last bit, that of a run that was never stopped, unless `minutes` bound it.
    devices, nodes : int
        Devices (on a CPU, processes) of each machine, and machines. With several, each of their processes
        draws its part of each batch; see `parfocal.model.processes.run_in_processes`. `recipe` must then be
        a value, or a function of a module. Started by ``torchrun`` or ``srun``, this process is one of them.
    memory_gib : float
        Frames held in memory, on each machine, in GiB. Those beyond lie in a file beside the model while
        training lasts; the result is the same.
    watch : callable, optional
        Is told of the progress after every step.
    clock : callable
        Seconds, for the bound in minutes and the time between checkpoints; one process only.

    Returns
    -------
    ModelHeader
        What the model file says of itself.

    Raises
    ------
    DatasetError
        If the dataset has no training stacks, one is not annotated, or its pixels are too coarse or its
        fields too small for the recipe.
    SettingsError
        If the recipe's crops do not fit its network, its learning rate makes the loss diverge, its batch
        cannot be shared among the processes, or this machine does not have so many devices.
    InputError
        If there is nothing to resume from, the checkpoint is of another recipe or other data, or `init` is
        of another architecture.
    OutputError
        If checkpoint, log or model cannot be written, or the frames beyond the memory allowed.
    ParfocalError
        If one of several processes died; the others are ended.
    KeyboardInterrupt
        Passed on after a checkpoint has been saved.
    """
    devices, nodes = as_started(devices=devices, nodes=nodes)
    here = partial(
        _train_here,
        dataset,
        out=Path(out),
        recipe=recipe,
        init=init,
        resume=resume,
        devices=devices,
        nodes=nodes,
        memory_gib=memory_gib,
    )
    if devices * nodes == 1 or is_started_by_cluster():
        return here(watch=watch, clock=clock)
    return run_in_processes(here, devices=devices, nodes=nodes, watch=watch)[0]


def _train_here(
    dataset: Dataset,
    *,
    out: Path,
    recipe: Recipe | Callable[[list[LabelledStack]], Recipe],
    init: Path | None,
    resume: bool,
    devices: int,
    nodes: int,
    memory_gib: float,
    watch: Callable[[TrainingProgress], None] | None,
    clock: Callable[[], float] = time.monotonic,
) -> ModelHeader:
    """A training, or this process's part in it."""
    job = prepare(dataset, out=out, recipe=recipe, devices=devices, nodes=nodes, memory_gib=memory_gib)
    device = job.fabric.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        run = _start(job, init=init, resume=resume, watch=watch)
        _learn(run, job, watch=watch, clock=clock)
    kept = _choose_weights(run, job)
    header = _write_model(run, job, out=out, kept=kept) if job.is_first else None
    return job.agreed(header)  # type: ignore[return-value]


def _take_up(run: TrainingRun, job: TrainingJob) -> None:
    if job.is_first:
        load_checkpoint(job.checkpoint, run, recipe=job.recipe, data_fingerprint=job.data_fingerprint)
    state = job.agreed(run.state() if job.is_first else {})
    if not job.is_first:
        run.restore(state)


def _set_aside(*checkpoints: Path) -> None:
    """Hours of an earlier training are not lost to a forgotten ``resume``: they keep one place beside."""
    for checkpoint in checkpoints:
        if checkpoint.exists():
            checkpoint.replace(checkpoint.with_name(f"{checkpoint.stem}.before{checkpoint.suffix}"))


def _start(
    job: TrainingJob, *, init: Path | None, resume: bool, watch: Callable[[TrainingProgress], None] | None
) -> TrainingRun:
    """A run before its first step, or where its checkpoint left it."""
    torch.manual_seed(job.recipe.training.seed)
    network = build_network(job.recipe.network, n_bins=job.recipe.bins.count)
    in_cells = resume and job.agreed(job.cells_checkpoint.exists() and not job.checkpoint.exists())
    if job.is_first and not resume:
        _set_aside(job.checkpoint, job.cells_checkpoint)
    if in_cells or not resume:
        _make_ready(network, job, init=init, resume=in_cells, watch=watch)
    optimiser = _optimiser(network, job.recipe.training)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    keeps_start = init is not None and job.recipe.training.keep_of_start > 0
    start_weights = weights_of(network) if keeps_start else {}
    placed, placed_optimiser = job.fabric.setup(network, optimiser)
    run = TrainingRun(
        network,
        placed,
        placed_optimiser,
        start_weights=start_weights,
        start_is_shipped=init is not None and is_shipped(init),
    )
    if resume and not in_cells:
        _take_up(run, job)
        _lend_reader(network, job)
    return run


def _make_ready(
    network: nn.Module,
    job: TrainingJob,
    *,
    init: Path | None,
    resume: bool,
    watch: Callable[[TrainingProgress], None] | None,
) -> None:
    """What a network knows before the first step: all that another one knew, or what is in front of it."""
    if init is not None:
        inherit(network, init, recipe=job.recipe, settings=job.dataset.settings)
        _lend_reader(network, job)
    elif isinstance(network, FocusNetwork):
        if network.reader:
            learn_cells(network.reader, job, bands=network.bands, resume=resume, watch=watch)
        _lend_reader(network, job)
        looks = job.recipe.looks
        steps = range(0, looks.new_every * looks.count, looks.new_every)
        network.scale_to(job.sampler.batch(step, size=SCALED_TO)[0] for step in steps)


def _lend_reader(network: nn.Module, job: TrainingJob) -> None:
    """Descriptions hold what the reader says; a copy of it, as the network may move to another device."""
    if isinstance(network, FocusNetwork) and network.reader and isinstance(job.sampler, DescriptionSampler):
        job.sampler.reader = deepcopy(network.reader).cpu().eval()


def _optimiser(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind(
        [weights for weights in network.parameters() if weights.requires_grad],
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )


def _learn(
    run: TrainingRun,
    job: TrainingJob,
    *,
    watch: Callable[[TrainingProgress], None] | None,
    clock: Callable[[], float],
) -> None:
    """The loop, and a checkpoint at its end, however it ends."""
    settings = job.recipe.training
    batches = job.batches(range(run.step, settings.steps if run.fraction(settings) < 1 else run.step))
    log = closing(job.log) if job.log else nullcontext()
    with log, closing(batches), interrupts_held() as let_interrupt:
        try:
            for progress in _steps(run, job, batches, clock=clock):
                if watch:
                    watch(progress)
                let_interrupt()
        finally:
            if run.is_whole:
                _save(run, job)


def _steps(
    run: TrainingRun, job: TrainingJob, batches: Iterable[Batch], *, clock: Callable[[], float]
) -> Iterable[TrainingProgress]:
    """Each step: a batch, its loss, its gradient; now and then validation, log and checkpoint."""
    settings = job.recipe.training
    started, saved = clock() - run.seconds, clock()
    for frames, defocus_um in _on_device(_awaited(batches, run, clock=clock), job.fabric):
        run.is_whole = False
        loss = _descend(run, job, frames, defocus_um)
        run.count(loss, seconds=job.agreed(clock() - started))
        is_last = run.fraction(settings) >= 1
        if job.is_validated and (is_last or _is_validated_at(run.step, every=settings.validate_every)):
            run.validated(_validation_mae_um(run, job), settings)
        if job.log and (is_last or run.step % LOG_EVERY == 0):
            job.log.write(run.log_values(), step=run.step)
        run.is_whole = True
        if clock() - saved > settings.checkpoint_every_s:
            _save(run, job)
            saved = clock()
        yield run.progress(settings)
        if is_last:
            return


def _is_validated_at(step: int, *, every: int) -> bool:
    """At each multiple of some steps; and twice before the first, when errors fall fast."""
    return step % every == 0 or step in (every // 4, every // 2)


def _awaited(batches: Iterable[Batch], run: TrainingRun, *, clock: Callable[[], float]) -> Iterable[Batch]:
    """The batches, while the run counts how long it waits for them."""
    asked = clock()
    for batch in batches:
        run.waited_s += clock() - asked
        yield batch
        asked = clock()


def _validation_mae_um(run: TrainingRun, job: TrainingJob) -> float:
    """Measured by the first process, and not on `run.placed`, which would wait for the others."""
    if not job.is_first:
        return job.agreed(math.nan)
    with job.fabric.autocast():
        return job.agreed(predict_stacks(run.network, job.watched, job.recipe).mae_um)


def _descend(run: TrainingRun, job: TrainingJob, frames: Tensor, defocus_um: Tensor) -> float:
    """One step downhill; gives the loss before it."""
    settings = job.recipe.training
    # Each step has its own random state (for dropout), so that a resumed run draws what the first would have.
    torch.manual_seed(_seed_of(settings.seed, step=job.unique(run.step)))
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(settings, fraction=run.position(settings))
    run.placed.train()
    run.optimiser.zero_grad(set_to_none=True)
    loss = focus_loss(run.placed(frames), defocus_um, bins=job.recipe.bins, settings=settings)
    value = loss.item()
    if not math.isfinite(value):
        raise SettingsError(
            f"The loss is {value} at step {run.step + 1}: training has diverged. "
            f"Use a learning_rate below {settings.learning_rate:g}."
        )
    job.fabric.backward(loss)
    run.optimiser.step()
    return value


def _seed_of(seed: int, *, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0])


def _on_device(batches: Iterable[Batch], fabric: Fabric) -> Iterable[Batch]:
    for frames, defocus_um in batches:
        on_device = fabric.to_device(frames)
        if on_device.dim() == 4:
            on_device = on_device.contiguous(memory_format=torch.channels_last)
        yield on_device, fabric.to_device(defocus_um)


def _choose_weights(run: TrainingRun, job: TrainingJob) -> float:
    """Of those found on the way: the best, the last, or a mean of the last and those it started from.

    Returns
    -------
    float
        The share of those it started from.

    Notes
    -----
    Far from the data that a network learned from, the mean errs less than either (Wortsman et al. 2022,
    Robust fine-tuning of zero-shot models). Unless its start knows nothing of images like these: then the
    validation stacks tell, or, where there are none, some of the training stacks.
    """
    if run.best_weights:
        run.network.load_state_dict(run.best_weights)
    share = job.recipe.training.keep_of_start if run.start_weights else 0.0
    if share == 0:
        return 0.0
    last = weights_of(run.network)
    last_mae_um = _validation_mae_um(run, job)
    run.network.load_state_dict(mixed(last, run.start_weights, share=share))
    if _validation_mae_um(run, job) <= WORSE * last_mae_um:
        return share
    run.network.load_state_dict(last)
    return 0.0


def _save(run: TrainingRun, job: TrainingJob) -> None:
    if job.log:
        save_checkpoint(job.checkpoint, run, recipe=job.recipe, data_fingerprint=job.data_fingerprint)
        job.log.flush()


def _write_model(run: TrainingRun, job: TrainingJob, *, out: Path, kept: float) -> ModelHeader:
    # Not `run.placed`: measured in the precision in which the estimator will use it.
    is_of_many = job.dataset.settings.apertures is not None
    calibration = calibrate(
        run.network,
        job.training,
        job.validation,
        job.recipe,
        rejects=job.rejects,
        knows_other_days=is_of_many or (kept > 0 and run.start_is_shipped),
    )
    header = _header(run, job, calibration, kept=kept)
    weights = {f"network.{k}": v.detach().cpu().numpy() for k, v in run.network.state_dict().items()}
    save_model(out, header, {**weights, **calibration.arrays()})
    return header


def _header(run: TrainingRun, job: TrainingJob, calibration: Calibration, *, kept: float) -> ModelHeader:
    settings, predictions = job.dataset.settings, calibration.predictions
    return ModelHeader(
        recipe=job.recipe,
        camera_pixel_size_um=settings.pixel_size_um,
        z_range_um=_z_range_um(job.training),
        modality=settings.modality,
        objective=settings.objective.model_dump() if settings.objective else None,
        wavelength_um=settings.wavelength_um,
        dof_um=settings.dof_um,
        apertures=settings.apertures,
        dataset=settings.name,
        data_fingerprint=job.data_fingerprint,
        n_stacks=len(job.training),
        spread_scale=calibration.spread_scale,
        interval90_scale=calibration.interval90_scale,
        usual_clipping=calibration.familiarity.usual_clipping,
        calibrated_on=calibration.part,
        metrics={"mae_um": predictions.mae_um, "within_1um": predictions.within_1um},
        parameters=count_parameters(run.network),
        steps=run.step,
        kept_of_start=kept,
        package_version=version("parfocal"),
    )


def _z_range_um(stacks: list[LabelledStack]) -> tuple[float, float]:
    defocus_um = np.concatenate([stack.defocus_um(focus_z_um) for stack, focus_z_um in stacks])
    return float(defocus_um.min()), float(defocus_um.max())
