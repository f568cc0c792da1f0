"""The command line: one verb per stage; each parses, calls the library, prints.

Verbs import what they need when they run: torch and Micro-Manager take seconds, and ``--help`` should not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from parfocal.errors import InputError, ParfocalError

if TYPE_CHECKING:
    from parfocal.control import LockSummary
    from parfocal.hold import Rig
    from parfocal.model import Recipe
    from parfocal.model.estimate_images import ImageEstimate

app = typer.Typer(
    help="Learn microscope focus from z-stacks, then hold it from single images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
runs = typer.Typer(help="Read and export the records of focus locks.", no_args_is_help=True)
app.add_typer(runs, name="runs")
out_console = Console()
err_console = Console(stderr=True)

INTERRUPTED = 130
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]
PixelSize = Annotated[
    float | None, typer.Option("--pixel-size", metavar="UM", help="Side of a pixel in the sample, in um.")
]


class Quality(StrEnum):
    """How finely the virtual microscope computes light."""

    ci = "ci"
    training = "training"
    benchmark = "benchmark"


class Immersion(StrEnum):
    """What is between objective and coverslip."""

    air = "air"
    water = "water"
    oil = "oil"


def main() -> None:
    """Runs the command line: exit 0 on success, 2 on bad input, 1 on failure, 130 when interrupted."""
    try:
        app()
    except InputError as error:
        _fail(str(error), code=2)
    except ParfocalError as error:
        _fail(str(error), code=1)
    except KeyboardInterrupt:
        _fail("interrupted", code=INTERRUPTED)


def _fail(message: str, *, code: int) -> None:
    err_console.print(f"[bold red]parfocal:[/] {_escape(message)}", soft_wrap=True, highlight=False)
    sys.exit(code)


def _escape(text: str) -> str:
    return text.replace("[", r"\[")


@contextmanager
def _progress() -> Iterator[Callable[[str, float, str], None]]:
    """A bar for each step of a long job, on the error stream; told (name, fraction done, words)."""
    columns = (
        TextColumn("[bold]{task.description:<9}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=err_console) as bars:
        tasks = {}

        def tell(name: str, fraction: float, words: str) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=1.0, words="")
            bars.update(tasks[name], completed=fraction, words=words)

        yield tell


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything; an earlier demo's is replaced.")] = Path(
        "demo"
    ),
) -> None:
    """The whole story on the virtual microscope: simulate, train, evaluate, lock for 24 simulated hours."""
    from parfocal.demo import run_demo

    with _progress() as tell:
        result = run_demo(out, progress=tell)
    metrics, lock_summary = result.metrics, result.lock
    baselines = {k: v["mae_um"] for k, v in metrics["baselines"].items() if "oracle" not in k}
    best = min(baselines, key=lambda name: baselines[name])
    out_console.print(
        f"Focus from one image: mean error {metrics['mae_um']:.2f} um on {metrics['n_stacks']} unseen stacks "
        f"({100 * metrics['within_1um']:.0f} % within 1 um); best classical measure: "
        f"{best}, {baselines[best]:.2f} um."
    )
    _print_summary(lock_summary)
    for name, path in result.files.items():
        out_console.print(f"  {name:14} {path}", highlight=False)
    if not lock_summary.held:
        raise typer.Exit(1)


@app.command()
def simulate(
    dataset: Annotated[Path, typer.Argument(help="Folder of the new dataset.")],
    preset: Annotated[str, typer.Option(help="Which virtual microscope.")] = "yeast-40x",
    quality: Annotated[Quality, typer.Option(help="How finely light is computed.")] = Quality.training,
    stacks: Annotated[int, typer.Option(help="Number of z-stacks.")] = 24,
    seed: Annotated[int, typer.Option(help="The same seed gives the same stacks.")] = 0,
    workers: Annotated[int, typer.Option(help="Worker processes, of one thread each.")] = 2,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A running Dask scheduler, tcp://HOST:PORT.")
    ] = None,
) -> None:
    """Z-stacks from the virtual microscope, annotated and split."""
    from parfocal.collect import simulate_dataset
    from parfocal.optics import preset as find_preset

    settings = find_preset(preset, quality=quality.value)
    with _progress() as tell:
        made = simulate_dataset(
            dataset,
            settings,
            n_stacks=stacks,
            seed=seed,
            workers=workers,
            scheduler=scheduler,
            watch=lambda done, total: tell("simulate", done / total, f"{done} of {total} z-stacks"),
        )
    parts = [row.part for row in made.split()]
    counted = ", ".join(f"{parts.count(part)} {part}" for part in ("train", "validation", "test"))
    out_console.print(f"{dataset}: {stacks} z-stacks ({counted})", highlight=False)


@app.command("import")
def import_(
    table: Annotated[
        Path, typer.Argument(help="CSV: path, stack, z_um; optional plane, focus_z_um, experiment, part.")
    ],
    dataset: Annotated[Path, typer.Argument(help="Folder of the new dataset.")],
    pixel_size: Annotated[
        float, typer.Option("--pixel-size", metavar="UM", help="Side of a pixel in the sample, in um.")
    ],
    modality: Annotated[str, typer.Option(help="How the images were made.")] = "bright-field",
    wavelength: Annotated[
        float | None, typer.Option(metavar="UM", help="Mean wavelength in um, for depths of field.")
    ] = None,
    na: Annotated[float | None, typer.Option(metavar="NA", help="The objective's aperture.")] = None,
    magnification: Annotated[float | None, typer.Option(help="The objective's magnification.")] = None,
    immersion: Annotated[Immersion, typer.Option(help="The objective's immersion.")] = Immersion.air,
    seed: Annotated[int, typer.Option(help="Of the split, where the table has no column 'part'.")] = 0,
) -> None:
    """Existing image files with known z positions, as a dataset."""
    from parfocal.data import DatasetSettings, ObjectiveRecord, import_table
    from parfocal.model.estimate_images import IMMERSION_INDEX

    if (na is None) != (magnification is None):
        raise InputError("Expected --na and --magnification together, or neither.")
    objective = None
    if na is not None and magnification is not None:
        values = {
            "numerical_aperture": na,
            "magnification": magnification,
            "immersion_index": IMMERSION_INDEX[immersion.value],
        }
        objective = ObjectiveRecord.parse(values, source="the objective's options").model_dump()
    settings = DatasetSettings.parse(
        {
            "name": dataset.name,
            "pixel_size_um": pixel_size,
            "modality": modality,
            "wavelength_um": wavelength,
            "objective": objective,
        },
        source="the command's options",
    )
    with _progress() as tell:
        made = import_table(
            table,
            dataset,
            settings=settings,
            seed=seed,
            progress=lambda done, total: tell("import", done / total, f"{done} of {total} z-stacks"),
        )
    out_console.print(f"{dataset}: {len(made.stack_ids())} z-stacks", highlight=False)


@app.command()
def train(
    dataset: Annotated[Path, typer.Argument(help="A dataset with annotations and a split.")],
    out: Annotated[Path, typer.Option(help="The model file, .safetensors.")],
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME-or-FILE", help="By default the best known for the dataset.")
    ] = None,
    init: Annotated[Path | None, typer.Option(metavar="MODEL", help="Weights to start from.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="At most so many steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="At most so many minutes.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights and batches.")] = None,
) -> None:
    """A focus model from a dataset."""
    from parfocal.data import Dataset
    from parfocal.model import build_network, count_parameters
    from parfocal.model import train as train_model

    opened = Dataset.open(dataset)
    chosen = _recipe(opened, recipe, steps=steps, minutes=minutes, seed=seed)
    network = build_network(chosen.network, n_bins=chosen.bins.count)
    out_console.print(
        f"{chosen.network.architecture}: {count_parameters(network):,} parameters, "
        f"{chosen.bins.count} bins of {chosen.bins.width_um:g} um, pixels of {chosen.sampling.pixel_size_um:g} um",
        highlight=False,
    )
    try:
        with _progress() as tell:
            header = train_model(
                opened,
                out=out,
                recipe=chosen,
                init=init,
                resume=resume,
                watch=lambda p: tell(
                    "train",
                    p.fraction,
                    f"step {p.step}, loss {p.loss:.3f}"
                    + (f", validation error {p.validation_mae_um:.3f} um" if p.validation_mae_um else ""),
                ),
            )
    except KeyboardInterrupt:
        err_console.print("Stopped. A checkpoint is saved; go on with the same command and --resume.")
        raise
    if header.calibrated_on == "train":
        err_console.print(
            "No validation stacks: the intervals were measured on training stacks and are too narrow.",
            style="yellow",
        )
    out_console.print(
        f"{out}: mean error {header.metrics['mae_um']:.3f} um on the {header.calibrated_on} stacks",
        highlight=False,
    )


def _recipe(
    dataset: object, name: str | None, *, steps: int | None, minutes: float | None, seed: int | None
) -> Recipe:
    from parfocal.data import Dataset
    from parfocal.model import default_recipe, load_recipe

    assert isinstance(dataset, Dataset)
    if name is not None:
        recipe = load_recipe(name)
    else:
        recipe = default_recipe([(dataset.read(s), dataset.focus_z_um(s)) for s in dataset.ids_in("train")])
    changes = {"steps": steps, "minutes": minutes, "seed": seed}
    given = {key: value for key, value in changes.items() if value is not None}
    return recipe.replace(training=recipe.training.replace(**given).model_dump())


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A model file.")],
    dataset: Annotated[Path, typer.Argument(help="A dataset with annotations and a split.")],
    out: Annotated[Path, typer.Option(help="Folder for metrics.json, report.html and figures.")],
    part: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
) -> None:
    """Accuracy on stacks the model never saw, beside classical focus measures."""
    from parfocal.data import Dataset
    from parfocal.evaluation.evaluate import evaluate as evaluate_model
    from parfocal.model import FocusEstimator

    estimator = FocusEstimator.load(model)
    with _progress() as tell:
        metrics = evaluate_model(
            estimator,
            Dataset.open(dataset),
            out=out,
            part=part,
            progress=lambda done, total: tell("evaluate", done / total, f"{done} of {total} z-stacks"),
        )
    table = Table(title=f"{metrics['n_images']} images of {metrics['n_stacks']} {part} stacks")
    for column in ("", "mean error (um)", "within 1 um", "wrong sign"):
        table.add_column(column, justify="left" if not column else "right")
    for name, block in {"this model": metrics, **metrics["baselines"]}.items():
        wrong = "-" if block["wrong_sign_rate"] is None else f"{100 * block['wrong_sign_rate']:.1f} %"
        error = "-" if block["mae_um"] is None else f"{block['mae_um']:.3f}"
        within = "-" if block["within_1um"] is None else f"{100 * block['within_1um']:.1f} %"
        table.add_row(name.replace("_", " "), error, within, wrong)
    out_console.print(table)
    out_console.print(f"{out / 'report.html'}", highlight=False)


@app.command()
def estimate(
    model: Annotated[str, typer.Argument(help="A model file.")],
    images: Annotated[list[Path], typer.Argument(help="Images; every plane of each is estimated.")],
    pixel_size: PixelSize = None,
    na: Annotated[float | None, typer.Option(metavar="NA", help="The objective's aperture.")] = None,
    immersion: Annotated[Immersion | None, typer.Option(help="The objective's immersion.")] = None,
    rescale: Annotated[
        bool, typer.Option("--rescale", help="Take images of another pixel size than the model's.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Defocus of single images, and of every plane of a stack."""
    from parfocal.model import FocusEstimator
    from parfocal.model.estimate_images import check_optics, estimate_images

    estimator = FocusEstimator.load(model, rescale=rescale)
    check_optics(
        estimator.header, numerical_aperture=na, immersion=None if immersion is None else immersion.value
    )
    rows = estimate_images(estimator, images, pixel_size_um=pixel_size)
    if as_json:
        for row in rows:
            print(json.dumps(row.as_json()))
    else:
        out_console.print(_estimate_table(list(rows)))


