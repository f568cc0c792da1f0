"""Frames like those of the training score high, others low."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import zoom
from small_world import BACKGROUND, PIXEL_UM, SIDE_PX, frame_at

from parfocal.model import FocusEstimator
from parfocal.model.familiarity import Familiarity, clipped_fraction, describe, learn_familiarity

DEFOCUS_UM = np.linspace(-4, 4, 9)


def scores(estimator: FocusEstimator, change) -> NDArray[np.float64]:
    """Scores of changed frames of unseen scenes."""
    frames = [change(frame_at(z_um, seed=300 + k, side_px=2 * SIDE_PX)) for k, z_um in enumerate(DEFOCUS_UM)]
    return np.array([estimator.estimate(frame, pixel_size_um=PIXEL_UM).in_distribution for frame in frames])


def _magnified(factor: float):
    def change(frame: NDArray[np.uint16]) -> NDArray[np.uint16]:
        return zoom(frame.astype(float), factor, order=1).clip(0, 65535).astype(np.uint16)

    return change


def _as_it_is(frame: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return frame


def _inverted(frame: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return (2 * BACKGROUND - frame).clip(0, 65535).astype(np.uint16)


def _blank(frame: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return np.full_like(frame, round(BACKGROUND))


def test_frames_of_unseen_scenes_are_familiar(estimator: FocusEstimator) -> None:
    assert (scores(estimator, _as_it_is) > 0.5).all()


@pytest.mark.parametrize(
    ("change", "at_most"),
    [(_magnified(2.0), 0.5), (_magnified(0.5), 0.5), (_inverted, 0.9), (_blank, 0.1)],
    ids=["twice the magnification", "half the magnification", "inverted contrast", "blank"],
)
def test_frames_of_another_kind_are_less_familiar(change, at_most: float, estimator: FocusEstimator) -> None:
    changed = scores(estimator, change)
    assert changed.mean() < at_most and changed.mean() < scores(estimator, _as_it_is).mean()


def test_a_description_does_not_depend_on_the_gain() -> None:
    frame = torch.from_numpy(frame_at(2.0, seed=1).astype(np.float32))
    np.testing.assert_allclose(describe(3 * frame), describe(frame), rtol=1e-4, atol=1e-4)


def test_a_description_depends_little_on_the_size_of_the_frame() -> None:
    whole, part = (
        torch.from_numpy(frame_at(3.0, seed=1, side_px=160)[:n, :n].astype(np.float32)) for n in (160, 97)
    )
    assert np.abs(describe(whole) - describe(part)).max() < 1


@pytest.mark.parametrize("n_frames", [1, 2, 50])
def test_any_number_of_training_frames_will_do(n_frames: int) -> None:
    random = np.random.default_rng(0)
    training = random.normal(size=(n_frames, 23)).astype(np.float32)
    familiarity = learn_familiarity(training, np.arange(n_frames) % 3, training)
    assert np.isfinite(familiarity.distance(training)).all()


def test_most_held_out_frames_lie_within_the_usual_distance() -> None:
    random = np.random.default_rng(0)
    training, held_out, others = (random.normal(size=(600, 10)).astype(np.float32) for _ in range(3))
    familiarity = learn_familiarity(training, np.zeros(600, int), held_out)
    inside = (familiarity.distance(others) <= familiarity.usual_distance).mean()
    assert inside == pytest.approx(0.95, abs=0.03)


def test_a_frame_that_cannot_be_described_is_not_familiar() -> None:
    familiarity = Familiarity(np.zeros((1, 23), np.float32), np.eye(23, dtype=np.float32), 1.0)
    assert familiarity.score(torch.full((20, 20), torch.nan)) == 0.0


@pytest.mark.parametrize(
    ("frame", "fraction"),
    [
        (np.arange(100).reshape(10, 10), 0.01),
        (np.ones((5, 5)), 1.0),
        (np.eye(10), 0.9),
        (1 - np.eye(10), 0.9),
    ],
    ids=["none", "all", "black", "white"],
)
def test_clipping_is_counted_at_either_end(frame: NDArray[np.float64], fraction: float) -> None:
    assert clipped_fraction(frame) == pytest.approx(fraction)


def test_clipping_that_training_frames_had_too_is_usual() -> None:
    clipped = np.minimum(np.arange(100).reshape(10, 10), 80)
    plain = Familiarity(np.zeros((1, 1)), np.eye(1), 1.0)
    used_to_it = Familiarity(np.zeros((1, 1)), np.eye(1), 1.0, usual_clipping=0.2)
    assert plain.is_clipped(clipped) and not used_to_it.is_clipped(clipped)
