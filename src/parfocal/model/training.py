"""The training loop, in plain sight."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from parfocal.data.dataset import Dataset
from parfocal.data.sampling import FrameSampler, prefetch
from parfocal.errors import DatasetError, InputError, OutputError, SettingsError
from parfocal.model.calibration import Calibration, LabelledStack, calibrate, predict_stacks
from parfocal.model.checkpoint import load_checkpoint, save_checkpoint
from parfocal.model.interruption import interrupts_held
from parfocal.model.loss import focus_loss, learning_rate
from parfocal.model.model_file import ModelHeader, load_model, save_model
from parfocal.model.networks import build_network, count_parameters
from parfocal.model.placement import place
from parfocal.model.recipe import Recipe, TrainingSettings, default_recipe
from parfocal.model.training_log import TrainingLog
from parfocal.model.training_run import TrainingProgress, TrainingRun

CHECKPOINT = "checkpoint.pt"
LOG_EVERY = 10


@dataclass(frozen=True, eq=False)
class _Job:
    """What stays the same during training."""

    dataset: Dataset
    training: list[LabelledStack]
    validation: list[LabelledStack]
    recipe: Recipe
    sampler: FrameSampler
    fabric: Fabric
    checkpoint: Path
    log: TrainingLog
    data_fingerprint: str


def train(
    dataset: Dataset,
    *,
    out: Path,
    recipe: Recipe | Callable[[list[LabelledStack]], Recipe] = default_recipe,
    init: Path | None = None,
    resume: bool = False,
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
    watch : callable, optional
        Is told of the progress after every step.
    clock : callable
        Seconds, for the bound in minutes and the time between checkpoints.

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
        If the recipe's crops do not fit its network, or its learning rate makes the loss diverge.
    InputError
        If there is nothing to resume from, the checkpoint is of another recipe or other data, or `init` is
        of another architecture.
    OutputError
        If checkpoint, log or model cannot be written.
    KeyboardInterrupt
        Passed on after a checkpoint has been saved.
    """
    job = _prepare(dataset, out=Path(out), recipe=recipe)
    device = job.fabric.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        run = _start(job, init=None if resume else init)
        if not resume:
            _set_aside(job.checkpoint)
        else:
            load_checkpoint(job.checkpoint, run, recipe=job.recipe, data_fingerprint=job.data_fingerprint)
        _learn(run, job, watch=watch, clock=clock)
    if run.best_weights:
        run.network.load_state_dict(run.best_weights)
    return _write_model(run, job, out=Path(out))


def _prepare(
    dataset: Dataset, *, out: Path, recipe: Recipe | Callable[[list[LabelledStack]], Recipe]
) -> _Job:
    training, validation = _labelled(dataset, "train"), _labelled(dataset, "validation")
    if not training:
        raise DatasetError(f"{dataset.folder}: has no training stacks; split.csv must name some as 'train'.")
    if not isinstance(recipe, Recipe):
        recipe = recipe(training)
    sampler = FrameSampler(training, recipe.sampling, seed=recipe.training.seed)
    _check_crops(sampler, recipe)
    folder = _training_folder(out)
    return _Job(
        dataset=dataset,
        training=training,
        validation=validation,
        recipe=recipe,
        sampler=sampler,
        fabric=place(recipe.training.precision),
        checkpoint=folder / CHECKPOINT,
        log=TrainingLog(folder),
        data_fingerprint=dataset.fingerprint(),
    )


def _labelled(dataset: Dataset, part: str) -> list[LabelledStack]:
    ids = [row.stack for row in dataset.split() if row.part == part]
    return [(dataset.read(stack), dataset.focus_z_um(stack)) for stack in ids]


def _training_folder(out: Path) -> Path:
    """Made before the first step, lest hours of training be lost to a place that cannot be written."""
    folder = out.with_name(f"{out.stem}.training")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror}). Choose another --out.") from error
    return folder


def _check_crops(sampler: FrameSampler, recipe: Recipe) -> None:
    smallest, largest = sampler.sides_px
    network = recipe.network
    needed = network.smallest_px
    if smallest < needed or (network.architecture == "wei2018" and largest != needed):
        exactly = "" if network.architecture == "focus" else "exactly "
        raise SettingsError(
            f"Expected crops of {exactly}{needed} pixels for the network, but the recipe's sampling gives "
            f"{smallest} to {largest} pixels. Change crop_um, pixel_size_um or input_px of the recipe."
        )


def _set_aside(checkpoint: Path) -> None:
    """Hours of an earlier training are not lost to a forgotten ``resume``: they keep one place beside."""
    if checkpoint.exists():
        checkpoint.replace(checkpoint.with_name(f"{checkpoint.stem}.before{checkpoint.suffix}"))


def _start(job: _Job, *, init: Path | None) -> TrainingRun:
    torch.manual_seed(job.recipe.training.seed)
    network = build_network(job.recipe.network, n_bins=job.recipe.bins.count)
    if init is not None:
        _copy_weights(network, init)
    optimiser = _optimiser(network, job.recipe.training)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    placed, placed_optimiser = job.fabric.setup(network, optimiser)
    return TrainingRun(network, placed, placed_optimiser)


