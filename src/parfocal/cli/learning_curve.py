"""The verb ``learning-curve``: whether to collect more z-stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from parfocal.cli.options import DatasetFolder, Json, positive
from parfocal.cli.terminal import progress, say, say_json, say_table

if TYPE_CHECKING:
    from parfocal.model.learning_curve import LearningCurve


def learning_curve(
    dataset: DatasetFolder,
    steps: Annotated[int | None, typer.Option(min=1, help="At most so many steps, each training.")] = None,
    minutes: Annotated[
        float | None, typer.Option(parser=positive, help="At most so many minutes, each training.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes, of one thread each.")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="A running Dask scheduler, tcp://HOST:PORT, instead of workers."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Whether more z-stacks would help: trains with a quarter, half and all of the training stacks, twice.

    Each time the error is that on the same validation stacks. The models are not kept.
    """
    from parfocal.data import Dataset
    from parfocal.model.learning_curve import learning_curve as learn

    with progress() as tell:
        curve = learn(
            Dataset.open(dataset),
            steps=steps,
            minutes=minutes,
            workers=workers,
            scheduler=scheduler,
            watch=lambda done, total: tell("train", done / total, f"{done} of {total} trainings"),
        )
    if as_json:
        say_json(
            {
                "points": [vars(point) for point in curve.points],
                "n_validation": curve.n_validation,
                "fell": curve.fell,
                "fell95": curve.fell95,
                "verdict": curve.verdict,
            }
        )
    else:
        say_curve(curve)


def say_curve(curve: LearningCurve) -> None:
    """Print a small table, and whether more stacks would help."""
    say_table(
        ("training stacks", "mean error (um)", "95 %"),
        [
            (str(point.n_stacks), f"{point.mae_um:.3f}", "{:.3f} to {:.3f}".format(*point.interval95_um))
            for point in curve.points
        ],
    )
    say(curve.verdict)
