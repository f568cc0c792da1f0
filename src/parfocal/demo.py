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
from parfocal.errors import InputError, OutputError
from parfocal.evaluation.evaluate import evaluate
from parfocal.evaluation.figures import montage, save_figure
from parfocal.hold import figure_of, hold_focus, simulated_rig, window_around
from parfocal.microscope import ExperimentSettings
from parfocal.model import FocusEstimator, Recipe, default_recipe, train
from parfocal.optics import preset
from parfocal.zstack import ZStack

MARK = "demo.txt"
STACKS, MODEL, REPORT = "stacks", "model.safetensors", "report"
RECORD, SERIES = "lock.sqlite", "through-focus.png"
MADE = (
    *(STACKS, MODEL, "model.training", REPORT, SERIES),
    *(RECORD, f"{RECORD}-wal", f"{RECORD}-shm", figure_of(Path(RECORD)).name),
)
"""All that a demo makes, and all that the next one may replace."""
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
        A new folder, or that of an earlier demo: what the demo made is replaced, other files stay.
    plan : DemoPlan, optional
    progress : callable
        Is told how far each step is.

    Raises
    ------
    InputError
        If the folder holds something and no demo has been there.
    OutputError
        If something cannot be replaced or written.
    """
    plan = plan or DemoPlan()
    _clear(out)
    dataset = simulate_dataset(
        out / STACKS,
        preset("yeast-40x", quality=plan.quality),
        n_stacks=plan.stacks,
        seed=plan.seed,
        workers=plan.workers,
        watch=lambda done, total: progress("simulate", done / total, f"{done} of {total} z-stacks"),
    )
    _draw_focus_series(dataset, out / SERIES)
    _train(dataset, out / MODEL, plan=plan, progress=progress)
    estimator = FocusEstimator.load(out / MODEL)
    metrics = evaluate(
        estimator,
        dataset,
        out=out / REPORT,
        progress=lambda done, total: progress("evaluate", done / total, f"{done} of {total} z-stacks"),
    )
    summary = _hold(out / RECORD, estimator, plan=plan, progress=progress)
    files = {
        "report": out / REPORT / "report.html",
        "through focus": out / SERIES,
        "lock plot": figure_of(out / RECORD),
        "lock record": out / RECORD,
        "model": out / MODEL,
        "stacks": out / STACKS,
    }
    return DemoResult(metrics, summary, files)


def _clear(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MARK).exists()):
        raise InputError(f"{out}: holds what no demo put there. Choose another folder with --out.")
    try:
        for made in (out / name for name in MADE):
            if made.is_dir():
                shutil.rmtree(made)
            else:
                made.unlink(missing_ok=True)
        out.mkdir(parents=True, exist_ok=True)
        (out / MARK).write_text("Made by 'parfocal demo'; the next demo here replaces it.\n", "utf-8")
    except OSError as error:
        raise OutputError(
            f"{error.filename}: cannot be replaced or made ({error.strerror}). "
            "Close what has it open, or choose another folder with --out."
        ) from error


def _train(dataset: Dataset, model: Path, *, plan: DemoPlan, progress: Progress) -> None:
    def recipe(stacks: list[tuple[ZStack, float]]) -> Recipe:
        best = default_recipe(stacks)
        return best.replace(training=best.training.replace(steps=plan.training_steps))

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
