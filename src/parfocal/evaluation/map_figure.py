"""The defocus map drawn over its frame, beside a colour bar on which the frame's answer stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parfocal.errors import InputError
from parfocal.estimate import FocusEstimate
from parfocal.evaluation.figures import in_project_style, save_figure
from parfocal.evaluation.montage import draw_scale_bar
from parfocal.model import FocusEstimator
from parfocal.model.defocus_map import LEAST_EVIDENCE, DefocusMap
from parfocal.model.estimate_images import ImageFrame, image_frames

COLOURS = "plasma"
"""In order of brightness too, and apart for every kind of colour vision."""
OPAQUE = 0.55
"""Of the colour where evidence is at its usual: cells stay visible under it."""
POINTS = 240
"""Of the drawn map along the longer side."""
LEAST_SPAN_UM = 2.0
"""Of the colour bar: differences below the accuracy of a cell should not look like differences."""
FRAME_INCHES = 4.2
MINUS = "\N{MINUS SIGN}"
SUFFIXES = (".png", ".pdf", ".svg", ".jpg")


@in_project_style
def defocus_map_figure(
    frame_yx: NDArray[Any],
    defocus_map: DefocusMap,
    estimate: FocusEstimate,
    *,
    pixel_size_um: float,
    title: str = "",
) -> Figure:
    """A frame in grey, its defocus map in colour where there is one, and what the frame as a whole says.

    Parameters
    ----------
    frame_yx : array, shape (Y, X)
    defocus_map : DefocusMap
    estimate : FocusEstimate
        Both of that frame.
    pixel_size_um : float
        Side of a pixel in the sample.
    title : str
    """
    height_px, width_px = frame_yx.shape
    field_um = width_px * pixel_size_um, height_px * pixel_size_um
    figure = Figure(figsize=_size_inches(width_px / height_px), layout="constrained")
    axes = figure.subplots()
    low, high = np.percentile(frame_yx, (0.5, 99.5)).tolist()
    extent = (0.0, field_um[0], field_um[1], 0.0)
    axes.imshow(frame_yx, cmap="gray", vmin=low, vmax=max(high, low + 1), extent=extent)
    defocus_um, evidence = _drawn(defocus_map, field_um)
    scale = Normalize(*_span_um(defocus_um, estimate))
    colours = ScalarMappable(scale, COLOURS)
    if estimate.accepted:
        axes.imshow(_overlay(defocus_um, evidence, colours), extent=extent, interpolation="bilinear")
    axes.set_axis_off()
    draw_scale_bar(axes, field_um=field_um[0])
    axes.set_title(title)
    axes.text(0, -0.03, in_words(estimate), transform=axes.transAxes, verticalalignment="top")
    if estimate.accepted:
        bar = figure.colorbar(colours, ax=axes, shrink=0.85, pad=0.02, label="defocus (µm)")
        _mark(bar.ax, estimate)
    return figure


def in_words(estimate: FocusEstimate) -> str:
    """What stands under the map: the frame's answer, and its layers if there are several.

    Examples
    --------
    >>> layered = FocusEstimate(-1.2, 0.3, (-1.7, -0.7), None, None, 0.9, True, (-1.3, 8.04), 1.0)
    >>> in_words(layered)
    'frame −1.2 µm (90 %: −1.7 to −0.7);  layers at −1.3 and +8.0 µm'
    """
    if not estimate.accepted:
        return "cannot tell: unlike the images of the training"
    low, high = (_signed(end_um) for end_um in estimate.interval90_um)
    words = f"frame {_signed(estimate.defocus_um)} µm (90 %: {low} to {high})"
    if len(estimate.layers_um) < 2:
        return words
    layers = " and ".join(_signed(layer_um) for layer_um in sorted(estimate.layers_um))
    return f"{words};  layers at {layers} µm"


def draw_maps(
    estimator: FocusEstimator, images: Sequence[Path], *, out: Path, pixel_size_um: float | None = None
) -> Iterator[Path]:
    """Draws the map of every plane of some images, and gives the name of each file that is written.

    Parameters
    ----------
    estimator : FocusEstimator
    images : sequence of Path
    out : Path
        The figure; of several, ``name-00.png``, ``name-01.png`` and so on.
    pixel_size_um : float, optional
        Needed where a file does not tell its pixel size.

    Raises
    ------
    ImageFileError
        If a file is no image, or its pixel size is unknown or contradicted.
    ModelError
        If the model was not made for the image, or its network has no tiles.
    OutputError
        If a figure cannot be written.
    """
    planes = image_frames(images, pixel_size_um=pixel_size_um)
    first, second = next(planes), next(planes, None)
    if second is None:
        yield save_figure(_figure_of(estimator, first), out)
        return
    for number, image in enumerate(chain((first, second), planes)):
        path = out.with_name(f"{out.stem}-{number:02d}{out.suffix}")
        yield save_figure(_figure_of(estimator, image), path)


def check_figure_name(path: Path) -> None:
    """Refuses the name of a figure that no figure can have.

    Raises
    ------
    InputError
        If it ends with none of the known suffixes, or its folder does not exist.
    """
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}. Make it, or choose another --out.")
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"Expected a figure named {', '.join(f'*{s}' for s in SUFFIXES)}; got '{path.name}'."
        )


def _figure_of(estimator: FocusEstimator, image: ImageFrame) -> Figure:
    frame_yx, pixel_um = image.frame_yx, image.pixel_size_um
    return defocus_map_figure(
        frame_yx,
        estimator.defocus_map(frame_yx, pixel_size_um=pixel_um),
        estimator.estimate(frame_yx, pixel_size_um=pixel_um),
        pixel_size_um=pixel_um,
        title=image.path.name if image.n_planes == 1 else f"{image.path.name}, plane {image.plane}",
    )


def _signed(um: float) -> str:
    return f"{um:+.1f}".replace("-", MINUS)


def _size_inches(aspect: float) -> tuple[float, float]:
    """Width and height; the longer side of the frame is the same whatever its shape."""
    across, down = FRAME_INCHES * min(aspect, 1.0), FRAME_INCHES / max(aspect, 1.0)
    return across + 1.0, down + 0.55


def _drawn(
    defocus_map: DefocusMap, field_um: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Defocus and evidence on a grid over the whole field, fine enough to look smooth."""
    step_um = max(field_um) / POINTS
    x_um, y_um = (np.arange(step_um / 2, side, step_um, dtype=np.float64) for side in field_um)
    defocus_um, _, evidence = defocus_map.on_grid(x_um, y_um)
    return defocus_um, evidence


