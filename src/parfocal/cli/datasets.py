"""The verbs that make datasets: ``simulate`` and ``import``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parfocal.cli.options import MICROSCOPES, Aperture, Immersion, NewDataset, Quality, positive
from parfocal.cli.terminal import progress, say
from parfocal.errors import InputError

if TYPE_CHECKING:
    from parfocal.data import Dataset

VARIETY = "variety"


def simulate(
    dataset: NewDataset,
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Which virtual microscope: {MICROSCOPES}; or {VARIETY}, another one for each stack.",
        ),
    ] = "yeast-40x",
    quality: Annotated[Quality, typer.Option(help="How finely light is computed.")] = Quality.training,
    stacks: Annotated[int, typer.Option(help="Number of z-stacks, at least 3.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same stacks.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes, of one thread each.")] = 2,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="A running Dask scheduler, tcp://HOST:PORT, instead of workers."
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="Where light is computed: cpu, or cuda for a GPU.")
    ] = "cpu",
) -> None:
    """Z-stacks from the virtual microscope, annotated and split."""
    from parfocal.collect import simulate_dataset, simulate_variety
    from parfocal.data.split import PARTS
    from parfocal.optics import preset as find_preset

    simulate: Callable[..., Dataset]
    if preset != VARIETY:
        simulate = partial(simulate_dataset, settings=find_preset(preset, quality=quality.value))
    elif quality is Quality.training:
        simulate = simulate_variety
    else:
        raise InputError(f"Expected the quality training with --preset {VARIETY}, got {quality.value}.")
    with progress() as tell:
        made = simulate(
            dataset,
            n_stacks=stacks,
            seed=seed,
            workers=workers,
            scheduler=scheduler,
            device=device,
            watch=lambda done, total: tell("simulate", done / total, f"{done} of {total} z-stacks"),
        )
    parts = [row.part for row in made.split()]
    counted = ", ".join(f"{parts.count(part)} {part}" for part in PARTS if part in parts)
    say(f"{dataset}: {len(parts)} z-stacks ({counted})")


def import_(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE.csv",
            help="Columns path, stack, z_um; and perhaps plane, focus_z_um, experiment, part (train, "
            "validation, test, or reject for what must not be answered).",
        ),
    ],
    dataset: NewDataset,
    pixel_size: Annotated[
        float,
        typer.Option(parser=positive, metavar="UM", help="Side of a pixel in the sample, in um."),
    ],
    modality: Annotated[str, typer.Option(help="How the images were made.")] = "bright-field",
    wavelength: Annotated[
        float | None,
        typer.Option(parser=positive, metavar="UM", help="Mean wavelength in um, for depths of field."),
    ] = None,
    na: Aperture = None,
    magnification: Annotated[
        float | None, typer.Option(parser=positive, metavar="X", help="The objective's magnification.")
    ] = None,
    immersion: Annotated[Immersion, typer.Option(help="The objective's immersion.")] = Immersion.air,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, where the table does not tell it.")] = 0,
) -> None:
    """Existing image files with known z positions, as a dataset."""
    from parfocal.data import DatasetSettings, import_table

    settings = DatasetSettings.parse(
        {
            "name": dataset.absolute().name,
            "pixel_size_um": pixel_size,
            "modality": modality,
            "wavelength_um": wavelength,
            "objective": _objective(na, magnification, immersion),
        },
        source="the command's options",
    )
    with progress() as tell:
        made = import_table(
            table,
            dataset,
            settings=settings,
            seed=seed,
            progress=lambda done, total: tell("import", done / total, f"{done} of {total} z-stacks"),
        )
    annotated = len({row.stack for row in made.annotations()})
    say(f"{dataset}: {len(made.stack_ids())} z-stacks, {annotated} with their focus plane")


def _objective(
    na: float | None, magnification: float | None, immersion: Immersion
) -> dict[str, float] | None:
    from parfocal.model.serving import index_of

    if (na is None) != (magnification is None):
        raise InputError("Expected --na and --magnification together, or neither; got one of them.")
    if na is None or magnification is None:
        return None
    return {
        "numerical_aperture": na,
        "magnification": magnification,
        "immersion_index": index_of(immersion.value),
    }
