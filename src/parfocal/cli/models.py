"""The verbs that make and use models: ``train``, ``calibrate`` and ``estimate``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from parfocal.cli.options import (
    Aperture,
    Config,
    DatasetFolder,
    HighestZ,
    Immersed,
    Json,
    LowestZ,
    Model,
    PixelSize,
    Rescale,
    Simulated,
    Wavelength,
    positive,
)
from parfocal.cli.source import Source, limits_of
from parfocal.cli.terminal import note, progress, say, say_json, say_table
from parfocal.errors import InputError

if TYPE_CHECKING:
    from parfocal.data import DatasetSettings
    from parfocal.model import ModelHeader, Recipe, TrainingProgress
    from parfocal.model.estimate_images import ImageEstimate
    from parfocal.zstack import ZStack

Size = Literal["tiny", "default", "large"]
WAITING = 0.05
"""A training that waits for data more of its time than this says so."""
FORESEEN_FROM = 0.02
"""Part of a training after which its end can be foreseen: the first steps prepare data for later ones."""


def train(
    dataset: DatasetFolder,
    out: Annotated[Path, typer.Option(metavar="MODEL", dir_okay=False, help="The model file, .safetensors.")],
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME-or-FILE", help="By default the best known for the dataset.")
    ] = None,
    size: Annotated[
        Size, typer.Option(help="Of the network: tiny for small processors, large for fast ones.")
    ] = "default",
    init: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Weights to start from, or none. By default a shipped model that knows such microscopes.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="At most so many steps.")] = None,
    minutes: Annotated[float | None, typer.Option(parser=positive, help="At most so many minutes.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights and batches.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="By default one: more help only where nothing else runs.")
    ] = None,
    devices: Annotated[
        int, typer.Option(min=1, help="Devices of each machine: GPUs, or processes where there is none.")
    ] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines; each runs this command.")] = 1,
    memory: Annotated[
        float,
        typer.Option(parser=positive, metavar="GIB", help="Images to hold; more lie on disk meanwhile."),
    ] = 4.0,
) -> None:
    """A focus model from a dataset. Ctrl-C keeps a checkpoint, from which --resume goes on.

    Ends before its plan of steps and minutes when the error on the validation stacks has settled.
    """
    from parfocal.data import Dataset
    from parfocal.model import find_model, load_recipe, starting_model, use_threads
    from parfocal.model import train as train_model
    from parfocal.model.placement import is_leader
    from parfocal.model.training_job import stopped_recipe

    if threads is not None:
        use_threads(threads)

    if recipe is not None and size != "default":
        raise InputError("Expected --recipe or --size, not both: a recipe says how large its network is.")
    if init not in (None, "none") and size != "default":
        raise InputError("Expected --size or --init MODEL, not both: a model says how large its network is.")
    changes = {"steps": steps, "minutes": minutes, "seed": seed}
    named = None if recipe is None else load_recipe(recipe)
    if resume and recipe is None:
        named = stopped_recipe(out)
    collected = Dataset.open(dataset)
    if init is None:
        start = starting_model(collected) if named is None and size == "default" else None
    else:
        start = None if init == "none" else find_model(init)
    last: TrainingProgress | None = None

    def watch(at: TrainingProgress) -> None:
        nonlocal last
        last = at
        if is_leader():
            tell(at.what, at.fraction, _words(at, now=datetime.now()))

    try:
        with progress() as tell:
            header = train_model(
                collected,
                out=out,
                recipe=partial(_told_recipe, named, size, start, changes, resume, collected.settings),
                init=start,
                resume=resume,
                devices=devices,
                nodes=nodes,
                memory_gib=memory,
                watch=watch,
            )
    except KeyboardInterrupt:
        if last:
            note("Stopped. A checkpoint is kept; go on with the same command and --resume.")
        raise
    if not is_leader():
        return
    if header.calibrated_on == "train":
        note("No validation stacks: the intervals were measured on training stacks and are too narrow.")
    waited = f"; waited for data {last.waiting:.0%} of the time" if last and last.waiting > WAITING else ""
    if last is None:
        note(
            f"Nothing was left to do: the checkpoint has all of {header.steps} steps. --steps asks for more."
        )
    if kept := header.kept_of_start:
        note(f"The model keeps {kept:.0%} of what it started from, for days that no stack shows.")
    error_um = header.metrics["mae_um"]
    say(f"{out}: mean error {error_um:.3f} um on the {header.calibrated_on} stacks{waited}")


def _words(at: TrainingProgress, *, now: datetime) -> str:
    words = [f"step {at.step}", f"loss {at.loss:.2f}"]
    if at.validation_mae_um is not None:
        words.append(f"error {at.validation_mae_um:.2f} um{', settled' if at.is_settled else ''}")
    if at.fraction < FORESEEN_FROM:
        return ", ".join(words)
    # Not seconds left: where a bar is shown, it counts them.
    day = "%H:%M" if at.left_s < 12 * 3600 else "%a %H:%M"
    return ", ".join([*words, f"ends at {now + timedelta(seconds=at.left_s):{day}}"])


def _told_recipe(
    named: Recipe | None,
    size: Size,
    start: Path | None,
    changes: dict[str, Any],
    resume: bool,
    settings: DatasetSettings,
    stacks: list[tuple[ZStack, float]],
) -> Recipe:
    """The recipe of a training, after saying what network it makes."""
    from parfocal.model import build_network, count_parameters, default_recipe, inheritance_of
    from parfocal.model.placement import is_leader

    recipe = named or default_recipe(stacks, size=size, inherits=inheritance_of(start, settings))
    given = {key: value for key, value in changes.items() if value is not None}
    recipe = recipe.replace(training=recipe.training.replace(**given))
    network = build_network(recipe.network, n_bins=recipe.bins.count)
    source = (
        "goes on from its checkpoint" if resume else f"starts from {start.stem if start else 'fresh weights'}"
    )
    if is_leader():
        say(
            f"{recipe.network.architecture}: {count_parameters(network):,} parameters, "
            f"{recipe.bins.count} bins of {recipe.bins.width_um:g} um, "
            f"pixels of {recipe.sampling.pixel_size_um:g} um; {source}"
        )
    return recipe


def calibrate(
    model: Model,
    out: Annotated[Path, typer.Option(metavar="MODEL", dir_okay=False, help="The new model file.")],
    stacks: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATASET-or-STACK]", help="Annotated stacks, or one stack as OME-TIFF; or none, live."
        ),
    ] = None,
    focus: Annotated[
        float | None,
        typer.Option(metavar="UM", help="Stage position in focus, of a stack; without it, scale only."),
    ] = None,
    config: Config = None,
    simulate: Simulated = None,
    lowest_z: LowestZ = None,
    highest_z: HighestZ = None,
    pixel_size: PixelSize = None,
    na: Aperture = None,
    immersion: Immersed = None,
    wavelength: Wavelength = None,
    rescale: Rescale = False,
) -> None:
    """Fits a model to one microscope: scale and offset of its answers, from one stack or a few.

    Of a dataset, the annotated stacks are used, those of its test part left aside; it tells its objective
    itself. With --config or --simulate it needs no stack: nine small moves about where the drive stands give
    the scale, and the drive goes back; if one fails, it stops where it is.
    """
    from parfocal.model import load_model
    from parfocal.model.one_stack import fit_to_microscope
    from parfocal.model.serving import index_of, ready_for

    if (stacks is None) == (config is None and simulate is None):
        got = "both" if stacks else "neither"
        raise InputError(
            f"Expected either stacks, or a live microscope by --config or --simulate; got {got}."
        )
    if stacks is None and focus is not None:
        raise InputError("Expected --focus with one stack only: live moves give the scale. Leave it out.")
    if stacks and (lowest_z, highest_z, pixel_size) != (None, None, None):
        raise InputError(
            "Expected --lowest-z, --highest-z and --pixel-size with --config only. Leave them out."
        )
    if stacks and stacks.is_dir() and (na, immersion, wavelength) != (None, None, None):
        raise InputError(
            "Expected --na, --immersion and --wavelength with one stack only; a dataset tells them in its "
            "dataset.toml. Leave them out."
        )
    source = Source(config, simulate, pixel_size=pixel_size)

    def told(header: ModelHeader, pixel_size_um: float) -> ModelHeader:
        return ready_for(
            header,
            pixel_size_um=pixel_size_um,
            numerical_aperture=na or source.numerical_aperture,
            immersion_index=index_of(immersion.value) if immersion else source.immersion_index,
            wavelength_um=wavelength or source.wavelength_um,
        )

    def planes_about_here() -> ZStack:
        from parfocal.control import LimitSettings
        from parfocal.live_stack import live_stack

        source.check()
        rig = source.open()
        ready = told(load_model(model)[0], rig.camera.pixel_size_um)
        limits = LimitSettings.parse(limits_of(rig, lowest_z, highest_z), source="the command's options")
        return live_stack(rig, limits=limits, step_um=ready.answer_bins.width_um)

    with progress() as tell:
        fit = fit_to_microscope(
            model,
            stacks or planes_about_here(),
            out=out,
            focus_z_um=focus,
            rescale=rescale,
            told=told,
            progress=lambda done, total: tell("calibrate", done / total, f"{done} of {total} z-stacks"),
        )
    offset = f" {fit.offset_um:+.3f} um" if fit.knows_focus else ""
    say(f"defocus = {fit.scale:.3f} x answer{offset}, residual {fit.residual_um:.3f} um")
    what = "error" if fit.knows_focus else "distance from the line"
    how = "each stack by the others' line" if fit.is_held_out else "on the same stack"
    say(
        f"{out}: mean {what} {fit.mae_before_um:.3f} um before, {fit.mae_after_um:.3f} um after, {how}; "
        f"{fit.n_frames} frames of {fit.n_stacks} stack{'s' if fit.n_stacks > 1 else ''}"
    )
    if not fit.knows_focus:
        say_it = "Say it with --focus UM, or annotate the stacks." if stacks else "Only a stack can tell it."
        note(f"Scale only: nobody said what is in focus. {say_it}")
    if fit.mae_after_um > fit.mae_before_um:
        note("The errors grew: what differs from stack to stack is no scale and no offset. Train instead.")


def estimate(
    model: Model,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Images; every plane of each is estimated.")
    ],
    pixel_size: PixelSize = None,
    na: Aperture = None,
    immersion: Immersed = None,
    wavelength: Wavelength = None,
    rescale: Rescale = False,
    draw_map: Annotated[
        bool, typer.Option("--map", help="Draw the defocus of each part of an image over it.")
    ] = False,
    out: Annotated[Path, typer.Option(metavar="PNG", help="Where --map draws; several are numbered.")] = Path(
        "defocus-map.png"
    ),
    as_json: Json = False,
) -> None:
    """Defocus of single images, and of every plane of a stack.

    Negative is below focus, toward the coverslip; the move that restores focus is the negative of it.
    bright-field needs to know the objective: --na, and --immersion if it is not air.
    """
    from parfocal.evaluation.map_figure import check_figure_name, draw_maps
    from parfocal.model import FocusEstimator
    from parfocal.model.estimate_images import estimate_images, pixel_size_of
    from parfocal.model.serving import index_of, is_of_many, ready_for

    estimator = FocusEstimator.load(model, rescale=rescale)
    ready = ready_for(
        estimator.header,
        pixel_size_um=pixel_size_of(images[0], pixel_size) if is_of_many(estimator.header) else None,
        numerical_aperture=na,
        immersion_index=None if immersion is None else index_of(immersion.value),
        wavelength_um=wavelength,
    )
    estimator = estimator.with_header(ready)
    if draw_map:
        check_figure_name(out)
    rows = estimate_images(estimator, images, pixel_size_um=pixel_size)
    if as_json:
        for row in rows:
            say_json(row.as_json())
    else:
        _say_estimates(rows)
    if draw_map:
        for path in draw_maps(estimator, images, out=out, pixel_size_um=pixel_size):
            (note if as_json else say)(str(path))


def _say_estimates(rows: Iterable[ImageEstimate]) -> None:
    done: list[tuple[str, ...]] = []
    try:
        done.extend(_estimate_row(row) for row in rows)
    finally:  # one bad file does not cost the answers before it
        if done:
            columns = ("image", "plane", "z (um)", "defocus (um)", "90 % interval (um)", "familiar")
            say_table(columns, done)


def _estimate_row(row: ImageEstimate) -> tuple[str, ...]:
    low, high = row.interval90_um
    return (
        row.path,
        str(row.plane),
        "-" if row.z_um is None else f"{row.z_um:.2f}",
        "cannot tell" if row.defocus_um is None else f"{row.defocus_um:+.2f}",
        f"{low:+.2f} to {high:+.2f}" if row.accepted else "-",
        f"{row.in_distribution:.2f}",
    )
