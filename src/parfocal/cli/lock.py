"""The verb ``lock``."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from parfocal.cli.options import (
    Aperture,
    Config,
    HighestZ,
    Immersed,
    Json,
    LowestZ,
    Model,
    PixelSize,
    Quality,
    Rescale,
    Simulated,
    Wavelength,
    positive,
)
from parfocal.cli.source import LARGEST_STEP_UM, Source, limits_of
from parfocal.cli.terminal import progress, say, say_json
from parfocal.cli.verdict import say_summary, summary_json

if TYPE_CHECKING:
    from parfocal.control import LockSnapshot

HOURS, REPLAYED_HOURS = 24.0, 1 / 60


def lock(
    model: Model,
    config: Config = None,
    simulate: Simulated = None,
    replay: Annotated[Path | None, typer.Option(metavar="STACK", help="A recorded z-stack.")] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            parser=positive,
            metavar="H",
            help="How long to hold focus: by default 24 h, with --replay one minute.",
        ),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(parser=positive, metavar="X", help="Simulated seconds per second, with --simulate."),
    ] = 1.0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="The run record; its plot lies beside. By default run-DATE-TIME.sqlite.",
        ),
    ] = None,
    lowest_z: LowestZ = None,
    highest_z: HighestZ = None,
    largest_step: Annotated[
        float, typer.Option(metavar="UM", help="No single move is longer; toward the sample half of it.")
    ] = LARGEST_STEP_UM,
    dead_band: Annotated[
        float | None,
        typer.Option(
            metavar="UM",
            help="No move within this of the target: by default 0.15, or more where the depth of field is.",
        ),
    ] = None,
    target: Annotated[float, typer.Option(metavar="UM", help="The defocus to hold.")] = 0.0,
    frame_rate: Annotated[float, typer.Option(metavar="HZ", help="Frames per second.")] = 20.0,
    self_check: Annotated[
        bool | None,
        typer.Option(
            help="First make a few small known moves, to see that the model fits this sample; "
            "done unless said otherwise, but with --replay, whose planes may be further apart."
        ),
    ] = None,
    pixel_size: PixelSize = None,
    na: Aperture = None,
    immersion: Immersed = None,
    wavelength: Wavelength = None,
    rescale: Rescale = False,
    quality: Annotated[Quality, typer.Option(help="Of the virtual microscope.")] = Quality.ci,
    seed: Annotated[int, typer.Option(min=0, help="Of the virtual microscope.")] = 0,
    as_json: Json = False,
) -> None:
    """Holds the focus of a live, virtual or replayed microscope. Exit 0 only if it was held.

    With --config, --lowest-z and --highest-z are required, and no position outside is ever commanded.
    Ctrl-C stops the drive and closes the record.
    """
    source = Source(config, simulate, replay, pixel_size=pixel_size, speed=speed, quality=quality, seed=seed)
    source.check()
    record = out or Path(time.strftime("run-%Y%m%d-%H%M%S.sqlite"))
    duration_h = hours or (HOURS if replay is None else REPLAYED_HOURS)

    from parfocal.control import LockSettings
    from parfocal.hold import figure_of, hold_focus
    from parfocal.model import FocusEstimator
    from parfocal.model.serving import index_of, ready_for

    estimator = FocusEstimator.load(model, rescale=rescale)
    rig = source.open()
    ready = ready_for(
        estimator.header,
        pixel_size_um=rig.camera.pixel_size_um,
        numerical_aperture=na or source.numerical_aperture,
        immersion_index=source.immersion_index if immersion is None else index_of(immersion.value),
        wavelength_um=wavelength or source.wavelength_um,
    )
    estimator = estimator.with_header(ready)
    values = {
        "limits": limits_of(rig, lowest_z, highest_z, largest_step),
        "frame_rate_hz": frame_rate,
        "controller": {"target_um": target},
        "self_check": {} if self_check or (self_check is None and replay is None) else None,
    }
    settings = LockSettings.parse(values, source="the command's options")
    if ready.served_optics:
        settings = settings.for_depth(ready.served_optics.depth_um)
    if dead_band is not None:
        settings = settings.replace(
            controller=settings.controller.replace(dead_band_um=dead_band).model_dump()
        )
    began_s = rig.clock.now_s()
    with _noticing_ctrl_c() as was_interrupted, progress() as tell:
        summary = hold_focus(
            rig,
            estimator,
            settings=settings,
            hours=duration_h,
            record=record,
            watch=lambda now: tell("lock", min(1.0, (now.t_s - began_s) / (3600 * duration_h)), _words(now)),
        )
    if as_json:
        say_json(summary_json(summary, record=record))
    else:
        say_summary(summary)
        say(f"  record {record}")
        if summary.n_frames:
            say(f"  plot   {figure_of(record)}")
    if was_interrupted():
        raise KeyboardInterrupt
    if not summary.held:
        raise typer.Exit(1)


def _words(now: LockSnapshot) -> str:
    return f"{now.t_s / 3600:.2f} h, {now.state}, z {now.z_um:.2f}, {now.belief_um:+.2f} um"


@contextmanager
def _noticing_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Tells whether Ctrl-C came, even where the lock took it, stopped the drive and ended well."""
    came: list[int] = []

    def notice(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, notice)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGINT, before)