def _estimate_table(rows: list[ImageEstimate]) -> Table:
    table = Table()
    for column in ("image", "plane", "z (um)", "defocus (um)", "90 % interval (um)", "familiar"):
        table.add_column(column, justify="left" if column == "image" else "right")
    for row in rows:
        low, high = row.interval90_um
        table.add_row(
            Path(row.path).name,
            str(row.plane),
            "-" if row.z_um is None else f"{row.z_um:.2f}",
            "cannot tell" if row.defocus_um is None else f"{row.defocus_um:+.2f}",
            f"{low:+.2f} to {high:+.2f}" if row.accepted else "-",
            f"{row.in_distribution:.2f}",
        )
    return table


@app.command()
def lock(
    model: Annotated[str, typer.Argument(help="A model file.")],
    config: Annotated[
        Path | None, typer.Option(metavar="MM.cfg", help="A Micro-Manager configuration.")
    ] = None,
    simulate: Annotated[
        str | None, typer.Option(metavar="PRESET", help="A virtual microscope with drift and growth.")
    ] = None,
    replay: Annotated[Path | None, typer.Option(metavar="STACK", help="A recorded z-stack.")] = None,
    hours: Annotated[float, typer.Option(help="How long to hold focus.")] = 24.0,
    speed: Annotated[float, typer.Option(help="Simulated seconds per real second.")] = 1.0,
    out: Annotated[Path, typer.Option(help="The run record; its plot lies beside.")] = Path("run.sqlite"),
    lowest_z: Annotated[
        float | None, typer.Option(metavar="UM", help="The drive never goes below this position.")
    ] = None,
    highest_z: Annotated[
        float | None, typer.Option(metavar="UM", help="The drive never goes above this position.")
    ] = None,
    largest_step: Annotated[float, typer.Option(metavar="UM", help="No single move is longer.")] = 5.0,
    dead_band: Annotated[float, typer.Option(metavar="UM", help="No move within this of the target.")] = 1.0,
    target: Annotated[float, typer.Option(metavar="UM", help="The defocus to hold.")] = 0.0,
    frame_rate: Annotated[float, typer.Option(metavar="HZ", help="Frames per second.")] = 20.0,
    pixel_size: PixelSize = None,
    rescale: Annotated[
        bool, typer.Option("--rescale", help="Take images of another pixel size than the model's.")
    ] = False,
    quality: Annotated[Quality, typer.Option(help="Of the virtual microscope.")] = Quality.ci,
    seed: Annotated[int, typer.Option(help="Of the virtual microscope.")] = 0,
    as_json: Json = False,
) -> None:
    """Holds the focus of a live, virtual or replayed microscope. Exit 0 only if it was held."""
    from parfocal.control import LockSettings
    from parfocal.hold import hold_focus
    from parfocal.model import FocusEstimator

    estimator = FocusEstimator.load(model, rescale=rescale)
    rig = _rig(config, simulate, replay, pixel_size=pixel_size, speed=speed, quality=quality, seed=seed)
    values = {
        "limits": _limits(rig, lowest_z, highest_z, largest_step, is_real=config is not None),
        "frame_rate_hz": frame_rate,
        "controller": {"target_um": target, "dead_band_um": dead_band},
    }
    settings = LockSettings.parse(values, source="the command's options")
    with _progress() as tell:
        summary = hold_focus(
            rig,
            estimator,
            settings=settings,
            hours=hours,
            record=out,
            watch=lambda s: tell(
                "lock",
                s.t_s / (3600 * hours),
                f"{s.t_s / 3600:.2f} h, {s.state}, stage {s.z_um:.2f} um, defocus {s.belief_um:+.2f} um",
            ),
        )
    if as_json:
        print(json.dumps(_summary_json(summary)))
    else:
        _print_summary(summary)
        out_console.print(f"{out}\n{out.with_suffix('.png')}", highlight=False)
    if not summary.held:
        raise typer.Exit(1)


