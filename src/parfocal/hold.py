"""Holds the focus of a microscope, keeps the record of it and draws it: what ``parfocal lock`` does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.control import (
    FocusLock,
    LockSettings,
    LockSnapshot,
    LockStart,
    LockSummary,
    Onlooker,
    Onlookers,
    RecordSettings,
    RunLog,
    Supervisor,
)
from parfocal.control.requests import refuse_unreachable_target
from parfocal.errors import InputError
from parfocal.estimate import Estimator
from parfocal.evaluation.figures import focus_over_time, save_figure
from parfocal.rigs import Rig


def hold_focus(
    rig: Rig,
    estimator: Estimator,
    *,
    settings: LockSettings,
    hours: float,
    record: Path,
    keep: RecordSettings | None = None,
    facts: Mapping[str, Any] | None = None,
    watch: Callable[[LockSnapshot], None] | None = None,
    onlookers: Sequence[Onlooker] = (),
) -> LockSummary:
    """Locks the focus for some hours, keeps a record and draws it beside.

    Parameters
    ----------
    rig : Rig
    estimator : Estimator
    settings : LockSettings
    hours : float
        By the rig's clock.
    record : Path
        The run record (SQLite); the figure has the same name and ends in ``.png``.
    keep : RecordSettings, optional
        Which images the record keeps.
    facts : mapping, optional
        What else the record should know, as plain values that JSON can hold.
    watch : callable, optional
        Is told of every frame.
    onlookers : sequence of Onlooker
        Pages and alarms.

    Returns
    -------
    LockSummary

    Raises
    ------
    InputError
        If the record or its figure exists already, the duration is not above 0, or the target is beyond what
        the model can tell.
    ModelError
        If the model was not made for the camera's images.
    DeviceError
        If the camera fails at once. A later failure is told in the summary.
    LimitError
        If the drive stands outside the window to begin with.

    Notes
    -----
    Nothing is moved and no record begun before a first image has been looked at. A Ctrl-C stops the drive
    and ends the run like any other.
    """
    refuse_no_time(hours)
    _refuse_used(record)
    settings = checked_for(rig, estimator, settings)
    keep = keep or RecordSettings()
    known = {**(facts or {}), **facts_of(rig, estimator, settings=settings, hours=hours, keep=keep)}
    log = RunLog.create(record, settings=known, model_fingerprint=estimator.fingerprint, keep=keep)
    with log, Onlookers(onlookers, watch=watch) as crowd:
        lock = FocusLock(
            rig.camera,
            rig.drive,
            estimator,
            settings=settings,
            clock=rig.clock,
            log=log,
            on_step=crowd.see,
            on_event=crowd.hear,
            truth=rig.truth,
        )
        crowd.begin(
            lock,
            start_of(
                rig, estimator, settings=settings, record=record, began_s=rig.clock.now_s(), hours=hours
            ),
        )
        summary = lock.run(3600 * hours)
        crowd.end_with(summary)
    if summary.n_frames:
        draw_run(record)
    return summary


def facts_of(
    rig: Rig, estimator: Estimator, *, settings: LockSettings, hours: float, keep: RecordSettings
) -> dict[str, Any]:
    """What a record knows of a run as a whole, as plain values."""
    return {
        "rig": rig.about,
        "rig_fingerprint": rig.fingerprint,
        "pixel_size_um": rig.camera.pixel_size_um,
        "speed": rig.clock.speed,
        "z_range_um": list(estimator.z_range_um),
        "hours": hours,
        "lock": settings.model_dump(mode="json"),
        "record": keep.model_dump(mode="json"),
    }


def start_of(
    rig: Rig, estimator: Estimator, *, settings: LockSettings, record: Path, began_s: float, hours: float
) -> LockStart:
    """What onlookers know of a run before its first frame."""
    return LockStart(
        settings=settings,
        rig=rig.about,
        record=str(record),
        model=estimator.fingerprint,
        pixel_size_um=rig.camera.pixel_size_um,
        z_range_um=estimator.z_range_um,
        speed=rig.clock.speed,
        began_s=began_s,
        hours=hours,
    )


def checked_for(rig: Rig, estimator: Estimator, settings: LockSettings) -> LockSettings:
    """The settings as the rig needs them, after a first look that moves nothing.

    Raises
    ------
    InputError
        If the target is beyond what the model can tell.
    ModelError
        If the model was not made for the camera's images.
    DeviceError
        If the camera fails.
    LimitError
        If the drive stands outside the window.
    """
    refuse_unreachable_target(settings.controller.target_um, estimator.z_range_um)
    Supervisor(rig.drive, settings.limits, clock=rig.clock)  # refuses a drive that stands outside the window
    estimator.estimate(rig.camera.snap(), pixel_size_um=rig.camera.pixel_size_um)
    if rig.repeats_frames:
        settings = settings.replace(watch=settings.watch.replace(refuse_repeated=False).model_dump())
    return settings


def refuse_no_time(hours: float) -> None:
    """Refuses a duration that is none.

    Raises
    ------
    InputError
        If the hours are not a finite number above 0.
    """
    if not (math.isfinite(hours) and hours > 0):
        raise InputError(f"Expected a duration above 0 hours, got {hours:g}.")


def figure_of(record: Path) -> Path:
    """Where the plot of a run record lies: beside it, under the same name.

    Examples
    --------
    >>> figure_of(Path("night.sqlite")).name
    'night.png'
    """
    return record.with_suffix(".png")


def _refuse_used(record: Path) -> None:
    if record.suffix == ".png":
        raise InputError(f"{record}: is the name of the run's plot. Expected one such as run.sqlite.")
    for path in (record, figure_of(record)):
        if path.exists():
            raise InputError(f"{path}: exists already, and a run is never overwritten. Choose another name.")


def draw_run(record: Path) -> Path:
    """The plot of a run record: stage and focal position over time, and the defocus that was left.

    Returns
    -------
    Path
        The figure, beside the record.

    Raises
    ------
    InputError
        If the file is no run record, or holds no frames.
    OutputError
        If the figure cannot be written.
    """
    run = RunLog.open(record)
    frames = run.frames()
    if not len(frames["t_s"]):
        raise InputError(f"{record}: holds no frames, so there is nothing to draw.")
    start_s = frames["t_s"][0]
    lock = LockSettings.parse(run.settings()["lock"], source=str(record))
    true_um = frames["true_defocus_um"]
    figure = focus_over_time(
        time_h=(frames["t_s"] - start_s) / 3600,
        stage_um=frames["z_um"],
        focal_um=frames["z_um"] - frames["defocus_um"],
        true_defocus_um=None if np.isnan(true_um).all() else true_um,
        tolerance_um=lock.tolerance_um,
        target_um=_held_um(run.targets(lock.controller.target_um), frames["t_s"]),
        events=[
            ((event.t_s - start_s) / 3600, event.text)
            for event in run.events()
            if event.text.startswith("lost")
        ],
        title=run.settings()["rig"],
    )
    return save_figure(figure, figure_of(record))


def _held_um(targets: Sequence[tuple[float, float]], t_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lock target at each time, shape as `t_s`."""
    since_s, target_um = np.array(targets).T
    held: NDArray[np.float64] = target_um[np.searchsorted(since_s, t_s, side="right") - 1]
    return held
