"""What the model thought of one of the worst images, and what was true."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from parfocal.evaluation.figures import BLUE, SKY, VERMILION, in_project_style
from parfocal.evaluation.worst import WorstImage

_SEEN_PERCENT = 0.2
"""Less probability than this is not drawn for its own sake."""


@in_project_style
def distribution_figure(image: WorstImage) -> Figure:
    """The distribution over bins with the truth, the answer and its 90 % interval marked.

    Parameters
    ----------
    image : WorstImage
        The image.
    """
    figure = Figure(figsize=(2.7, 2.2), layout="constrained")
    axes = figure.subplots()
    centres, percent = np.array(image.bin_centres_um), 100 * np.array(image.probabilities)
    width_um = float(np.diff(centres).mean()) if centres.size > 1 else 1.0
    edges = np.append(centres - width_um / 2, centres[-1] + width_um / 2)
    axes.stairs(percent, edges, fill=True, color=SKY)
    seen = [*centres[percent > _SEEN_PERCENT], image.actual_um, *image.interval90_um]
    top = 1.25 * max(float(percent.max()), 1.0)
    axes.set(ylim=(0, top), xlim=(min(seen) - width_um, max(seen) + width_um))
    axes.set(xlabel="defocus (µm)", ylabel="probability (%)")
    axes.axvline(image.actual_um, color=VERMILION, linewidth=1.4)
    axes.axvline(image.inferred_um, color=BLUE, linewidth=1.4, linestyle=(0, (4, 1.5)))
    axes.plot(image.interval90_um, [0.93 * top] * 2, color=BLUE, linewidth=3, solid_capstyle="butt")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    _name(axes, f"actual {image.actual_um:+.1f}", at=0.0, color=VERMILION)
    _name(axes, f"inferred {image.inferred_um:+.1f}", at=1.0, color=BLUE)
    return figure


def _name(axes: Axes, text: str, *, at: float, color: str) -> None:
    side = "right" if at else "left"
    text = text.replace("-", "\N{MINUS SIGN}")
    axes.text(at, 1.04, text, color=color, transform=axes.transAxes, horizontalalignment=side)
