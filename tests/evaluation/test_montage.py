from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from parfocal.errors import InputError
from parfocal.evaluation.figures import save_figure
from parfocal.evaluation.montage import through_focus_montage

DEFOCUS_UM = [4.0, -4.0, 0.0, 1.5, -1.5]
FRAMES = np.random.default_rng(0).integers(500, 3000, (5, 24, 32)).astype(np.uint16)


def montage(frames: np.ndarray = FRAMES, defocus_um: list[float] = DEFOCUS_UM) -> Figure:
    return through_focus_montage(frames, defocus_um, pixel_size_um=0.5)


def shown(figure: Figure) -> dict[str, np.ndarray]:
    """Each frame under what is written on it."""
    return {axes.texts[0].get_text(): np.asarray(axes.images[0].get_array()) for axes in figure.axes}


def test_every_frame_stands_under_its_defocus() -> None:
    written = {"+4 µm": 0, "-4 µm": 1, "in focus": 2, "+1.5 µm": 3, "-1.5 µm": 4}
    frames = shown(montage())
    assert frames.keys() == written.keys()
    assert all(np.array_equal(frames[label], FRAMES[k]) for label, k in written.items())


def test_frames_above_focus_stand_over_those_as_far_below() -> None:
    places = {axes.texts[0].get_text(): axes.get_position() for axes in montage().axes}
    for distance in ("1.5", "4"):
        above, below = places[f"+{distance} µm"], places[f"-{distance} µm"]
        assert above.x0 == pytest.approx(below.x0)
        assert above.y0 > below.y1
    assert places["in focus"].x1 < places["+1.5 µm"].x0 < places["+4 µm"].x0
    assert places["in focus"].height == pytest.approx(1.0)


def test_all_frames_share_one_grey_scale() -> None:
    windows = {axes.images[0].get_clim() for axes in montage().axes}
    assert windows == {tuple(np.percentile(FRAMES, [0.5, 99.5]).tolist())}


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    [focus] = [axes for axes in montage().axes if axes.patches]
    [bar] = focus.patches
    assert focus.texts[1].get_text() == "2 µm"
    assert bar.get_width() * 32 * 0.5 == pytest.approx(2.0)


@pytest.mark.parametrize(
    "defocus_um",
    [
        pytest.param([0.0], id="one"),
        pytest.param([1.0, 2.0, 3.0], id="one side"),
        pytest.param([2.0, 2.0], id="twice"),
    ],
)
def test_any_planes_make_a_picture(defocus_um: list[float], tmp_path: Path) -> None:
    figure = montage(FRAMES[: len(defocus_um)], defocus_um)
    assert len(figure.axes) == len(defocus_um)
    assert save_figure(figure, tmp_path / "stack.jpg").read_bytes().startswith(b"\xff\xd8")


def test_frames_without_contrast_make_a_picture() -> None:
    assert len(montage(np.full((2, 8, 8), 7, np.uint16), [0.0, 1.0]).axes) == 2


@pytest.mark.parametrize("n", [0, 3])
def test_a_frame_without_its_defocus_is_refused(n: int) -> None:
    with pytest.raises(InputError, match=f"got {n} frames and 5 values"):
        montage(FRAMES[:n])
