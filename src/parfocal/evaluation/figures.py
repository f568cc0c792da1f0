"""The project's figures: plain numbers in, a matplotlib Figure out, all in one style.

No figure uses pyplot, so none opens a window or keeps global state. Colours are those of Okabe and Ito
(2008), which stay apart for every kind of colour vision.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from parfocal.data.whole_file import whole_file

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#8A8F94"

_STYLE: Any = {  # Any: matplotlib types its keys as one long list of literals
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.dpi": 150,
    "svg.hashsalt": "parfocal",  # the same numbers give the same file
}

_ORACLES = "_with_oracles"
_DISPLAY_NAMES = {
    "model": "this model",
    "constant": "constant",
    "brenner": "Brenner",
    "tenengrad": "Tenengrad",
    "laplacian_variance": "Laplacian variance",
    "laplacian_energy": "Laplacian energy",
    "normalised_variance": "grey-value variance",
    "vollath_f4": "Vollath F4",
    "vollath_f5": "Vollath F5",
    "entropy": "grey-value entropy",
    "dct_ratio": "DCT energy ratio",
    "wavelet_detail": "wavelet detail",
    "frequency_band": "frequency band",
    "de_masilamani": "De-Masilamani (IQA)",
    "marr_hildreth": "Marr-Hildreth",
}
_MOST_POINTS = 4000  # of a line: more cannot be told apart on paper
_UM = "µm"

P = ParamSpec("P")


def in_project_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """A drawing function that draws in the project's style."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


