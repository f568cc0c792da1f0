"""Recorded planes above simulated ones, and how well each agrees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parfocal.evaluation.figures import BLUE, GREY, ORANGE, VERMILION, in_project_style

SHOWN = 9


@in_project_style
def side_by_side(
    recorded_zyx: NDArray[np.float64],
    simulated_zyx: NDArray[np.float64],
    planes: Sequence[dict[str, Any]],
) -> Figure:
    """Pictures of some planes, and correlation and contrast of all against z.

    Parameters
    ----------
    recorded_zyx, simulated_zyx : array, shape (Z, Y, X)
        In the same grey values: every picture has the same range.
    planes : sequence of dict
        As in the study's report.
    """
    figure = Figure(figsize=(11, 4.7), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(1.0, 1.4))
    above, below = (figure.add_subfigure(grid[row]) for row in range(2))
    shown = np.unique(np.linspace(0, len(planes) - 1, SHOWN).round().astype(int))
    low, high = np.percentile(recorded_zyx, (0.2, 99.8))
    rows = above.subplots(2, len(shown))
    for row, frames, name in zip(rows, (recorded_zyx, simulated_zyx), ("real", "simulated"), strict=True):
        for axes, k in zip(row, shown, strict=True):
            axes.imshow(frames[k], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        row[0].set_ylabel(name)
    for axes, k in zip(rows[0], shown, strict=True):
        axes.set_title(f"{planes[k]['z_um']:+.1f} µm", fontsize=8)
    for axes, k in zip(rows[1], shown, strict=True):
        axes.set_xlabel(f"r = {planes[k]['correlation']:.2f}", fontsize=8)
    left, right = below.subplots(1, 2)
    _correlation(left, planes)
    _contrast(right, planes)
    return figure


def _correlation(axes: Axes, planes: Sequence[dict[str, Any]]) -> None:
    z_um = [plane["z_um"] for plane in planes]
    axes.plot(z_um, [p["noise_ceiling"] for p in planes], color=GREY, label="ceiling set by noise")
    axes.plot(z_um, [p["correlation"] for p in planes], color=BLUE, label="fitted")
    held_out = [p for p in planes if p["frame"] % 2]
    axes.plot(
        [p["z_um"] for p in held_out],
        [p["correlation"] for p in held_out],
        "o",
        color=BLUE,
        label="planes kept out of the fit",
    )
    axes.plot(
        z_um, [p["correlation_preset"] for p in planes], "--", color=ORANGE, label="preset, only placed"
    )
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.set(xlabel="stage above focus (µm)", ylabel="correlation with the real plane")
    axes.legend(loc="lower left")


def _contrast(axes: Axes, planes: Sequence[dict[str, Any]]) -> None:
    z_um = [plane["z_um"] for plane in planes]
    axes.plot(
        z_um, [p["contrast_recorded"] for p in planes], "o-", color="#444444", label="real, noise taken off"
    )
    axes.plot(
        z_um,
        [p["contrast_simulated"] for p in planes],
        color=VERMILION,
        label="simulated, one gain for all planes",
    )
    axes.set(xlabel="stage above focus (µm)", ylabel="contrast (grey values rms)", ylim=(0, None))
    axes.legend(loc="lower left")
