"""The reliability diagram: how often stated intervals hold the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from parfocal.evaluation.figures import BLUE, GREY, PURPLE, SKY, VERMILION, in_project_style

_TICKS = (0, 20, 40, 60, 80, 100)


@in_project_style
def reliability_diagram(found: Mapping[str, Any], *, title: str = "") -> Figure:
    """Share of images whose interval holds the truth against the probability that the interval states.

    Parameters
    ----------
    found : mapping
        The block of `reliability`.
    title : str
        Title of the figure.
    """
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.8)
    level = 100 * np.asarray(found["level"], np.float64)
    _curve(axes, level, found["normal"], color=BLUE, band=SKY, marker="o", label="stated deviation")
    _curve(
        axes,
        level,
        found["distribution"],
        color=PURPLE,
        band=None,
        marker="s",
        label="distribution over bins",
    )
    _interval(axes, found["interval90"])
    axes.set(xlim=(0, 101), ylim=(0, 101), xticks=_TICKS, yticks=_TICKS, aspect="equal", title=title)
    axes.set(xlabel="stated probability of the interval (%)", ylabel="intervals that hold the truth (%)")
    axes.text(3, 97, "wider than needed", color=GREY, verticalalignment="top")
    axes.text(97, 4, "too narrow", color=GREY, horizontalalignment="right")
    figure.legend(loc="outside upper center", ncols=3, columnspacing=0.9, handlelength=1.4, handletextpad=0.4)
    return figure


def _curve(
    axes: Axes,
    level: Any,
    shares: Mapping[str, Any],
    *,
    color: str,
    band: str | None,
    marker: str,
    label: str,
) -> None:
    axes.plot(level, _percent(shares["share"]), marker=marker, markersize=3.2, color=color, label=label)
    ends = [end for end in shares["share_ci95"] if end is not None]
    if band is not None and len(ends) == len(level):
        low, high = _percent(ends).T
        axes.fill_between(level, low, high, color=band, alpha=0.3, linewidth=0)


def _interval(axes: Axes, interval: Mapping[str, Any]) -> None:
    if interval["share"] is None:
        return
    share = 100 * interval["share"]
    low, high = 100 * np.asarray(interval["share_ci95"] or [interval["share"]] * 2)
    axes.errorbar(
        [90],
        [share],
        yerr=[[max(share - low, 0)], [max(high - share, 0)]],
        color=VERMILION,
        marker="D",
        markersize=5,
        capsize=3,
        linestyle="none",
        label="90 % interval",
        zorder=4,
    )


def _percent(values: Any) -> Any:
    return 100 * np.asarray(values, np.float64)  # None becomes NaN, which leaves a gap