def save_figure(figure: Figure, path: Path, *, dpi: float = 200) -> Path:
    """Write a figure, beside its final name first; the suffix (.svg, .png, .pdf, .jpg) chooses the format.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    metadata: dict[str, Any] | None = {"Date": None} if path.suffix == ".svg" else None
    with whole_file(path) as draft, matplotlib.rc_context(_STYLE):
        figure.savefig(draft, format=path.suffix.lstrip("."), metadata=metadata, dpi=dpi)
    return path


def display_name(name: str) -> str:
    """Name of a model or baseline as figures and reports show it.

    Examples
    --------
    >>> display_name("brenner"), display_name("brenner_with_oracles"), display_name("10X")
    ('Brenner', 'Brenner, helped', '10X')
    """
    plain = name.removesuffix(_ORACLES)
    return _DISPLAY_NAMES.get(plain, plain) + (", helped" if name.endswith(_ORACLES) else "")


@in_project_style
def error_summary(blocks: Mapping[str, Mapping[str, Any]], *, title: str = "") -> Figure:
    """Mean error of each method with bars of one standard deviation, as Fig. 2d of the paper.

    Parameters
    ----------
    blocks : mapping
        Blocks of metrics under their names, the first on top. `<name>_with_oracles` shares the row of
        `<name>` and is drawn open: it is told the side of focus and the stack's largest score.
    title : str
        Title of the figure.
    """
    rows = list(dict.fromkeys(name.removesuffix(_ORACLES) for name in blocks))
    figure = Figure(figsize=(4.8, 1.1 + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=GREY, linewidth=0.8)
    for name, block in blocks.items():
        if block["bias_um"] is not None:
            _error_bar(axes, name, block, row=rows.index(name.removesuffix(_ORACLES)))
    axes.set_yticks(range(len(rows)), [display_name(row) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"mean error ± standard deviation ({_UM})")
    axes.set_title(title)
    _mark_oracles(axes, blocks)
    return figure


def _error_bar(axes: Axes, name: str, block: Mapping[str, Any], *, row: int) -> None:
    is_helped = name.endswith(_ORACLES)
    colour = BLUE if row == 0 else ORANGE if is_helped else "#555555"
    axes.errorbar(
        block["bias_um"],
        row + (0.17 if is_helped else 0.0),
        xerr=block["std_um"],
        color=colour,
        marker="o",
        markerfacecolor="white" if is_helped else colour,
        capsize=2.5,
        linewidth=1.2,
    )


def _mark_oracles(axes: Axes, blocks: Mapping[str, Any]) -> None:
    if not any(name.endswith(_ORACLES) for name in blocks):
        return
    alone = axes.plot([], [], "o", color="#555555", label="from the image alone")
    helped = axes.plot(
        [], [], "o", color=ORANGE, markerfacecolor="white", label="side and stack maximum given"
    )
    axes.figure.legend(handles=[*alone, *helped], loc="outside upper center", ncols=2, handletextpad=0.2)


@in_project_style
def confusion_map(confusion: Mapping[str, Any], *, title: str = "") -> Figure:
    """Probability of each inferred position given the actual one, as Fig. 3a of the paper.

    Parameters
    ----------
    confusion : mapping
        `confusion` of a block of metrics: ``bin_edges_um`` and ``probability``, one row for each actual bin.
    title : str
        Title of the figure.
    """
    edges = np.asarray(confusion["bin_edges_um"], np.float64)
    probability = np.asarray(confusion["probability"], np.float64)  # None becomes NaN: no frame there
    figure = Figure(figsize=(4.6, 3.9), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("#EEEEEE")
    image = axes.pcolormesh(
        edges, edges, np.ma.masked_invalid(probability.T), cmap="Blues", vmin=0, vmax=1, rasterized=True
    )
    axes.plot(edges[[0, -1]], edges[[0, -1]], color=VERMILION, linewidth=0.7, linestyle=(0, (1, 3)))
    axes.set(
        xlabel=f"actual defocus ({_UM})", ylabel=f"inferred defocus ({_UM})", title=title, aspect="equal"
    )
    bar = figure.colorbar(image, ax=axes, label="P(inferred | actual)", shrink=0.9)
    bar.outline.set_visible(False)
    return figure


@in_project_style
def error_by_z(mae_by_z: Mapping[str, Any], *, dof_um: float | None, title: str = "") -> Figure:
    """Mean absolute error and bias against defocus, with a band of one depth of field to each side of 0.

    Parameters
    ----------
    mae_by_z : mapping
        `mae_by_z` of a block of metrics.
    dof_um : float or None
        Depth of field, in um; without it there is no band.
    title : str
        Title of the figure.
    """
    centres = np.asarray(mae_by_z["bin_centres_um"], np.float64)
    figure = Figure(figsize=(4.6, 3.0), layout="constrained")
    axes = figure.subplots()
    if dof_um is not None:
        axes.axhspan(-dof_um, dof_um, color="#E8EDF1", linewidth=0, label="± 1 depth of field")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.plot(centres, _floats(mae_by_z["mae_um"]), "o-", color=BLUE, label="mean absolute error")
    axes.plot(centres, _floats(mae_by_z["bias_um"]), "s--", color=VERMILION, markersize=3, label="mean error")
    axes.set(xlabel=f"actual defocus ({_UM})", ylabel=f"error ({_UM})", title=title)
    figure.legend(loc="outside upper center", ncols=3, columnspacing=1.0, handlelength=1.6)
    return figure


@in_project_style
def inferred_vs_actual(
    actual_um: ArrayLike,
    inferred_um: ArrayLike,
    *,
    interval_low_um: ArrayLike | None = None,
    interval_high_um: ArrayLike | None = None,
    title: str = "",
) -> Figure:
    """Inferred against actual defocus, one point for each frame.

    Parameters
    ----------
    actual_um, inferred_um : array, shape (N,)
        Defocus in um; frames without a number are left out.
    interval_low_um, interval_high_um : array, shape (N,), optional
        Ends of the 90 % interval, drawn as thin lines.
    title : str
        Title of the figure.
    """
    actual, inferred = _floats(actual_um), _floats(inferred_um)
    figure = Figure(figsize=(4.2, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.axline((0, 0), slope=1, color=GREY, linewidth=0.8)
    if interval_low_um is not None and interval_high_um is not None:
        low, high = _floats(interval_low_um), _floats(interval_high_um)
        axes.vlines(actual, low, high, color=SKY, linewidth=0.7, alpha=0.5, rasterized=True)
    axes.plot(actual, inferred, ".", color=BLUE, markersize=3, alpha=0.6, markeredgewidth=0, rasterized=True)
    axes.set(xlabel=f"actual defocus ({_UM})", ylabel=f"inferred defocus ({_UM})", title=title)
    axes.set_aspect("equal", adjustable="datalim")
    return figure


@in_project_style
def focus_over_time(
    *,
    time_h: ArrayLike,
    stage_um: ArrayLike,
    focal_um: ArrayLike,
    tolerance_um: float,
    true_defocus_um: ArrayLike | None = None,
    target_um: ArrayLike = 0.0,
    events: Sequence[tuple[float, str]] = (),
    title: str = "",
) -> Figure:
    """Stage and focal position over hours, and the defocus that was left, as Fig. 6 of the paper.

    Parameters
    ----------
    time_h : array, shape (N,)
        Time of each frame since the start, in hours.
    stage_um : array, shape (N,)
        Stage position, in um.
    focal_um : array, shape (N,)
        Stage position at which the sample would be in focus, as the model has it: ``stage - defocus``, in um.
    tolerance_um : float
        Half width of the band drawn about zero, in um.
    true_defocus_um : array, shape (N,), optional
        Defocus where it is known, as on the virtual microscope, in um.
    target_um : float or array, shape (N,)
        Lock target: the defocus that is held, in um, at each time if it changed. It is taken
        off both kinds of defocus.
    events : sequence of (float, str)
        Times in hours and short labels, marked in both panels.
    title : str
        Title of the figure.
    """
    hours, stage, focal = _floats(time_h), _floats(stage_um), _floats(focal_um)
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.5, 1))
    _line(above, hours, stage, color=BLACK, label="stage", width=2.2)
    _line(above, hours, focal, color=BLUE, label="sample focus", width=0.8)
    above.set(ylabel=f"position ({_UM})", title=title)
    below.axhspan(-tolerance_um, tolerance_um, color="#E8EDF1", linewidth=0)
    below.axhline(0, color=GREY, linewidth=0.8)
    _line(below, hours, stage - focal - _floats(target_um), color=SKY, label="estimated")
    if true_defocus_um is not None:
        _line(below, hours, _floats(true_defocus_um) - _floats(target_um), color=VERMILION, label="true")
    below.set(xlabel="time (h)", ylabel=f"defocus ({_UM})")
    for axes in (above, below):
        axes.margins(x=0)
        axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 1.5, 2, 3, 5, 6, 10]))
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, handlelength=1.2)
    _mark_events(above, below, events)
    return figure


def _line(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    color: str,
    label: str,
    width: float = 1.0,
) -> None:
    axes.plot(*_thinned(x, y), color=color, linewidth=width, label=label)


def _thinned(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest value of each stretch: a day at 20 Hz keeps its outliers and fits in a file."""
    if len(y) <= _MOST_POINTS:
        return x, y
    below, above = np.nan_to_num(y, nan=np.inf), np.nan_to_num(y, nan=-np.inf)
    kept = []
    for stretch in np.array_split(np.arange(len(y)), _MOST_POINTS // 2):
        kept += sorted({stretch[below[stretch].argmin()], stretch[above[stretch].argmax()]})
    return x[kept], y[kept]


def _mark_events(above: Axes, below: Axes, events: Sequence[tuple[float, str]]) -> None:
    if events:
        low, high = above.get_ylim()
        above.set_ylim(low, high + 0.35 * (high - low))  # room for the labels
    for hour, label in events:
        for axes in (above, below):
            axes.axvline(hour, color=PURPLE, linewidth=0.8, linestyle="--")
        above.annotate(
            label,
            (hour, 0.98),
            xycoords=("data", "axes fraction"),
            xytext=(3, 0),
            textcoords="offset points",
            rotation=90,
            verticalalignment="top",
            fontsize=7.5,
            color=PURPLE,
        )


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, np.float64)  # None becomes NaN, which leaves a gap
