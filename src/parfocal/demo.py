"""The whole story on the virtual microscope: simulate, train, evaluate, and hold focus for a day."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parfocal.collect import simulate_dataset
from parfocal.control import LockSettings, LockSummary, RunLog, SelfCheckSettings
from parfocal.data.dataset import Dataset
from parfocal.errors import InputError, OutputError
from parfocal.evaluation.evaluate import evaluate
from parfocal.evaluation.figures import save_figure
from parfocal.evaluation.frames import FRAMES_FILE
from parfocal.evaluation.overview import overview
from parfocal.hold import figure_of, hold_focus
from parfocal.microscope import ExperimentSettings
from parfocal.model import FocusEstimator, Recipe, default_recipe, inheritance_of, starting_model, train
from parfocal.optics import preset
from parfocal.rigs import simulated_rig, window_around
from parfocal.zstack import ZStack

MARK = "demo.txt"
STACKS, MODEL, REPORT = "stacks", "model.safetensors", "report"
RECORD, OVERVIEW = "lock.sqlite", "overview.png"
MADE = (
    *(STACKS, MODEL, "model.training", REPORT, OVERVIEW),
    *(RECORD, f"{RECORD}-wal", f"{RECORD}-shm", figure_of(Path(RECORD)).name),
)
"""All that a demo makes, and all that the next one may replace."""
SHOWN_UM = (-12.0, -8.0, -4.0, -1.5, 0.0, 1.5, 4.0, 8.0, 12.0)
Progress = Callable[[str, float, str], None]
"""Is told (name of the step, fraction done, a few words)."""


@dataclass(frozen=True)
class DemoPlan:
    """How large a demo is; the default takes some minutes on two cores."""

    stacks: int = 40
    training_steps: int = 1000
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
    _train(dataset, out / MODEL, plan=plan, progress=progress)
    estimator = FocusEstimator.load(out / MODEL)
    metrics = evaluate(
        estimator,
        dataset,
        out=out / REPORT,
        progress=lambda done, total: progress("evaluate", done / total, f"{done} of {total} z-stacks"),
    )
    summary = _hold(out / RECORD, estimator, plan=plan, progress=progress)
    _draw_overview(dataset, out)
    files = {
        "report": out / REPORT / "report.html",
        "overview": out / OVERVIEW,
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
    start = starting_model(dataset)

    def recipe(stacks: list[tuple[ZStack, float]]) -> Recipe:
        best = default_recipe(stacks, inherits=inheritance_of(start, dataset.settings))
        return best.replace(training=best.training.replace(steps=plan.training_steps))

    train(
        dataset,
        out=model,
        recipe=recipe,
        init=start,
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
        settings=LockSettings(limits=limits, self_check=SelfCheckSettings()),
        hours=plan.hours,
        record=record,
        watch=lambda s: progress("lock", s.t_s / (3600 * plan.hours), f"{s.t_s / 3600:.1f} h, {s.state}"),
    )


def _draw_overview(dataset: Dataset, out: Path) -> None:
    """One picture: a test stack through focus, what was inferred, and how focus was held."""
    stack_id = _liveliest(dataset)
    stack = dataset.read(stack_id)
    defocus_um = stack.defocus_um(dataset.focus_z_um(stack_id))
    planes = [int(np.argmin(np.abs(defocus_um - z_um))) for z_um in SHOWN_UM]
    with (out / REPORT / FRAMES_FILE).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    frames = RunLog.open(out / RECORD).frames()
    figure = overview(
        frames_zyx=stack.frames_zyx[planes],
        frames_defocus_um=[float(defocus_um[plane]) for plane in planes],
        actual_um=[float(row["actual_um"]) for row in rows],
        inferred_um=[float(row["inferred_um"]) for row in rows],
        time_h=frames["t_s"] / 3600,
        stage_um=frames["z_um"],
        true_defocus_um=frames["true_defocus_um"],
        tolerance_um=LockSettings.model_fields["tolerance_um"].default,
    )
    save_figure(figure, out / OVERVIEW, dpi=120)


def _liveliest(dataset: Dataset) -> str:
    """The test stack with the most to see."""
    return max(dataset.ids_in("test"), key=lambda stack: float(np.std(dataset.read(stack).frames_zyx)))
