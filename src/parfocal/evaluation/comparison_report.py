"""The comparison of two evaluations on disk: ``compare.json`` first, then figures and one page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parfocal.data.whole_file import write_whole_text
from parfocal.errors import DatasetError
from parfocal.evaluation.comparison import compare_frames
from parfocal.evaluation.comparison_figure import error_by_stack, error_by_z_of_both
from parfocal.evaluation.figures import save_figure
from parfocal.evaluation.frames import read_frames
from parfocal.evaluation.json_text import json_text
from parfocal.evaluation.page import data_uri, page_template, percent, um, um_range
from parfocal.evaluation.report import FEW_STACKS, read_metrics

SURE_BELOW = 0.05
"""A larger p-value is no ground for a verdict."""

COMPARISON_FILE, COMPARISON_PAGE = "compare.json", "compare.html"


def compare(a: Path, b: Path, *, out: Path) -> dict[str, Any]:
    """Compare two evaluations of the same part of a dataset, image by image.

    Parameters
    ----------
    a, b : Path
        Folders that `evaluate` wrote for either model.
    out : Path
        Folder for ``compare.json``, ``compare.html`` and its figures; it must exist.

    Returns
    -------
    dict
        The content of ``compare.json``: what `compare_frames` gives, ``a`` and ``b`` with the ``name``,
        ``fingerprint`` and ``z_range_um`` of their models too; ``part`` and ``dataset``; and
        ``outside_range``, how many images lie outside the range of ``a``, of ``b`` and of ``either``, which
        are left out.

    Raises
    ------
    DatasetError
        If a folder holds no evaluation, or the two are not of the same images.
    OutputError
        If `out` cannot be written.
    """
    metrics_a, metrics_b = read_metrics(a), read_metrics(b)
    n_frames = _same_frames(metrics_a, metrics_b, a=a, b=b)
    frames_a, frames_b = read_frames(a), read_frames(b)
    found = compare_frames(frames_a, frames_b, dof_um=metrics_a["dof_um"])
    n_both = found["difference"]["n_images"] + found["unanswered"]["either"]
    result = {
        "part": metrics_a["part"],
        "dataset": metrics_a["dataset"],
        **found,
        "a": {**metrics_a["model"], **found["a"]},
        "b": {**metrics_b["model"], **found["b"]},
        "outside_range": {
            "a": metrics_a["n_outside_range"],
            "b": metrics_b["n_outside_range"],
            "either": n_frames - n_both,
        },
    }
    write_whole_text(out / COMPARISON_FILE, json_text(result))
    write_comparison_page(out)
    return result


def write_comparison_page(folder: Path) -> Path:
    """Draw the figures and ``compare.html`` from ``compare.json``.

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
    found = _read(folder / COMPARISON_FILE)
    figures = {
        "compare_by_stack": error_by_stack(found["difference"]["by_stack"]),
        "compare_by_z": error_by_z_of_both(found["a"]["mae_by_z"], found["b"]["mae_by_z"]),
    }
    text = page_template("comparison_template.html.j2").render(
        c=found,
        verdict=comparison_verdict(found["difference"]),
        accepted=found["accepted"] and comparison_verdict(found["accepted"]),
        figures={
            name: data_uri(save_figure(figure, folder / f"{name}.svg")) for name, figure in figures.items()
        },
        few_stacks=FEW_STACKS,
    )
    write_whole_text(folder / COMPARISON_PAGE, text)
    return folder / COMPARISON_PAGE


def comparison_verdict(difference: Mapping[str, Any]) -> str:
    """Say which of two models errs less, in one sentence; sure where the interval and p both are.

    Parameters
    ----------
    difference : mapping
        See `parfocal.evaluation.comparison.paired_difference`.

    Examples
    --------
    >>> shares = {"stacks_a_better": 0.2, "stacks_b_better": 0.8, "p_value": 0.01}
    >>> comparison_verdict({"mae_um": -0.05, "mae_um_ci95": [-0.08, -0.02], **shares})
    'B errs by 0.05 µm less (95 %: 0.02 to 0.08 µm), on 80 % of the stacks.'
    >>> comparison_verdict({"mae_um": 0.05, "mae_um_ci95": [-0.02, 0.08], **shares})
    'Which errs less cannot be told: B by 0.05 µm more (95 %: 0.02 µm less to 0.08 µm more), on 20 % of the \
stacks.'
    """
    mean_um, ends = difference["mae_um"], difference["mae_um_ci95"]
    share = difference["stacks_b_better" if mean_um < 0 else "stacks_a_better"]
    if mean_um == 0 and ends in (None, [0, 0]):
        return "A and B err alike."
    by, on = f"by {_less_or_more(mean_um)}", f"on {percent(share)} of the stacks"
    if ends is None:
        return f"B errs {by} on this one stack, which says nothing of others."
    if ends[0] <= 0 <= ends[1] or difference["p_value"] >= SURE_BELOW:
        widest = max(map(abs, ends))
        low, high = (_less_or_more(end, like=widest) for end in ends)
        return f"Which errs less cannot be told: B {by} (95 %: {low} to {high}), {on}."
    sizes = um_range(sorted(abs(end) for end in ends))
    return f"B errs {by} (95 %: {sizes}), {on}."


def _less_or_more(difference_um: float, *, like: float | None = None) -> str:
    return f"{um(abs(difference_um), like=like)} {'less' if difference_um < 0 else 'more'}"


def _same_frames(metrics_a: Mapping[str, Any], metrics_b: Mapping[str, Any], *, a: Path, b: Path) -> int:
    """How many images both evaluations were about, those outside either range too."""
    of_a, of_b = (
        (metrics["part"], metrics["n_images"] + metrics["n_outside_range"])
        for metrics in (metrics_a, metrics_b)
    )
    if of_a != of_b:
        raise DatasetError(
            f"Expected two evaluations of the same images; {a} is of {of_a[1]} images of the part "
            f"'{of_a[0]}', {b} of {of_b[1]} of the part '{of_b[0]}'. Evaluate both on the same dataset."
        )
    return int(of_a[1])


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path}: expected the numbers of a comparison; got {error!r}. Compare again."
        ) from error
    return found
