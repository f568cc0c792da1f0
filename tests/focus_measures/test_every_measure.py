from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from measured_frames import cells, texture
from numpy.typing import NDArray

from parfocal.errors import InputError
from parfocal.focus_measures import FOCUS_MEASURES

SHIFTS_DILUTE = (
    "brenner",
    "tenengrad",
    "laplacian_variance",
    "laplacian_energy",
    "normalised_variance",
    "vollath_f4",
    "vollath_f5",
)
OF_GREY_VALUES = {"entropy"}
"""What looks at how many grey values there are: blurred edges have more."""
every_measure = pytest.mark.parametrize("name", FOCUS_MEASURES)


@every_measure
def test_a_score_is_one_finite_number_for_each_frame_and_the_frames_stay_as_they_were(name: str) -> None:
    frames = np.stack([cells(seed=seed) for seed in range(3)]).astype(np.uint16)
    before = frames.copy()
    scores = FOCUS_MEASURES[name](frames)
    assert scores.shape == (3,)
    assert scores.dtype == np.float64
    assert np.all(np.isfinite(scores) & (scores > 0))
    np.testing.assert_array_equal(frames, before)


@every_measure
def test_a_frame_scores_the_same_alone_and_in_a_stack(name: str) -> None:
    frames = np.stack([cells(seed=seed) for seed in range(3)])
    alone = [FOCUS_MEASURES[name](frame[None])[0] for frame in frames]
    np.testing.assert_array_equal(FOCUS_MEASURES[name](frames), alone)


@every_measure
def test_a_brighter_lamp_does_not_change_the_score(name: str) -> None:
    dim, bright = FOCUS_MEASURES[name](np.stack([cells(), 3.7 * cells()]))
    assert bright == pytest.approx(dim, rel=1e-3)


@every_measure
@pytest.mark.parametrize("turned", [np.rot90, np.flipud, np.fliplr, np.transpose])
def test_turning_or_mirroring_the_frame_does_not_change_the_score(
    name: str, turned: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    upright, other = (float(FOCUS_MEASURES[name](frame[None])[0]) for frame in (cells(), turned(cells())))
    assert other == pytest.approx(upright, rel=1e-6)


@pytest.mark.parametrize("name", [name for name in FOCUS_MEASURES if name not in OF_GREY_VALUES])
def test_sharp_edges_beat_blurred_ones(name: str) -> None:
    scores = FOCUS_MEASURES[name](np.stack([cells(blur_px=blur) for blur in (0.7, 1.5, 3.0, 6.0)]))
    assert np.all(np.diff(scores) < 0)


@every_measure
def test_sharp_texture_beats_blurred_texture(name: str) -> None:
    scores = FOCUS_MEASURES[name](np.stack([texture(blur_px=blur) for blur in (1.0, 2.0, 4.0)]))
    assert np.all(np.diff(scores) < 0)


@every_measure
def test_the_type_of_the_grey_values_does_not_matter(name: str) -> None:
    whole = np.rint(cells()[None] / 8)
    scores = [FOCUS_MEASURES[name](whole.astype(kind))[0] for kind in (np.uint8, np.uint16, np.float32)]
    assert scores == pytest.approx([scores[0]] * 3)


@every_measure
@pytest.mark.parametrize("shape", [(3, 3), (3, 10), (9, 4)])
def test_the_smallest_frames_have_a_score_too(name: str, shape: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).uniform(50, 100, shape)
    upright, turned = FOCUS_MEASURES[name](frame[None])[0], FOCUS_MEASURES[name](np.rot90(frame)[None])[0]
    assert np.isfinite(upright)
    assert turned == pytest.approx(upright)


@every_measure
def test_no_score_is_below_nothing_even_of_noise(name: str) -> None:
    noise = np.random.default_rng(6).normal(1000, 10, (20, 16, 16))
    assert np.all(FOCUS_MEASURES[name](noise) >= 0)


@every_measure
def test_a_black_frame_scores_nothing(name: str) -> None:
    assert FOCUS_MEASURES[name](np.zeros((2, 8, 8), np.uint8)).tolist() == [0.0, 0.0]


@every_measure
@pytest.mark.parametrize("shape", [(8, 8), (1, 2, 8), (1, 8, 2)])
def test_frames_of_another_shape_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"shape \(Z, Y, X\)"):
        FOCUS_MEASURES[name](np.ones(shape))


@pytest.mark.parametrize("name", SHIFTS_DILUTE)
def test_stray_light_only_dilutes_the_score(name: str) -> None:
    clean, stray = cells(), cells() + 500
    scores = FOCUS_MEASURES[name](np.stack([clean, stray]))
    assert scores[0] * clean.mean() ** 2 == pytest.approx(scores[1] * stray.mean() ** 2)
