"""The verb ``acquire-run``."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parfocal.cli.options import (
    Aperture,
    Config,
    HighestZ,
    Immersed,
    Json,
    LowestZ,
    PixelSize,
    Quality,
    Rescale,
    Simulated,
    Wavelength,
    positive,
)
from parfocal.cli.source import Source, limits_of
from parfocal.cli.terminal import progress, say, say_json
from parfocal.errors import InputError

if TYPE_CHECKING:
    from parfocal.microscope import AcquisitionSummary


class FileFormat(StrEnum):
    """How images are written."""

    zarr = "zarr"
    tiff = "tiff"


class Policy(StrEnum):
    """What happens where a field cannot be brought into focus."""

    retry = "retry"
    skip = "skip"
    go_on = "continue"
    abort = "abort"


def acquire_run(
    sequence: Annotated[
        Path,
        typer.Argument(
            metavar="SEQUENCE.yaml", help="A useq sequence; settings of the focus under metadata: parfocal:."
        ),
    ],
    model: Annotated[
        Path,
        typer.Option("--model", metavar="MODEL", help="A model file, or bright-field, which ships with it."),
    ],
    config: Config = None,
    simulate: Simulated = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Of images and record; SEQUENCE-focused if not said."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder.")] = False,
    file_format: Annotated[
        FileFormat, typer.Option("--format", help="Of the images; tiff is whole only once all are taken.")
    ] = FileFormat.zarr,
    on_failure: Annotated[
        Policy | None,
        typer.Option(help="Where a field cannot be brought into focus; retry if neither says."),
    ] = None,
    lowest_z: LowestZ = None,
    highest_z: HighestZ = None,
    speed: Annotated[
        float | None,
        typer.Option(
            parser=positive, metavar="X", help="Simulated seconds per second, with --simulate; 1 if not said."
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
    as_json: Json = False,
) -> None:
    """Runs a whole useq experiment in focus. Exit 0 only if every image was taken in focus.

    With --config, --lowest-z and --highest-z are required, and no position outside is ever commanded: neither
    by the focus nor by the plan. A sequence without an autofocus plan is focused at every position and time
    point.
    """
    source = Source(config, simulate, pixel_size=pixel_size, speed=speed, quality=quality, seed=seed)
    source.check()

    from parfocal.microscope import AutofocusSettings, MicroManagerCamera, read_sequence, run_acquisition
    from parfocal.model import FocusEstimator
    from parfocal.model.serving import index_of, ready_for

    plan = read_sequence(sequence)
    folder = out or sequence.with_name(f"{sequence.stem}-focused")
    if not resume and folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty. Expected a new folder, or --resume to go on with it.")
    estimator = FocusEstimator.load(model, rescale=rescale)
    rig = source.open()
    assert isinstance(rig.camera, MicroManagerCamera)
    wishes = _table(plan.metadata.get("parfocal"), source=f"{sequence}, metadata: parfocal")
    limits = _table(wishes.pop("limits", None), source=f"{sequence}, metadata: parfocal: limits")
    lowest_z = limits.pop("lowest_z_um", None) if lowest_z is None else lowest_z
    highest_z = limits.pop("highest_z_um", None) if highest_z is None else highest_z
    limits = {**limits_of(rig, lowest_z, highest_z), **limits}
    if on_failure is not None:
        wishes["on_failure"] = on_failure.value
    settings = AutofocusSettings.parse({**wishes, "limits": limits}, source=f"{sequence}, metadata: parfocal")
    optics = {
        "numerical_aperture": na or source.numerical_aperture,
        "immersion_index": source.immersion_index if immersion is None else index_of(immersion.value),
        "wavelength_um": wavelength or source.wavelength_um,
    }
    known = {name: value for name, value in optics.items() if value is not None}
    ready = ready_for(estimator.header, pixel_size_um=rig.camera.pixel_size_um, **known)
    with progress() as tell:
        summary = run_acquisition(
            rig.camera.core,
            estimator.with_header(ready),
            plan,
            settings=settings,
            folder=folder,
            clock=rig.clock,
            pixel_size_um=rig.camera.pixel_size_um,
            facts={
                "source": source.facts(),
                "optics": known,
                "model_fingerprint": estimator.fingerprint,
                "settings": settings.model_dump(mode="json"),
            },
            file_format=file_format.value,
            resume=resume,
            watch=lambda n, of: tell("acquire", n / of, f"image {n} of {of}"),
        )
    if as_json:
        say_json({**asdict(summary), "all_in_focus": summary.all_in_focus})
    else:
        _say(summary)
    if not summary.all_in_focus:
        raise typer.Exit(1)


def _table(value: Any, *, source: str) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise InputError(f"{source}: expected names and values, got {value!r}.")
    return dict(value or {})


def _say(summary: AcquisitionSummary) -> None:
    verdict = "All images in focus" if summary.all_in_focus else "Not all images are in focus"
    say(
        f"{verdict}: {summary.n_images} taken, {summary.n_skipped} skipped, {summary.n_missing} not come to.",
        style="bold green" if summary.all_in_focus else "bold red",
    )
    say("  " + ", ".join(f"{n} {state}" for state, n in sorted(summary.states.items())))
    if summary.n_off:
        say(
            f"  {summary.n_off} images say that they were taken elsewhere than they were meant to be",
            style="red",
        )
    each = summary.n_looks / summary.n_visits if summary.n_visits else 0.0
    say(f"  {summary.n_looks} frames looked at, {each:.1f} for each position and time point")
    say(f"  {summary.folder}: {', '.join(summary.files)}, focus.sqlite")
