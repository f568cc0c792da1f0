"""The training loop, in plain sight."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.csv_logs import CSVLogger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from torch import Tensor, nn

from parfocal.data.dataset import Dataset
from parfocal.data.sampling import FrameSampler, prefetch
from parfocal.errors import DatasetError, InputError
from parfocal.model.bins import BinSettings
from parfocal.model.calibration import Predictions, calibrate, predict_stacks
from parfocal.model.checkpoint import RunState, load_checkpoint, save_checkpoint
from parfocal.model.model_file import ModelHeader, load_model, save_model
from parfocal.model.networks import build_network, count_parameters
from parfocal.model.recipe import Recipe, TrainingSettings, default_recipe
from parfocal.zstack import ZStack

LabelledStack = tuple[ZStack, float]
CHECKPOINT = "checkpoint.pt"
LOG_EVERY = 10


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
class _Run:
    """What changes during training."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    validation_mae_um: float | None = None
    best_mae_um: float = math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def state(self) -> RunState:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.loss,
            "validation_mae_um": self.validation_mae_um,
            "best_mae_um": self.best_mae_um,
            "best_weights": self.best_weights,
        }

    def restore(self, state: RunState) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def count(self, loss: float, *, seconds: float) -> None:
        self.step += 1
        self.seconds = seconds
        self.loss = loss if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * loss

    def fraction(self, settings: TrainingSettings) -> float:
        by_time = self.seconds / (60 * settings.minutes) if settings.minutes else 0.0
        return max(self.step / settings.steps, by_time)

    def progress(self, settings: TrainingSettings) -> TrainingProgress:
        return TrainingProgress(
            self.step, settings.steps, self.fraction(settings), self.loss, self.validation_mae_um
        )

    def log_values(self) -> dict[str, float]:
        rate = self.optimiser.param_groups[0]["lr"]
        values = {"loss": self.loss, "learning_rate": rate, "seconds": self.seconds}
        if self.validation_mae_um is not None:
            values["validation_mae_um"] = self.validation_mae_um
        return values


def train(
    dataset: Dataset,
    *,
    out: Path,
    recipe: Recipe | None = None,
    init: Path | None = None,
    resume: bool = False,
    watch: Callable[[TrainingProgress], None] | None = None,
) -> ModelHeader:
    """Trains a focus model on the training stacks of a dataset and writes it to a file.

    Parameters
    ----------
    dataset : Dataset
        With annotations and a split.
    out : Path
        The model file. Beside it, ``<name>.training`` keeps checkpoint and logs.
    recipe : Recipe, optional
        By default the best known for the data, see `default_recipe`.
    init : Path, optional
        A model whose weights to start from.
    resume : bool
        Whether to go on from the checkpoint of a stopped run, with the same random state.
    watch : callable, optional
        Is told of the progress after every step.

    Returns
    -------
    ModelHeader
        What the model file says of itself.

    Raises
    ------
    DatasetError
        If the dataset has no training stacks, or its pixels are too coarse for the recipe.
    InputError
        If there is nothing to resume from, or `init` has another shape.
    OutputError
        If checkpoint or model cannot be written.
    KeyboardInterrupt
        Passed on after a checkpoint has been saved.
    """
    training, validation = _labelled(dataset, "train"), _labelled(dataset, "validation")
    if not training:
        raise DatasetError(f"{dataset.folder}: has no training stacks; split.csv must name some as 'train'.")
    recipe = recipe or default_recipe(training)
    folder = out.with_name(f"{out.stem}.training")
    sampler = FrameSampler(training, recipe.sampling, seed=recipe.training.seed)
    fabric = _fabric(recipe.training, folder)
    run = _start(recipe, init=init, fabric=fabric)
    if resume:
        run.restore(load_checkpoint(folder / CHECKPOINT, run.network, run.optimiser))
    try:
        _loop(run, sampler, validation, recipe, fabric=fabric, folder=folder, watch=watch)
    finally:
        _save(run, folder)
        for logger in fabric.loggers:
            logger.finalize("finished")
    if run.best_weights:
        run.network.load_state_dict(run.best_weights)
    return _finish(run, dataset, training, validation, recipe, out=out)


