"""One picture of the whole story: images through focus, what is inferred, and a day of focus held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from parfocal.evaluation.figures import BLACK, BLUE, GREY, VERMILION, in_project_style


@in_project_style
def overview(
    *,
    frames_zyx: NDArray[Any],
    frames_defocus_um: Sequence[float],
    actual_um: ArrayLike,
    inferred_um: ArrayLike,
    time_h: ArrayLike,
    stage_um: ArrayLike,
    true_defocus_um: ArrayLike,
    tolerance_um: float,
) -> Figure:
    """Frames through focus above; inferred against actual defocus, and stage and defocus over time, below.

    Parameters
    ----------
    frames_zyx : array, shape (Z, Y, X)
        Frames of one stack.
    frames_defocus_um : sequence of float
        Their defocus, in um.
    actual_um, inferred_um : array, shape (N,)
        Defocus of test images and what the model says of each, in um.
    time_h, stage_um, true_defocus_um : array, shape (M,)
        Hours since the start of a lock, the stage position and the defocus at each, in um.
    tolerance_um : float
        Half width of the band drawn about zero defocus, in um.
    """
    figure = Figure(figsize=(9.0, 4.7), layout="constrained")
    above, below = np.asarray(figure.subfigures(2, 1, height_ratios=(1, 2)))
    _frames(above.subplots(1, len(frames_zyx)), frames_zyx, frames_defocus_um)
    mosaic = below.subplot_mosaic(
        [["infer", "stage"], ["infer", "defocus"]], width_ratios=(1, 2), height_ratios=(1.3, 1)
    )
    _inference(mosaic["infer"], np.asarray(actual_um), np.asarray(inferred_um))
    stage, defocus = mosaic["stage"], mosaic["defocus"]
    stage.plot(time_h, stage_um, color=BLACK)
    stage.set(ylabel="stage (µm)", title="A day of thermal drift, held from single images")
    stage.tick_params(labelbottom=False)
    defocus.axhspan(-tolerance_um, tolerance_um, color="#E8EDF1", linewidth=0)
    defocus.axhline(0, color=GREY, linewidth=0.8)
    defocus.plot(time_h, true_defocus_um, color=VERMILION, linewidth=0.7)
    defocus.set(xlabel="time (h)", ylabel="defocus (µm)")
    for axes in (stage, defocus):
        axes.margins(x=0)
        axes.set_xticks(np.arange(0, float(np.max(np.asarray(time_h))) + 0.1, 3))
    return figure


def _frames(grid: NDArray[Any], frames_zyx: NDArray[Any], defocus_um: Sequence[float]) -> None:
    dark, bright = np.percentile(frames_zyx, [0.5, 99.5])
    for axes, frame_yx, z_um in zip(grid, frames_zyx, defocus_um, strict=True):
        axes.imshow(frame_yx, cmap="gray", vmin=dark, vmax=bright)
        axes.set_title(
            f"{z_um + 0.0:+.0f} µm" if abs(z_um) >= 2 else f"{round(z_um, 1) + 0.0:+.1f} µm",
            fontsize=8.5,
            loc="center",
        )
        axes.set_axis_off()


def _inference(axes: Axes, actual_um: NDArray[Any], inferred_um: NDArray[Any]) -> None:
    axes.axline((0, 0), slope=1, color=GREY, linewidth=0.8)
    axes.plot(actual_um, inferred_um, ".", color=BLUE, markersize=3, alpha=0.6, markeredgewidth=0)
    axes.set(xlabel="actual defocus (µm)", ylabel="inferred (µm)", title="Unseen stacks")
    axes.set_aspect("equal", adjustable="box")