def _copy_weights(network: nn.Module, init: Path) -> None:
    _, arrays = load_model(init)
    weights = {
        k.removeprefix("network."): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("network.")
    }
    own = network.state_dict()
    fitting = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
    if not any(k.startswith(("features", "conv")) for k in fitting):
        raise InputError(f"{init}: is a model of another architecture; its weights do not fit this recipe.")
    network.load_state_dict({**own, **fitting})


def _optimiser(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind(
        network.parameters(),
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )


def _learn(
    run: TrainingRun,
    job: _Job,
    *,
    watch: Callable[[TrainingProgress], None] | None,
    clock: Callable[[], float],
) -> None:
    """The loop, and a checkpoint at its end, however it ends."""
    settings = job.recipe.training
    steps = range(run.step, settings.steps) if run.fraction(settings) < 1 else range(0)
    batches = prefetch(lambda step: job.sampler.batch(step, size=settings.batch_size), steps)
    with closing(job.log), closing(batches), interrupts_held() as let_interrupt:
        try:
            for progress in _steps(run, job, _on_device(batches, job.fabric), clock=clock):
                if watch:
                    watch(progress)
                let_interrupt()
        finally:
            if run.is_whole:
                _save(run, job)


def _steps(
    run: TrainingRun, job: _Job, batches: Iterable[tuple[Tensor, Tensor]], *, clock: Callable[[], float]
) -> Iterable[TrainingProgress]:
    """Each step: a batch, its loss, its gradient; now and then validation, log and checkpoint."""
    settings = job.recipe.training
    started, saved = clock() - run.seconds, clock()
    for frames, defocus_um in batches:
        run.is_whole = False
        loss = _descend(run, job, frames, defocus_um)
        run.count(loss, seconds=clock() - started)
        is_last = run.fraction(settings) >= 1
        if job.validation and (is_last or run.step % settings.validate_every == 0):
            run.keep_if_best(predict_stacks(run.placed, job.validation, job.recipe).mae_um)
        if is_last or run.step % LOG_EVERY == 0:
            job.log.write(run.log_values(), step=run.step)
        run.is_whole = True
        if clock() - saved > settings.checkpoint_every_s:
            _save(run, job)
            saved = clock()
        yield run.progress(settings)
        if is_last:
            return


def _descend(run: TrainingRun, job: _Job, frames: Tensor, defocus_um: Tensor) -> float:
    """One step downhill; gives the loss before it."""
    settings = job.recipe.training
    # Each step has its own random state (for dropout), so that a resumed run draws what the first would have.
    torch.manual_seed(_seed_of(settings.seed, step=run.step))
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(settings, fraction=run.fraction(settings))
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


def _on_device(batches: Iterable[tuple[Tensor, Tensor]], fabric: Fabric) -> Iterable[tuple[Tensor, Tensor]]:
    for frames, defocus_um in batches:
        on_device = fabric.to_device(frames).contiguous(memory_format=torch.channels_last)
        yield on_device, fabric.to_device(defocus_um)


def _save(run: TrainingRun, job: _Job) -> None:
    save_checkpoint(job.checkpoint, run, recipe=job.recipe, data_fingerprint=job.data_fingerprint)
    job.log.flush()


def _write_model(run: TrainingRun, job: _Job, *, out: Path) -> ModelHeader:
    # Not `run.placed`: measured in the precision in which the estimator will use it.
    calibration = calibrate(run.network, job.training, job.validation, job.recipe)
    header = _header(run, job, calibration)
    weights = {f"network.{k}": v.detach().cpu().numpy() for k, v in run.network.state_dict().items()}
    save_model(out, header, {**weights, **calibration.arrays()})
    return header


def _header(run: TrainingRun, job: _Job, calibration: Calibration) -> ModelHeader:
    settings, predictions = job.dataset.settings, calibration.predictions
    return ModelHeader(
        recipe=job.recipe,
        camera_pixel_size_um=settings.pixel_size_um,
        z_range_um=_z_range_um(job.training),
        modality=settings.modality,
        objective=settings.objective.model_dump() if settings.objective else None,
        wavelength_um=settings.wavelength_um,
        dof_um=settings.dof_um,
        dataset=settings.name,
        data_fingerprint=job.data_fingerprint,
        n_stacks=len(job.training),
        spread_scale=calibration.spread_scale,
        interval90_scale=calibration.interval90_scale,
        usual_distance=calibration.familiarity.usual_distance,
        usual_clipping=calibration.familiarity.usual_clipping,
        calibrated_on=calibration.part,
        metrics={"mae_um": predictions.mae_um, "within_1um": predictions.within_1um},
        parameters=count_parameters(run.network),
        steps=run.step,
        package_version=version("parfocal"),
    )


def _z_range_um(stacks: list[LabelledStack]) -> tuple[float, float]:
    defocus_um = np.concatenate([stack.defocus_um(focus_z_um) for stack, focus_z_um in stacks])
    return float(defocus_um.min()), float(defocus_um.max())
