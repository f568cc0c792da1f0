"""The figure of ``hold.py``: one run over time, and all frames of all runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from parfocal.errors import InputError
from parfocal.evaluation.figures import BLACK, BLUE, GREY, ORANGE, PURPLE, VERMILION, in_project_style

COLOURS = {"parfocal": BLUE, "2018": VERMILION, "ewma": ORANGE, "hill climber": PURPLE, "none": GREY}
SHOWN_UM = 4.0
"""Beyond lies only what was lost."""
BINS_UM = np.linspace(-SHOWN_UM, SHOWN_UM, 81)
TOLERANCE_UM = 1.0


@in_project_style
def draw(runs: Sequence[dict[str, Any]], *, seed: int | None = None) -> Figure:
    """Residuals of all contenders over the hours of one run, beside their distribution in all runs.

    Parameters
    ----------
    runs : sequence
        As `hold_results.read_runs` gives them.
    seed : int, optional
        Of the run to draw over time; the first if not given.

    Raises
    ------
    InputError
        If there is no run of that seed.
    """
    run = _run_of(runs, seed)
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    over_time, of_all = figure.subplots(1, 2, sharey=True, width_ratios=(2.4, 1))
    hours = np.array(run["t_s"]) / 3600
    for axes in (over_time, of_all):
        axes.axhspan(-TOLERANCE_UM, TOLERANCE_UM, color="#E8EDF1", linewidth=0)
    for name in reversed(run["contenders"]):  # the first of them on top
        colour = COLOURS.get(name, BLACK)
        over_time.plot(hours, run["courses"][name]["true_um"], color=colour, linewidth=0.9, label=name)
        residuals_um = np.concatenate([one["courses"][name]["true_um"] for one in runs])
        shares = np.histogram(residuals_um, BINS_UM)[0] / len(residuals_um)
        of_all.stairs(shares, BINS_UM, orientation="horizontal", color=colour, linewidth=1.2)
    over_time.set(xlabel="time (h)", ylabel="defocus left (µm)", ylim=(-SHOWN_UM, SHOWN_UM))
    over_time.set_title(f"one day (seed {run['plan']['seed']})")
    over_time.margins(x=0)
    of_all.set(xlabel=f"share of frames per {BINS_UM[1] - BINS_UM[0]:.1f} µm", title=f"all {len(runs)} runs")
    handles, labels = over_time.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=len(labels))
    return figure


def _run_of(runs: Sequence[dict[str, Any]], seed: int | None) -> dict[str, Any]:
    for run in runs:
        if seed in (None, run["plan"]["seed"]):
            return run
    raise InputError(f"Expected a seed of one of the runs, got {seed}.")
