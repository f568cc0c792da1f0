"""The verbs ``runs show``, ``runs export`` and ``runs replay``."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parfocal.cli.options import Json, Rescale
from parfocal.cli.terminal import progress, say, say_json, say_table
from parfocal.cli.verdict import say_summary, summary_json
from parfocal.errors import InputError

if TYPE_CHECKING:
    from parfocal.control import ControllerReplay, LockSummary, RunRecord, SecondOpinion

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run record, as 'parfocal lock' writes it.")]

app = typer.Typer(help="Reads, exports and replays the records of focus locks.", rich_markup_mode=None)


@app.command()
def show(run: Run, as_json: Json = False) -> None:
    """How a focus lock went."""
    from parfocal.control import RunLog
    from parfocal.control.run_summary import summary_of_run

    record, summary = RunLog.open(run), summary_of_run(run)
    if as_json:
        known = {"model_fingerprint": record.model_fingerprint, "n_images": record.n_images}
        say_json({**summary_json(summary, record=run), **known})
        return
    say(f"{record.settings()['rig']}, model {record.model_fingerprint}, {record.facts()['created']}")
    say_summary(summary)
    n_images = record.n_images
    say("1 image kept." if n_images == 1 else f"{n_images} images kept.")
    if not record.has_end:
        say("No end is recorded: the run goes on, or was cut off.", style="red")
    for event in record.events():
        say(f"  {event.t_s / 3600:7.2f} h  {event.text}")


@app.command()
def export(
    run: Run,
    out: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", dir_okay=False, help="The table of all frames: .csv or .parquet."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="A new folder for the kept images, as OME-TIFF."),
    ] = None,
) -> None:
    """Every frame of a run as a table, and the images that were kept."""
    from parfocal.control import RunLog, export_table
    from parfocal.run_images import export_images

    if out is None and images is None:
        raise InputError("Expected --out for a table, --images for a folder, or both.")
    record = RunLog.open(run)
    if out is not None:
        export_table(record, out)
        say(str(out))
    if images is not None:
        n_images = len(export_images(record, images))
        say(f"{images}: {n_images} images")


@app.command()
def replay(
    run: Run,
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="Another model, for the kept images.")
    ] = None,
    dead_band: Annotated[
        float | None,
        typer.Option(metavar="UM", help="Let the recorded estimates drive a controller with this dead band."),
    ] = None,
    rescale: Rescale = False,
    as_json: Json = False,
) -> None:
    """What another model, or another controller, would have made of a run.

    With MODEL, its answers on the kept images stand beside those of the run. Without, or with --dead-band,
    the recorded estimates drive a controller; their errors are taken as they were.
    """
    from parfocal.control import RunLog

    record = RunLog.open(run)
    found: dict[str, Any] = {"record": str(run)}
    if model is not None:
        opinion = _opinion(record, model, rescale=rescale)
        found["model"] = _opinion_json(opinion)
        if not as_json:
            _say_opinion(opinion)
    if model is None or dead_band is not None:
        replayed = _replayed(record, dead_band)
        found |= {"run": asdict(replayed.run), "replay": asdict(replayed.replay)}
        if not as_json:
            _say_replay(replayed)
    if as_json:
        say_json(found)


def _opinion(record: RunRecord, model: Path, *, rescale: bool) -> SecondOpinion:
    from parfocal.control import second_opinion
    from parfocal.model import FocusEstimator
    from parfocal.model.serving import ready_for

    estimator = FocusEstimator.load(model, rescale=rescale)
    optics = record.settings().get("optics", {})
    ready = ready_for(estimator.header, pixel_size_um=record.pixel_size_um, **optics)
    with progress() as tell:
        return second_opinion(
            record, estimator.with_header(ready), watch=lambda done: tell("images", done, f"by {model.name}")
        )


def _replayed(record: RunRecord, dead_band_um: float | None) -> ControllerReplay:
    from parfocal.control import LockSettings, replay_controller

    settings = LockSettings.parse(record.settings()["lock"], source=str(record.path))
    if dead_band_um is not None:
        controller = settings.controller.replace(dead_band_um=dead_band_um)
        settings = settings.replace(controller=controller.model_dump())
    words = f"{record.n_frames} frames"
    with progress() as tell:
        return replay_controller(record, settings, watch=lambda done: tell("replay", done, words))


def _say_opinion(opinion: SecondOpinion) -> None:
    say(
        f"{opinion.n_images} images: the run's model answered {opinion.accepted_run:.0%} of them, this one "
        f"{opinion.accepted_other:.0%}, both {opinion.n_both}."
    )
    if opinion.difference_mean_um is not None and opinion.difference_rms_um is not None:
        say(
            f"This one less the run's: {opinion.difference_mean_um:+.2f} um on average, "
            f"{opinion.difference_rms_um:.2f} um RMS."
        )
    if opinion.error_rms_run_um is not None or opinion.error_rms_other_um is not None:
        say(
            f"Error against the truth: {_um(opinion.error_rms_run_um)} RMS by the run's model, "
            f"{_um(opinion.error_rms_other_um)} by this one."
        )


def _say_replay(replayed: ControllerReplay) -> None:
    rows = [_replay_row("the run", replayed.run), _replay_row("the replay", replayed.replay)]
    say_table(("", "moves", "RMS", "largest", "within tolerance", "losses"), rows)


def _replay_row(name: str, summary: LockSummary) -> tuple[str, ...]:
    residuals = (summary.residual_rms_um, summary.residual_largest_um)
    within, losses = f"{summary.within_tolerance:.1%}", str(summary.losses)
    return (name, str(summary.n_moves), *map(_um, residuals), within, losses)


def _um(value_um: float | None) -> str:
    return "-" if value_um is None else f"{value_um:.2f} um"


def _opinion_json(opinion: SecondOpinion) -> dict[str, Any]:
    names = (
        *("n_images", "n_both", "accepted_run", "accepted_other", "difference_mean_um", "difference_rms_um"),
        *("error_rms_run_um", "error_rms_other_um"),
    )
    rows = [
        {name: None if _is_unknown(value) else value for name, value in asdict(image).items()}
        for image in opinion.images
    ]
    return {**{name: getattr(opinion, name) for name in names}, "images": rows}


def _is_unknown(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
