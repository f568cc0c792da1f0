"""The report of an evaluation: figures and one self-contained page, from the numbers on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from parfocal.data.whole_file import write_whole_text
from parfocal.errors import DatasetError
from parfocal.evaluation.baselines import by_error, is_helped, leading
from parfocal.evaluation.figures import (
    confusion_map,
    display_name,
    error_by_z,
    error_summary,
    inferred_vs_actual,
    save_figure,
)
from parfocal.evaluation.frames import FrameResult, column, read_frames
from parfocal.evaluation.montage import scale_bar_um
from parfocal.evaluation.page import data_uri, in_depths, page_template, percent, percent_range, um
from parfocal.evaluation.reliability_figure import reliability_diagram
from parfocal.evaluation.worst import WORST_FOLDER, WorstImage, picture_name, read_worst
from parfocal.evaluation.worst_figure import distribution_figure

METRICS_FILE = "metrics.json"
REPORT_FILE = "report.html"
FEW_STACKS = 10
"""With fewer, intervals from drawing stacks again are too narrow."""

_DRAWN_FROM = ("by_band", "by_experiment", "by_density", "reliability", "baselines", "confusion", "mae_by_z")


def write_report(folder: Path) -> Path:
    """Draw the figures and ``report.html`` of an evaluation from the numbers and pictures in its folder.

    Parameters
    ----------
    folder : Path
        What `evaluate` wrote; the figures (SVG) and the page are added to it.

    Returns
    -------
    Path
        The page. It holds its figures and needs no network.

    Raises
    ------
    DatasetError
        If the numbers are missing or cannot be read.
    OutputError
        If a file cannot be written.
    """
    metrics, frames, worst = read_metrics(folder), read_frames(folder), read_worst(folder)
    baselines = by_error(metrics["baselines"])
    figures = {
        name: data_uri(save_figure(figure, folder / f"{name}.svg"))
        for name, figure in _figures(metrics, frames).items()
    }
    page = page_template("report_template.html.j2")
    text = page.render(
        m=metrics,
        verdict=verdict(metrics),
        comparison=comparison(metrics),
        intervals=interval_verdict(metrics["reliability"]["interval90"]),
        figures=figures,
        worst=_worst_cards(folder, worst),
        unaided={name: block for name, block in baselines.items() if not is_helped(name)},
        helped={name: block for name, block in baselines.items() if is_helped(name)},
        density_names={name: _cells(name, block) for name, block in metrics["by_density"].items()},
        few_stacks=FEW_STACKS,
    )
    write_whole_text(folder / REPORT_FILE, text)
    return folder / REPORT_FILE


def verdict(metrics: Mapping[str, Any]) -> str:
    """Sum up an evaluation in one sentence, in um and in depths of field.

    Examples
    --------
    >>> verdict({"median_abs_um": 0.12, "dof_um": 0.572, "within_1um": 0.98, "wrong_sign_rate": 0.0})
    'Half of the answers are within 0.12 µm (0.21 depths of field) of the truth; 98 % within 1 µm; the \
side of focus is wrong in 0 %.'
    """
    if metrics["median_abs_um"] is None:
        return "The model gave no answer for any of the images."
    depths = "" if metrics["dof_um"] is None else f" ({in_depths(metrics, 'median_abs_um')})"
    side = metrics["wrong_sign_rate"]
    return (
        f"Half of the answers are within {um(metrics['median_abs_um'])}{depths} of the truth; "
        f"{percent(metrics['within_1um'])} within 1 µm"
        + ("." if side is None else f"; the side of focus is wrong in {percent(side)}.")
    )


def comparison(metrics: Mapping[str, Any]) -> str:
    """Set the model beside the best classical measures, in one or two sentences; empty without them."""
    measures = {n: b for n, b in metrics["baselines"].items() if n != "constant"}
    if not measures:
        return ""
    (name, block), (told_name, told) = leading(measures, most=1).items()
    return (
        f"On the same images the best classical measure errs by {um(block['mae_um'])} on average "
        f"({display_name(name)}), this model by {um(metrics['mae_um'])}. Told the side of focus and the "
        f"largest score of each stack, the best of them comes to {um(told['mae_um'])} "
        f"({display_name(told_name.removesuffix('_with_oracles'))})."
    )


def interval_verdict(interval90: Mapping[str, Any]) -> str:
    """Say whether the stated 90 % intervals hold as often as they should, in one sentence.

    Examples
    --------
    >>> interval_verdict({"share": 0.8, "share_ci95": [0.75, 0.86]})
    'The stated 90 % intervals hold the truth in 80 % of the images (95 %: 75 to 86 %): they are too narrow.'
    """
    share, ends = interval90["share"], interval90["share_ci95"]
    if share is None:
        return "The model states no intervals."
    text = f"The stated 90 % intervals hold the truth in {percent(share)} of the images"
    if ends is None:
        return f"{text}."
    low, high = ends
    judged = "too narrow" if high < 0.9 else "wider than needed" if low > 0.9 else "as wide as they say"
    return f"{text} (95 %: {percent_range(ends)}): they are {judged}."


def read_metrics(folder: Path) -> dict[str, Any]:
    """The content of the ``metrics.json`` of an evaluation.

    Raises
    ------
    DatasetError
        If it is missing, cannot be read, or lacks what pages are drawn from.
    """
    path = folder / METRICS_FILE
    try:
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in _DRAWN_FROM if key not in metrics]
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path}: expected what an evaluation writes; got {error!r}. Evaluate again."
        ) from error
    if missing:
        raise DatasetError(
            f"{path}: expected {', '.join(missing)} among the numbers; an earlier version wrote it. "
            "Evaluate again."
        )
    return metrics


def _figures(metrics: Mapping[str, Any], frames: Sequence[FrameResult]) -> dict[str, Figure]:
    return {
        "error_summary": error_summary({"model": metrics, **leading(metrics["baselines"])}),
        "confusion_map": confusion_map(metrics["confusion"]),
        "error_by_z": error_by_z(metrics["mae_by_z"], dof_um=metrics["dof_um"]),
        "inferred_vs_actual": inferred_vs_actual(
            column(frames, "actual_um"),
            column(frames, "inferred_um"),
            interval_low_um=column(frames, "low_um"),
            interval_high_um=column(frames, "high_um"),
        ),
        "reliability": reliability_diagram(metrics["reliability"]),
    }


def _worst_cards(folder: Path, worst: Sequence[WorstImage]) -> list[dict[str, Any]]:
    """Each image, its picture and its figure, which is written beside the picture."""
    into = folder / WORST_FOLDER
    return [
        {
            "image": image,
            "picture": data_uri(into / picture_name(number)),
            "distribution": data_uri(save_figure(distribution_figure(image), into / f"{number}.svg")),
            "bar_um": scale_bar_um(image.width_um),
        }
        for number, image in enumerate(worst, start=1)
    ]


def _cells(third: str, block: Mapping[str, Any]) -> str:
    low, high = block["n_cells"]
    return f"{third}: {low}" if low == high else f"{third}: {low} to {high}"