def _rig(
    config: Path | None,
    simulate: str | None,
    replay: Path | None,
    *,
    pixel_size: float | None,
    speed: float,
    quality: Quality,
    seed: int,
) -> Rig:
    from parfocal.hold import micromanager_rig, replay_rig, simulated_rig
    from parfocal.optics import preset

    if sum(choice is not None for choice in (config, simulate, replay)) != 1:
        raise InputError("Expected exactly one of --config, --simulate and --replay.")
    if simulate is not None:
        return simulated_rig(preset(simulate, quality=quality.value), seed=seed, speed=speed)
    if speed != 1:
        raise InputError("Expected --speed with --simulate only: real time cannot be hurried.")
    return micromanager_rig(config, pixel_size_um=pixel_size) if config else replay_rig(replay or Path())


def _limits(
    rig: Rig, lowest_z: float | None, highest_z: float | None, largest_step: float, *, is_real: bool
) -> dict[str, float]:
    if is_real and (lowest_z is None or highest_z is None):
        raise InputError(
            "Expected --lowest-z and --highest-z, where the drive may go: only you know where the slide is. "
            f"It stands at {rig.drive.position_um():g} um now."
        )
    here = rig.drive.position_um()
    return {
        "lowest_z_um": here - 60 if lowest_z is None else lowest_z,
        "highest_z_um": here + 60 if highest_z is None else highest_z,
        "largest_step_um": largest_step,
    }