def _span_um(defocus_um: NDArray[np.float64], estimate: FocusEstimate) -> tuple[float, float]:
    """Ends of the colour bar: most of the map, and the answers that are marked on it."""
    told = defocus_um[np.isfinite(defocus_um)]
    ends = np.percentile(told, (2, 98)).tolist() if told.size else []
    values = [*ends, estimate.defocus_um, *estimate.layers_um]
    low, high = min(values), max(values)
    missing = max(LEAST_SPAN_UM - (high - low), 0.0)
    return low - missing / 2, high + missing / 2


def _overlay(
    defocus_um: NDArray[np.float64], evidence: NDArray[np.float64], colours: ScalarMappable
) -> NDArray[np.float64]:
    """Colour with opacity, shape (y, x, 4): the more evidence, the more opaque."""
    rgba: NDArray[np.float64] = colours.to_rgba(defocus_um)
    strength = np.clip((evidence - LEAST_EVIDENCE) / (1 - LEAST_EVIDENCE), 0, 1) ** 0.5
    rgba[..., 3] = OPAQUE * np.where(np.isfinite(defocus_um), strength, 0.0)
    return rgba


def _mark(bar: Axes, estimate: FocusEstimate) -> None:
    """The frame's answer as a line across the colour bar, its layers as triangles beside it."""
    bar.axhline(estimate.defocus_um, color="white", linewidth=1.6)
    bar.axhline(estimate.defocus_um, color="black", linewidth=0.8)
    if len(estimate.layers_um) > 1:
        bar.plot(
            [-0.15] * len(estimate.layers_um),
            estimate.layers_um,
            ">",
            color="black",
            clip_on=False,
            transform=bar.get_yaxis_transform(),
        )
