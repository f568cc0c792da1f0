"""Real images and what a model says of them, in one picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parfocal.evaluation.figures import BLUE, GREY, ORANGE, in_project_style

SHOWN = 7
"""Planes above the plot."""


@in_project_style
def real_figure(result: dict[str, Any], frames_zyx: NDArray[Any]) -> Figure:
    """Fission yeast, plane by plane, and the five planes of each stack of yeast in traps.

    Parameters
    ----------
    result : dict
        What ``real.py`` found.
    frames_zyx : array, shape (Z, Y, X)
        The planes of fission yeast.
    """
    figure = Figure(figsize=(9.0, 5.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 3.2))
    _planes(above.subplots(1, SHOWN), frames_zyx, result["fission yeast"]["actual_um"])
    left, right = below.subplots(1, 2)
    _fission_yeast(left, result["fission yeast"])
    _traps(right, result["yeast in traps"])
    return figure


def _planes(axes: NDArray[Any], frames_zyx: NDArray[Any], actual_um: list[float]) -> None:
    chosen = np.linspace(0, len(frames_zyx) - 1, SHOWN).round().astype(int)
    for place, plane in zip(axes, chosen, strict=True):
        place.imshow(frames_zyx[plane], cmap="gray", vmin=frames_zyx.min(), vmax=frames_zyx.max())
        place.set_title(f"{actual_um[plane]:+.1f} um", fontsize=8, loc="center")
        place.set_axis_off()


def _fission_yeast(axes: Axes, told: dict[str, Any]) -> None:
    actual, inferred = np.array(told["actual_um"]), np.array(told["told_um"])
    accepted, ends = np.array(told["accepted"]), np.array(told["interval90_um"])
    around = np.abs(ends.T - inferred)
    axes.axline((0, 0), slope=1, color=GREY, linewidth=0.8)
    for chosen, colour, name in ((accepted, BLUE, "answered"), (~accepted, ORANGE, "cannot tell")):
        if chosen.any():
            axes.errorbar(
                actual[chosen],
                inferred[chosen],
                yerr=around[:, chosen],
                fmt="o",
                color=colour,
                elinewidth=0.7,
                label=name,
            )
    axes.set(
        xlabel="position of the plane (um)", ylabel="defocus told (um)", title="Fission yeast, 90 % intervals"
    )
    axes.legend(loc="lower right")


def _traps(axes: Axes, told: dict[str, Any]) -> None:
    for _, inferred, _, _ in told["of_each"].values():
        axes.plot(range(len(inferred)), inferred, "o-", color=BLUE, alpha=0.35, linewidth=0.8)
    axes.set(
        xlabel="plane",
        ylabel="defocus told (um)",
        title=f"Budding yeast in traps, {told['stacks']} stacks of 5 planes",
        xticks=range(5),
    )
