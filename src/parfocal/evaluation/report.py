"""The report of an evaluation: figures and one self-contained page, from the numbers on disk."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
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

METRICS_FILE = "metrics.json"
FRAMES_FILE = "per_frame.csv"
REPORT_FILE = "report.html"

_NOTHING = "–"  # noqa: RUF001
_MINUS = "−"  # noqa: RUF001


def write_report(folder: Path) -> Path:
    """Draw the figures and ``report.html`` of an evaluation from its ``metrics.json`` and ``per_frame.csv``.

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
    metrics, frames = _read(folder)
    baselines = by_error(metrics["baselines"])
    figures = {
        name: save_figure(figure, folder / f"{name}.svg")
        for name, figure in _figures(metrics, frames).items()
    }
    page = _environment().get_template("report_template.html.j2")
    text = page.render(
        m=metrics,
        verdict=verdict(metrics),
        comparison=comparison(metrics),
        figures={name: _data_uri(path) for name, path in figures.items()},
        unaided={name: block for name, block in baselines.items() if not is_helped(name)},
        helped={name: block for name, block in baselines.items() if is_helped(name)},
    )
    write_whole_text(folder / REPORT_FILE, text)
    return folder / REPORT_FILE


def verdict(metrics: Mapping[str, Any]) -> str:
    """Sum up an evaluation in one sentence, in um and in depths of field.

    Examples
    --------
    >>> verdict({"median_abs_um": 0.12, "dof_um": 0.572, "within_1um": 0.98, "wrong_sign_rate": 0.0})
    'Half of the images are within 0.12 µm (0.21 depths of field) of focus; 98 % within 1 µm; the side of \
focus is wrong in 0 %.'
    """
    if metrics["median_abs_um"] is None:
        return "The model gave no answer for any of the images."
    depths = "" if metrics["dof_um"] is None else f" ({in_depths(metrics, 'median_abs_um')})"
    side = metrics["wrong_sign_rate"]
    return (
        f"Half of the images are within {um(metrics['median_abs_um'])}{depths} of focus; "
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


def um(value: float | None) -> str:
    """Write a length for people, as finely as means something.

    Examples
    --------
    >>> um(0.1234), um(12.34), um(-0.0123), um(None)
    ('0.12 µm', '12.3 µm', '−0.012 µm', '–')
    """
    if value is None:
        return _NOTHING
    digits = 3 if abs(value) < 0.02 else 2 if abs(value) < 9.95 else 1
    return f"{value:.{digits}f} µm".replace("-", _MINUS)


def percent(value: float | None) -> str:
    """Write a fraction for people; 0 and 100 only where they are exact.

    Examples
    --------
    >>> percent(0.5), percent(0.9996), percent(1.0), percent(0.0004)
    ('50 %', '99.9 %', '100 %', '0.1 %')
    """
    if value is None:
        return _NOTHING
    share = 100 * value
    if 0 < share < 1 or 99 < share < 100:
        return f"{min(max(share, 0.1), 99.9):.1f} %"
    return f"{share:.0f} %"


def in_depths(metrics: Mapping[str, Any], key: str) -> str:
    """Write a length of a block of metrics in depths of field; empty where the depth is unknown."""
    if metrics["dof_um"] is None or metrics[key] is None:
        return ""
    return f"{metrics[key] / metrics['dof_um']:.2f} depths of field"


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, list[float]]]:
    try:
        metrics = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
        with (folder / FRAMES_FILE).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        names = ("actual_um", "inferred_um", "low_um", "high_um")
        return metrics, {name: [float(row[name]) for row in rows] for name in names}
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(
            f"{folder}: expected {METRICS_FILE} and {FRAMES_FILE} as an evaluation writes them; "
            f"got {error!r}. Evaluate again."
        ) from error


def _figures(metrics: Mapping[str, Any], frames: Mapping[str, list[float]]) -> dict[str, Figure]:
    return {
        "error_summary": error_summary({"model": metrics, **leading(metrics["baselines"])}),
        "confusion_map": confusion_map(metrics["confusion"]),
        "error_by_z": error_by_z(metrics["mae_by_z"], dof_um=metrics["dof_um"]),
        "inferred_vs_actual": inferred_vs_actual(
            frames["actual_um"],
            frames["inferred_um"],
            interval_low_um=frames["low_um"],
            interval_high_um=frames["high_um"],
        ),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("parfocal", "evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(um=um, percent=percent, display_name=display_name)
    environment.globals["in_depths"] = in_depths
    return environment


def _data_uri(path: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