@runs.command("show")
def runs_show(run: Annotated[Path, typer.Argument(help="A run record.")], as_json: Json = False) -> None:
    """How a focus lock went."""
    from parfocal.control import LockSettings, RunLog, summarise

    record = RunLog.open(run)
    settings = LockSettings.parse(record.settings()["lock"], source=str(run))
    summary = summarise(
        record.snapshots(), target_um=settings.controller.target_um, tolerance_um=settings.tolerance_um
    )
    if as_json:
        print(json.dumps({**_summary_json(summary), "model_fingerprint": record.model_fingerprint}))
        return
    out_console.print(f"{record.settings()['rig']}, model {record.model_fingerprint}", highlight=False)
    _print_summary(summary)
    for event in record.events():
        out_console.print(f"  {event.t_s / 3600:7.2f} h  {_escape(event.text)}", highlight=False)


@runs.command("export")
def runs_export(
    run: Annotated[Path, typer.Argument(help="A run record.")],
    out: Annotated[Path, typer.Option(help="The table, .csv.")],
) -> None:
    """Every frame of a run as a table."""
    from parfocal.control import RunLog

    RunLog.open(run).export_csv(out)
    out_console.print(str(out), highlight=False)


def _summary_json(summary: LockSummary) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(summary)


def _print_summary(summary: LockSummary) -> None:
    verdict = "[bold green]Focus held[/]" if summary.held else "[bold red]Focus was lost[/]"
    lines = [
        f"{verdict} for {summary.hours:.2f} h over {summary.stage_travel_um:.1f} um of stage travel: "
        f"{summary.n_frames} frames, {summary.n_moves} moves, {summary.losses} losses."
    ]
    if summary.residual_rms_um is not None:
        lines.append(
            f"Residual defocus {summary.residual_rms_um:.2f} um RMS, {summary.residual_largest_um:.2f} um at "
            f"most; {100 * summary.within_tolerance:.1f} % of frames within tolerance."
        )
    if summary.fault:
        lines.append(f"[red]Ended by a fault:[/] {_escape(summary.fault)}")
    for line in lines:
        out_console.print(line, highlight=False)


if __name__ == "__main__":
    main()
