"""The whole story on the virtual microscope: simulate, train, evaluate, and hold focus for a day."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parfocal.collect import simulate_dataset
from parfocal.control import LockSettings, LockSummary
from parfocal.data.dataset import Dataset
from parfocal.errors import OutputError
from parfocal.evaluation.evaluate import evaluate
from parfocal.evaluation.figures import montage, save_figure
from parfocal.hold import hold_focus, simulated_rig, window_around
from parfocal.microscope import ExperimentSettings
from parfocal.model import FocusEstimator, default_recipe, train
from parfocal.optics import preset

DONE_MARK = "demo.txt"
Progress = Callable[[str, float, str], None]
"""Is told (name of the step, fraction done, a few words)."""


@dataclass(frozen=True)
class DemoPlan:
    """How large a demo is; the default takes some minutes on two cores."""

    stacks: int = 30
    training_steps: int = 700
    hours: float = 24.0
    drift_um: float = 40.0
    speed: float = 720.0
    quality: str = "ci"
    seed: int = 1
    workers: int = 2


@dataclass(frozen=True)
class DemoResult:
    """What a demo gave: the metrics of the evaluation, how the lock went, and the files to look at."""

    metrics: dict[str, Any]
    lock: LockSummary
    files: dict[str, Path]


def run_demo(out: Path, *, plan: DemoPlan | None = None, progress: Progress) -> DemoResult:
    """Simulates, trains, evaluates and locks, into a folder.

    Parameters
    ----------
    out : Path
        A new folder, or that of an earlier demo, which is replaced.
    plan : DemoPlan, optional
    progress : callable
        Is told how far each step is.

    Raises
    ------
    OutputError
        If the folder holds something that no demo put there.
    """
    plan = plan or DemoPlan()
    _clear(out)
    microscope = preset("yeast-40x", quality=plan.quality)
    dataset = simulate_dataset(
        out / "stacks",
        microscope,
        n_stacks=plan.stacks,
        seed=plan.seed,
        workers=plan.workers,
        watch=lambda done, total: progress("simulate", done / total, f"{done} of {total} z-stacks"),
    )
    picture = _draw_focus_series(dataset, out / "through-focus.png")
    model = out / "model.safetensors"
    _train(dataset, model, plan=plan, progress=progress)
    estimator = FocusEstimator.load(model)
    metrics = evaluate(
        estimator,
        dataset,
        out=out / "report",
        progress=lambda done, total: progress("evaluate", done / total, f"{done} of {total} z-stacks"),
    )
    summary = _hold(out / "lock.sqlite", estimator, plan=plan, progress=progress)
    files = {
        "report": out / "report" / "report.html",
        "lock plot": out / "lock.png",
        "lock record": out / "lock.sqlite",
        "through focus": picture,
        "model": model,
    }
    return DemoResult(metrics, summary, files)


def _clear(out: Path) -> None:
    if out.exists() and any(out.iterdir()) and not (out / DONE_MARK).exists():
        raise OutputError(f"{out}: holds files that no demo put there. Choose another folder with --out.")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / DONE_MARK).write_text("Made by 'parfocal demo'; the next demo replaces this folder.\n", "utf-8")


def _train(dataset: Dataset, model: Path, *, plan: DemoPlan, progress: Progress) -> None:
    stacks = [(dataset.read(stack), dataset.focus_z_um(stack)) for stack in dataset.ids_in("train")]
    recipe = default_recipe(stacks)
    recipe = recipe.replace(training=recipe.training.replace(steps=plan.training_steps).model_dump())
    train(
        dataset,
        out=model,
        recipe=recipe,
        watch=lambda p: progress("train", p.fraction, f"step {p.step} of {p.steps}, loss {p.loss:.2f}"),
    )


def _hold(record: Path, estimator: FocusEstimator, *, plan: DemoPlan, progress: Progress) -> LockSummary:
    microscope = preset("yeast-40x", quality=plan.quality)
    experiment = ExperimentSettings(hours=plan.hours, drift_um=plan.drift_um)
    rig = simulated_rig(microscope, seed=plan.seed, speed=plan.speed, paced=False, experiment=experiment)
    limits = window_around(rig, reach_um=plan.drift_um + 20, largest_step_um=5.0)
    return hold_focus(
        rig,
        estimator,
        settings=LockSettings(limits=limits),
        hours=plan.hours,
        record=record,
        watch=lambda s: progress("lock", s.t_s / (3600 * plan.hours), f"{s.t_s / 3600:.1f} h, {s.state}"),
    )


def _draw_focus_series(dataset: Dataset, path: Path) -> Path:
    """A montage of one test stack through focus."""
    stack_id = max(dataset.ids_in("test"), key=lambda stack: float(np.std(dataset.read(stack).frames_zyx)))
    stack, focus_z_um = dataset.read(stack_id), dataset.focus_z_um(stack_id)
    defocus = stack.defocus_um(focus_z_um)
    planes = [int(np.argmin(np.abs(defocus - z))) for z in (-10, -5, -2, 0, 2, 5, 10)]
    labels = [f"{defocus[plane]:+.1f} µm" for plane in planes]
    return save_figure(montage(stack.frames_zyx[planes], labels), path)
