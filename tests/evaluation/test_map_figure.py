"""The map's figure: colour only where something is told, and the frame's answer in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from parfocal.errors import InputError
from parfocal.estimate import FocusEstimate
from parfocal.evaluation.figures import save_figure
from parfocal.evaluation.map_figure import check_figure_name, defocus_map_figure, in_words
from parfocal.model import BinSettings
from parfocal.model.defocus_map import DefocusMap, TileEvidence

BINS = BinSettings(lowest_um=-8, highest_um=8)
CENTRES_UM = BINS.centres_um
FRAME = np.random.default_rng(0).integers(500, 3000, (80, 120)).astype(np.uint16)
PIXEL_UM = 0.5
ESTIMATE = FocusEstimate(
    defocus_um=-2.0,
    std_um=0.3,
    interval90_um=(-2.5, -1.5),
    probabilities=np.full(17, 1 / 17),
    bin_centres_um=CENTRES_UM,
    in_distribution=0.9,
    accepted=True,
    layers_um=(-3.0, 4.0),
    latency_ms=1.0,
)


def half_told() -> DefocusMap:
    """Evidence on the left half of a field of 60 x 40 um only: -3 um above, +4 um below."""
    defocus_um = np.repeat([[-3.0], [4.0]], 5, axis=0) + np.zeros((10, 15))
    weights = np.where(np.arange(15) < 7, 1.0, 1e-4) + np.zeros((10, 15))
    logits = -0.5 * (CENTRES_UM[:, None, None] - defocus_um) ** 2
    y_um, x_um = (4.0 * (np.arange(n) + 0.5) for n in (10, 15))
    return DefocusMap(TileEvidence(logits, weights / weights.sum(), y_um, x_um, CENTRES_UM, spread_scale=1.0))


def drawn(estimate: FocusEstimate = ESTIMATE) -> Figure:
    return defocus_map_figure(FRAME, half_told(), estimate, pixel_size_um=PIXEL_UM, title="image.tif")


def test_colour_lies_where_evidence_is() -> None:
    axes, bar = drawn().axes
    frame, overlay = axes.images
    assert frame.get_extent() == overlay.get_extent() == [0, 60, 40, 0]
    opacity = np.asarray(overlay.get_array())[..., 3]
    middle = opacity.shape[1] // 2
    assert opacity[:, : middle - 20].min() > 0.3
    assert opacity[:, middle + 30 :].max() == 0
    assert "µm" in bar.get_ylabel()


def test_the_two_layers_have_the_colours_of_their_defocus() -> None:
    axes, bar = drawn().axes
    colours = np.asarray(axes.images[1].get_array())
    above, below = colours[5, 20, :3], colours[-5, 20, :3]
    assert np.abs(above - below).max() > 0.3
    low_um, high_um = bar.get_ylim()
    assert low_um <= -3 and high_um >= 4


def test_where_the_model_abstains_the_frame_is_drawn_alone() -> None:
    figure = drawn(replace(ESTIMATE, accepted=False))
    (axes,) = figure.axes
    assert len(axes.images) == 1
    assert any("cannot tell" in text.get_text() for text in axes.texts)


def test_one_layer_is_not_told_twice() -> None:
    assert in_words(replace(ESTIMATE, layers_um=(-2.0,))) == (
        "frame \N{MINUS SIGN}2.0 µm (90 %: \N{MINUS SIGN}2.5 to \N{MINUS SIGN}1.5)"
    )


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_it_can_be_written(suffix: str, tmp_path: Path) -> None:
    assert save_figure(drawn(), tmp_path / f"map{suffix}").stat().st_size > 5000


def test_a_name_that_no_figure_can_have_is_refused() -> None:
    check_figure_name(Path("a.png"))
    with pytest.raises(InputError, match=r"\*\.png, .*got 'a\.tif'"):
        check_figure_name(Path("a.tif"))