def has_fast_bf16() -> bool:
    """Whether this machine multiplies bfloat16 faster than float32."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _labelled(dataset: Dataset, part: str) -> list[LabelledStack]:
    ids = [row.stack for row in dataset.split() if row.part == part]
    return [(dataset.read(stack), dataset.focus_z_um(stack)) for stack in ids]


def _fabric(settings: TrainingSettings, folder: Path) -> Fabric:
    precision = settings.precision
    if precision == "auto":
        precision = "bf16-mixed" if has_fast_bf16() else "32-true"
    loggers = [CSVLogger(folder, name="csv"), TensorBoardLogger(folder, name="tensorboard")]
    return Fabric(accelerator="auto", devices=1, precision=precision, loggers=loggers)


def _start(recipe: Recipe, *, init: Path | None, fabric: Fabric) -> _Run:
    torch.manual_seed(recipe.training.seed)
    network = build_network(recipe.network, n_bins=recipe.bins.count)
    if init is not None:
        _copy_weights(network, init)
    optimiser = _optimiser(network, recipe.training)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ready, ready_optimiser = fabric.setup(network, optimiser)
    return _Run(ready, ready_optimiser)


def _copy_weights(network: nn.Module, init: Path) -> None:
    _, arrays = load_model(init)
    weights = {k.removeprefix("network."): torch.from_numpy(v) for k, v in arrays.items() if "network." in k}
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


def _loop(
    run: _Run,
    sampler: FrameSampler,
    validation: list[LabelledStack],
    recipe: Recipe,
    *,
    fabric: Fabric,
    folder: Path,
    watch: Callable[[TrainingProgress], None] | None,
) -> None:
    """Each step: a batch, its loss, its gradient; now and then validation, checkpoint and log."""
    settings = recipe.training
    started, saved = time.monotonic() - run.seconds, time.monotonic()
    steps = range(run.step, settings.steps)
    run.network.train()
    with closing(prefetch(lambda step: sampler.batch(step, size=settings.batch_size), steps)) as batches:
        for frames, defocus_um in _on_device(batches, fabric):
            rate = learning_rate(settings, fraction=run.fraction(settings))
            for group in run.optimiser.param_groups:
                group["lr"] = rate
            run.optimiser.zero_grad(set_to_none=True)
            loss = focus_loss(run.network(frames), defocus_um, bins=recipe.bins, settings=settings)
            fabric.backward(loss)
            run.optimiser.step()

            run.count(loss.item(), seconds=time.monotonic() - started)
            done = run.fraction(settings) >= 1
            if validation and (done or run.step % settings.validate_every == 0):
                _validate(run, validation, recipe)
            if done or run.step % LOG_EVERY == 0:
                fabric.log_dict(run.log_values(), step=run.step)
            if time.monotonic() - saved > settings.checkpoint_every_s:
                _save(run, folder)
                saved = time.monotonic()
            if watch:
                watch(run.progress(settings))
            if done:
                break


def _on_device(batches: Iterable[tuple[Tensor, Tensor]], fabric: Fabric) -> Iterable[tuple[Tensor, Tensor]]:
    for frames, defocus_um in batches:
        on_device = fabric.to_device(frames).contiguous(memory_format=torch.channels_last)
        yield on_device, fabric.to_device(defocus_um)


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
    """
    logits = logits.float()
    labels = bins.soft_labels(defocus_um, sigma_um=settings.label_sigma_um)
    loss = -(labels * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    if settings.expectation_weight == 0:
        return loss
    centres = torch.as_tensor(bins.centres_um, dtype=torch.float32, device=logits.device)
    error = (torch.softmax(logits, dim=1) @ centres - defocus_um) / bins.width_um
    return loss + settings.expectation_weight * nn.functional.smooth_l1_loss(error, torch.zeros_like(error))


def learning_rate(settings: TrainingSettings, *, fraction: float) -> float:
    """The learning rate at a fraction of the run: a linear warm-up, then constant or a half cosine."""
    if fraction < settings.warm_up:
        return settings.learning_rate * max(fraction / settings.warm_up, 0.01)
    if settings.decay == "none":
        return settings.learning_rate
    progress = (fraction - settings.warm_up) / (1 - settings.warm_up)
    return settings.learning_rate * max(0.5 * (1 + math.cos(math.pi * min(progress, 1.0))), 1e-3)


def _save(run: _Run, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(folder / CHECKPOINT, run.network, run.optimiser, state=run.state())


def _validate(run: _Run, validation: list[LabelledStack], recipe: Recipe) -> None:
    predictions = predict_stacks(run.network, validation, recipe)
    run.network.train()
    run.validation_mae_um = predictions.mae_um
    if predictions.mae_um <= run.best_mae_um:
        run.best_mae_um = predictions.mae_um
        run.best_weights = {k: v.detach().cpu().clone() for k, v in run.network.state_dict().items()}


def _finish(
    run: _Run,
    dataset: Dataset,
    training: list[LabelledStack],
    validation: list[LabelledStack],
    recipe: Recipe,
    *,
    out: Path,
) -> ModelHeader:
    calibration = calibrate(run.network, training, validation, recipe)
    weights = {f"network.{k}": v.detach().cpu().numpy() for k, v in run.network.state_dict().items()}
    settings = dataset.settings
    header = ModelHeader(
        recipe=recipe,
        camera_pixel_size_um=settings.pixel_size_um,
        z_range_um=_z_range_um(training),
        modality=settings.modality,
        objective=settings.objective.model_dump() if settings.objective else None,
        wavelength_um=settings.wavelength_um,
        dof_um=settings.dof_um,
        dataset=settings.name,
        data_fingerprint=dataset.fingerprint(),
        n_stacks=len(training),
        spread_scale=calibration.spread_scale,
        interval90_scale=calibration.interval90_scale,
        usual_distance=calibration.familiarity.usual_distance,
        calibrated_on=calibration.part,
        metrics=_header_metrics(calibration.predictions),
        parameters=count_parameters(run.network),
        steps=run.step,
        package_version=version("parfocal"),
    )
    save_model(out, header, {**weights, **calibration.arrays()})
    return header


def _header_metrics(predictions: Predictions) -> dict[str, float]:
    return {"mae_um": predictions.mae_um, "within_1um": predictions.within_1um}


def _z_range_um(stacks: list[LabelledStack]) -> tuple[float, float]:
    defocus: list[Any] = [stack.defocus_um(focus_z_um) for stack, focus_z_um in stacks]
    return float(min(d.min() for d in defocus)), float(max(d.max() for d in defocus))
