"""A z-stack at a glance: the plane in focus large, and the planes above and below it side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from parfocal.errors import InputError
from parfocal.evaluation.figures import in_project_style

SIDE_INCHES = 1.5
"""Height of the frames beside the one in focus, which is a little more than twice as large."""
GAP = 0.025
"""Between frames, of that height."""
LONGEST_BAR = 0.3
"""Of the frame's width."""
_OUTLINED: Any = {
    "color": "white",
    "fontsize": 8.5,
    "path_effects": [withStroke(linewidth=1.8, foreground="black")],
}


@in_project_style
def through_focus_montage(
    frames_zyx: NDArray[Any],
    defocus_um: ArrayLike,
    *,
    pixel_size_um: float,
    window_percent: tuple[float, float] = (0.5, 99.5),
) -> Figure:
    """The frame nearest to focus, and beside it those above focus in one row and those below in another.

    Frames go from near to far from the left, so that those as far above focus as below it stand over each
    other. All share one grey scale: a plane that looks paler has less contrast.

    Parameters
    ----------
    frames_zyx : array, shape (Z, Y, X)
        Frames of one stack, in any order.
    defocus_um : array, shape (Z,)
        Their defocus in um, positive where the focal plane is above the specimen.
    pixel_size_um : float
        Side of a pixel in the sample, for the scale bar.
    window_percent : tuple of float
        What is black and what is white, as percentiles of the grey values of all frames together.

    Raises
    ------
    InputError
        If there are no frames, or not one defocus for each.
    """
    defocus = np.asarray(defocus_um, np.float64)
    if not defocus.size or defocus.shape != (len(frames_zyx),):
        raise InputError(
            f"Expected frames and a defocus for each, got {len(frames_zyx)} frames and {defocus.size} values."
        )
    focus, above, below = _sides_of_focus(defocus)
    width_px = frames_zyx.shape[2]
    columns = max(len(above), len(below))
    figure = Figure(figsize=_size_inches(columns, frames_zyx.shape[1:]))
    dark, bright = np.percentile(frames_zyx, window_percent).tolist()
    window = dark, max(bright, dark + 1)
    large = _axes_at(figure, columns, row=1, column=0, rows=2)
    _draw_frame(large, frames_zyx[focus], float(defocus[focus]), window=window)
    draw_scale_bar(large, field_um=width_px * pixel_size_um)
    for row, side in enumerate((above, below)):
        for column, k in enumerate(side):
            axes = _axes_at(figure, columns, row=row, column=2 + column)
            _draw_frame(axes, frames_zyx[k], float(defocus[k]), window=window)
    return figure


def _sides_of_focus(defocus_um: NDArray[np.float64]) -> tuple[int, list[int], list[int]]:
    """The frame nearest to focus; those above it and those below it, from near to far."""
    focus, *others = np.argsort(np.abs(defocus_um), kind="stable").tolist()
    above = [k for k in others if defocus_um[k] > defocus_um[focus]]
    below = [k for k in others if defocus_um[k] <= defocus_um[focus]]
    return focus, above, below


def _size_inches(columns: int, shape_yx: tuple[int, ...]) -> tuple[float, float]:
    height_px, width_px = shape_yx
    frames_wide, frames_high = _sides(columns)
    return frames_wide * SIDE_INCHES * width_px / height_px, frames_high * SIDE_INCHES


def _sides(columns: int) -> tuple[float, float]:
    """Width and height of the figure in small frames; the large one is two of them and the gap between."""
    return 2 + columns + (1 + columns) * GAP, 2 + GAP


def _axes_at(figure: Figure, columns: int, *, row: int, column: int, rows: int = 1) -> Axes:
    """Axes whose lower left frame is the one at a row and column, as high and wide as `rows`."""
    wide, high = _sides(columns)
    left, bottom = column * (1 + GAP) / wide, (1 - row) * (1 + GAP) / high
    side = rows + (rows - 1) * GAP
    return figure.add_axes((left, bottom, side / wide, side / high))


def _draw_frame(
    axes: Axes, frame_yx: NDArray[Any], defocus_um: float, *, window: tuple[float, float]
) -> None:
    axes.imshow(frame_yx, cmap="gray", vmin=window[0], vmax=window[1], aspect="auto")
    axes.annotate(
        defocus_label(defocus_um),
        (0, 1),
        xycoords="axes fraction",
        xytext=(4, -4),
        textcoords="offset points",
        verticalalignment="top",
        **_OUTLINED,
    )
    axes.set_axis_off()


def defocus_label(defocus_um: float) -> str:
    """Defocus as it stands above a frame.

    Examples
    --------
    >>> defocus_label(-12.3), defocus_label(1.6), defocus_label(-0.01)
    ('-12 µm', '+1.6 µm', 'in focus')
    """
    rounded = round(defocus_um, 1 if abs(defocus_um) < 10 else 0)
    return f"{rounded:+g} µm" if rounded else "in focus"


def scale_bar_um(field_um: float) -> float:
    """A round length of at most `LONGEST_BAR` of a field.

    Examples
    --------
    >>> scale_bar_um(61.4), scale_bar_um(330.0), scale_bar_um(33.0)
    (10.0, 50.0, 5.0)
    """
    longest = LONGEST_BAR * field_um
    ten = 10.0 ** np.floor(np.log10(longest))
    return float(max(step * ten for step in (1, 2, 5) if step * ten <= longest))


def draw_scale_bar(axes: Axes, *, field_um: float) -> None:
    """Draw a bar of a round length, and the length, at the lower left of an image that fills its axes."""
    length_um = scale_bar_um(field_um)
    length, left, bottom, thickness = length_um / field_um, 0.04, 0.04, 0.012
    bar = Rectangle((left, bottom), length, thickness, transform=axes.transAxes, color="white")
    bar.set_path_effects([withStroke(linewidth=1.8, foreground="black")])
    axes.add_patch(bar)
    axes.text(
        left + length / 2,
        bottom + thickness + 0.012,
        f"{length_um:g} µm",
        transform=axes.transAxes,
        horizontalalignment="center",
        verticalalignment="bottom",
        **_OUTLINED,
    )
