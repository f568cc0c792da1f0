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

from parfocal.cli.lock_page import PageWishes
from parfocal.cli.lock_plan import Before, LockPlan, LockWishes
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
from parfocal.cli.source import Source
from parfocal.cli.terminal import progress, say, say_json
from parfocal.cli.verdict import say_summary, summary_json
from parfocal.errors import InputError

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
            help="How long to hold focus: by default 24 h, with --replay one minute. With --resume, of the "
            "whole run.",
        ),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            parser=positive, metavar="X", help="Simulated seconds per second, with --simulate; 1 if not said."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="The run record; its plot lies beside. By default run-DATE-TIME.sqlite.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Go on with a run that ended or was cut off, in its record: same model, same microscope, "
            "and all that is not said is as it was.",
        ),
    ] = None,
    keep_image_every: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="S",
            help="Keep a camera frame in the record so often, and when the state changes: every 600 s if not "
            "said; 0 keeps none.",
        ),
    ] = None,
    lowest_z: LowestZ = None,
    highest_z: HighestZ = None,
    largest_step: Annotated[
        float | None,
        typer.Option(
            metavar="UM", help="No single move is longer, toward the sample half of it; 5 if not said."
        ),
    ] = None,
    dead_band: Annotated[
        float | None,
        typer.Option(
            metavar="UM",
            help="No move within this of the target: by default 0.15, or more where the depth of field is.",
        ),
    ] = None,
    backlash: Annotated[
        float | None,
        typer.Option(
            min=0.0, metavar="UM", help="Motion of the drive that a change of direction loses; 0 if not said."
        ),
    ] = None,
    target: Annotated[
        float | None, typer.Option(metavar="UM", help="The defocus to hold; 0 if not said.")
    ] = None,
    frame_rate: Annotated[
        float | None, typer.Option(metavar="HZ", help="Frames per second; 20 if not said.")
    ] = None,
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
    quality: Annotated[
        Quality | None, typer.Option(help="Of the virtual microscope; ci if not said.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the virtual microscope; 0 if not said.")] = None,
    page: Annotated[
        bool, typer.Option(help="Show a live page in the browser, at the address that is printed.")
    ] = True,
    page_host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Where the page listens: at 127.0.0.1 for this computer alone, at 0.0.0.0 for others too.",
        ),
    ] = "127.0.0.1",
    page_port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="PORT", help="The next free one is taken where it is in use."),
    ] = 8642,
    page_token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN", help="What opens the page, of 8 characters or more; a fresh one if not said."
        ),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Is sent JSON when the focus is lost, found again, or the lock fails."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Holds the focus of a live, virtual or replayed microscope. Exit 0 only if it was held.

    With --config, --lowest-z and --highest-z are required, and no position outside is ever commanded.
    Ctrl-C stops the drive and closes the record. So does Stop on the page; to close the page does nothing.
    """
    if resume is not None and out is not None:
        raise InputError("Expected --out for a new run or --resume for one that is there, not both.")
    source = Source(config, simulate, replay, pixel_size=pixel_size, speed=speed, quality=quality, seed=seed)
    wishes = LockWishes(
        lowest_z, highest_z, largest_step, dead_band, backlash, target, frame_rate, self_check
    )
    shown = PageWishes(page, page_host, page_port, page_token, webhook)
    shown.check()
    before = Before.of(resume)
    source = source.or_as(before.facts.get("source", {}))
    source.check()
    record = resume or out or Path(time.strftime("run-%Y%m%d-%H%M%S.sqlite"))

    from parfocal.hold import figure_of
    from parfocal.model import FocusEstimator
    from parfocal.model.serving import index_of, ready_for

    estimator = FocusEstimator.load(model, rescale=rescale)
    rig = source.open(after=before.so_far)
    told = {
        "numerical_aperture": na or source.numerical_aperture,
        "immersion_index": source.immersion_index if immersion is None else index_of(immersion.value),
        "wavelength_um": wavelength or source.wavelength_um,
    }
    optics = {**before.facts.get("optics", {}), **{name: v for name, v in told.items() if v is not None}}
    ready = ready_for(estimator.header, pixel_size_um=rig.camera.pixel_size_um, **optics)
    plan = LockPlan(
        wishes=wishes,
        hours=hours or before.facts.get("hours") or (HOURS if source.replay is None else REPLAYED_HOURS),
        record=record,
        keep_image_every_s=keep_image_every,
        facts={"source": source.facts(), "optics": optics},
        depth_um=ready.served_optics.depth_um if ready.served_optics else None,
    )
    began_s = before.so_far.began_s if before.so_far else rig.clock.now_s()
    estimator = estimator.with_header(ready)
    onlookers = shown.onlookers(estimator, model=model, pixel_size_um=rig.camera.pixel_size_um)
    with _noticing_ctrl_c() as was_interrupted, progress() as tell:

        def watch(now: LockSnapshot) -> None:
            tell("lock", min(1.0, (now.t_s - began_s) / (3600 * plan.hours)), _words(now))

        hold = plan.hold if resume is None else plan.go_on
        summary = hold(rig, estimator, watch, onlookers)
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
