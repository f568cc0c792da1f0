"""Figures of two models on the same images: stack by stack, and against the distance from focus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from parfocal.evaluation.figures import BLUE, GREY, VERMILION, in_project_style

_WIDE = 8.0
"""Where the largest error is so many times the median, the axes are logarithmic."""


@in_project_style
def error_by_stack(by_stack: Mapping[str, Any], *, title: str = "") -> Figure:
    """Mean absolute error of B against that of A, one point for each stack.

    Parameters
    ----------
    by_stack : mapping
        ``by_stack`` of `paired_difference`.
    title : str
        Title of the figure.
    """
    a_um, b_um = (np.asarray(by_stack[f"{side}_mae_um"], np.float64) for side in "ab")
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.axline((1, 1), (2, 2), color=GREY, linewidth=0.8)
    for chosen, colour in ((b_um < a_um, VERMILION), (b_um >= a_um, BLUE)):
        axes.plot(a_um[chosen], b_um[chosen], "o", color=colour, alpha=0.75, markeredgewidth=0)
    _set_range(axes, np.concatenate([a_um, b_um]))
    axes.set(xlabel="mean absolute error of A (µm)", ylabel="mean absolute error of B (µm)", title=title)
    axes.text(0.03, 0.97, "A errs less", color=BLUE, transform=axes.transAxes, verticalalignment="top")
    axes.text(
        0.97, 0.03, "B errs less", color=VERMILION, transform=axes.transAxes, horizontalalignment="right"
    )
    return figure


@in_project_style
def error_by_z_of_both(a: Mapping[str, Any], b: Mapping[str, Any], *, title: str = "") -> Figure:
    """Mean absolute error of both models against defocus.

    Parameters
    ----------
    a, b : mapping
        ``mae_by_z`` of their blocks of metrics.
    title : str
        Title of the figure.
    """
    figure = Figure(figsize=(4.6, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, by_z, style, colour in (("A", a, "o-", BLUE), ("B", b, "s--", VERMILION)):
        mae_um = np.asarray(by_z["mae_um"], np.float64)  # None becomes NaN, which leaves a gap
        axes.plot(by_z["bin_centres_um"], mae_um, style, color=colour, label=name)
    axes.set(xlabel="actual defocus (µm)", ylabel="mean absolute error (µm)", title=title)
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _set_range(axes: Axes, errors_um: Any) -> None:
    high, low = float(errors_um.max()), float(errors_um.min())
    if low > 0 and high > _WIDE * float(np.median(errors_um)):
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_formatter(NullFormatter())
        ends = (low / 1.3, high * 1.3)
    else:
        ends = (0.0, 1.08 * (high or 1.0))
    axes.set(xlim=ends, ylim=ends, aspect="equal")
