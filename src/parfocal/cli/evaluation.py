"""The verb ``evaluate``: how good a model is on stacks kept aside, and whether another is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parfocal.cli.options import DatasetFolder, Model
from parfocal.cli.terminal import progress, say, say_table
from parfocal.errors import InputError

if TYPE_CHECKING:
    from parfocal.data import Dataset
    from parfocal.model import FocusEstimator

COMPARED = "compared"
"""Folder beside the report for that of the other model."""


def evaluate(
    model: Model,
    dataset: DatasetFolder,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for metrics.json, report.html and figures.")
    ],
    part: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL-or-DIR",
            help="Another model to test on the same images, or the folder of its evaluation.",
        ),
    ] = None,
) -> None:
    """Accuracy on one part of a dataset, beside classical measures; on the test part, stacks never seen.

    With --compare, a second model too, and whether it errs less: compare.json and compare.html.
    """
    from parfocal.data import Dataset
    from parfocal.evaluation.baselines import leading

    opened = Dataset.open(dataset)
    ours, theirs = _ready(model, opened), None if compare is None else _other(compare, opened, out=out)
    with progress() as tell:
        metrics = _evaluated(ours, opened, out=out, part=part, tell=partial(tell, "evaluate"))
        if theirs is not None:
            _evaluated(theirs, opened, out=out / COMPARED, part=part, tell=partial(tell, "compare"))
    say(f"{metrics['n_images']} images of {metrics['n_stacks']} {part} stacks")
    answered = {**metrics["accepted"], "accepted_rate": None}
    baselines = leading(metrics["baselines"])
    blocks = {"this model": metrics, "where answered": answered, **baselines}
    say_table(
        ("", "mean error (um)", "within 1 um", "wrong sign", "answered"),
        [_accuracy_row(name, block) for name, block in blocks.items()],
    )
    if len(baselines) < len(metrics["baselines"]):
        say("These classical measures err least; all are in the report.")
    say(str(out / "report.html"))
    if compare is not None:
        _say_comparison(out, compare if theirs is None else out / COMPARED)


def _ready(model: Path, dataset: Dataset) -> tuple[str, FocusEstimator]:
    """What to call a model, and the model, ready for a dataset."""
    from parfocal.model import FocusEstimator
    from parfocal.model.serving import ready_for_dataset

    estimator = FocusEstimator.load(model)
    ready = estimator.with_header(ready_for_dataset(estimator.header, dataset.settings))
    return model.name.removesuffix(".safetensors"), ready


def _other(compare: Path, dataset: Dataset, *, out: Path) -> tuple[str, FocusEstimator] | None:
    """The model to compare with; None for the folder of an evaluation, after a look into it."""
    from parfocal.evaluation.report import read_metrics

    if not compare.is_dir():
        return _ready(compare, dataset)
    if compare.resolve() == out.resolve():
        raise InputError(
            f"{compare}: expected --compare with another folder than --out, which is written anew."
        )
    read_metrics(compare)
    return None


def _evaluated(
    named: tuple[str, FocusEstimator],
    dataset: Dataset,
    *,
    out: Path,
    part: str,
    tell: Callable[[float, str], None],
) -> dict[str, Any]:
    from parfocal.evaluation.evaluate import evaluate as evaluate_model

    name, estimator = named
    return evaluate_model(
        estimator,
        dataset,
        out=out,
        part=part,
        name=name,
        progress=lambda done, total: tell(done / total, f"{done} of {total} z-stacks"),
    )


def _say_comparison(out: Path, other: Path) -> None:
    from parfocal.evaluation.comparison_report import compare, comparison_verdict

    found = compare(out, other, out=out)
    names = f"A is {found['a']['name']}, B is {found['b']['name']}."
    say(f"{names} {comparison_verdict(found['difference'])}".replace("µm", "um"))
    say(str(out / "compare.html"))


def _accuracy_row(name: str, block: Mapping[str, Any]) -> tuple[str, ...]:
    cells = (
        (block["mae_um"], ".3f"),
        (block["within_1um"], ".1%"),
        (block["wrong_sign_rate"], ".1%"),
        (block["accepted_rate"], ".1%"),
    )
    return (name.replace("_", " "), *("-" if value is None else format(value, how) for value, how in cells))
