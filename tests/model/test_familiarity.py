"""Familiar frames score high, frames of another kind low; learned in advance, frame by frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom
from small_world import BACKGROUND, PIXEL_UM, SIDE_PX, frame_at

from parfocal.model import FocusEstimator
from parfocal.model.familiarity import (
    Evidence,
    Familiarity,
    clipped_fraction,
    everything_familiar,
    learn_familiarity,
)
from parfocal.model.judge import NOBODY

DEFOCUS_UM = np.linspace(-4, 4, 9)
N_BINS = 5


def scores(estimator: FocusEstimator, change) -> NDArray[np.float64]:
    """Scores of changed frames of unseen scenes, as large as those that the model knows."""
    frames = [change(frame_at(z_um, seed=300 + k, side_px=2 * SIDE_PX)) for k, z_um in enumerate(DEFOCUS_UM)]
    frames = [frame[:SIDE_PX, :SIDE_PX] for frame in frames]
    return np.array([estimator.estimate(frame, pixel_size_um=PIXEL_UM).in_distribution for frame in frames])


def evidence(n: int, *, seed: int, away: float = 0.0, n_numbers: int = 6) -> Evidence:
    """Of frames whose numbers go with defocus, all of them away by so many standard deviations."""
    random = np.random.default_rng(seed)
    defocus_um = random.uniform(-10, 10, n)
    numbers = random.normal(away, 1, (n, n_numbers)) + defocus_um[:, None]
    return Evidence((numbers,), defocus_um, random.uniform(0.4, 0.6, n), np.full((n, N_BINS), 1 / N_BINS))


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


def _dark(frame: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return np.random.default_rng(0).poisson(3, frame.shape).astype(np.uint16)


def _saturated(frame: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return np.minimum(frame, np.quantile(frame, 0.6)).astype(np.uint16)


def _lit_from_one_side(frame: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return (frame * np.linspace(0.4, 1.6, frame.shape[1])).astype(np.uint16)


def _empty(frame: NDArray[np.uint16]) -> NDArray[np.uint16]:
    shade = gaussian_filter(frame.astype(float), 30)
    return (shade + np.random.default_rng(1).normal(0, 10, frame.shape)).astype(np.uint16)


def test_frames_of_unseen_scenes_are_familiar(estimator: FocusEstimator) -> None:
    assert np.mean(scores(estimator, _as_it_is) > 0.5) >= 8 / 9


@pytest.mark.parametrize(
    ("change", "at_most"),
    [
        (_magnified(2.0), 0.5),
        (_magnified(0.5), 0.7),
        (_inverted, 0.7),
        (_blank, 0.01),
        (_dark, 0.01),
        (_saturated, 0.5),
        (_lit_from_one_side, 0.7),
        (_empty, 0.5),
    ],
    ids=["double", "half", "inverted", "blank", "dark", "saturated", "light from one side", "empty"],
)
def test_frames_of_another_kind_are_less_familiar(
    change, at_most: float, well_taught: FocusEstimator
) -> None:
    """A few stacks teach little; the benchmark has the numbers for more."""
    changed, usual = scores(well_taught, change), scores(well_taught, _as_it_is)
    assert np.median(changed) < min(at_most, np.median(usual)) and (changed >= 0).all()


def test_a_score_does_not_depend_on_the_frames_before(estimator: FocusEstimator) -> None:
    frame = frame_at(1.0, seed=77)
    alone = estimator.estimate(frame, pixel_size_um=PIXEL_UM).in_distribution
    scores(estimator, _inverted)
    assert estimator.estimate(frame, pixel_size_um=PIXEL_UM).in_distribution == alone


@pytest.mark.parametrize("n_frames", [1, 2, 50])
def test_any_number_of_training_frames_will_do(n_frames: int) -> None:
    few = evidence(n_frames, seed=0)
    learned = learn_familiarity(few, evidence(n_frames, seed=1, away=3), held_out=few, n_stacks=100)
    assert np.isfinite(learned.scores(few)).all()


def test_a_wide_gap_of_the_answers_leaves_no_frame_unjudged() -> None:
    low, high = evidence(20, seed=0), evidence(20, seed=1)
    apart = Evidence(
        tuple(np.concatenate(views) for views in zip(low.views, high.views, strict=True)),
        np.concatenate([low.defocus_um - 200, high.defocus_um + 200]),
        np.concatenate([low.spread_um, high.spread_um]),
        np.concatenate([low.probabilities, high.probabilities]),
    )
    learned = learn_familiarity(apart, held_out=apart, n_stacks=100)
    assert np.isfinite(learned.scores(apart)).all()
    assert np.isfinite(learned.scores(low)).all()  # these lie in the gap


def test_one_frame_in_a_hundred_is_doubted() -> None:
    learned = learn_familiarity(evidence(3000, seed=0), held_out=evidence(1000, seed=1), n_stacks=100)
    assert np.mean(learned.scores(evidence(3000, seed=2)) < 0.5) == pytest.approx(0.01, abs=0.01)


def test_the_fewer_stacks_were_held_out_the_later_doubt_begins() -> None:
    familiar, held_out, unseen = (evidence(1000, seed=k, away=away) for k, away in enumerate((0, 0, 1.5)))
    refused = [
        np.mean(learn_familiarity(familiar, held_out=held_out, n_stacks=n).scores(unseen) < 0.5)
        for n in (1, 4, 100)
    ]
    assert refused[0] < refused[1] < refused[2]


def test_what_one_view_does_not_show_another_may() -> None:
    def two_views(seed: int, *, away: float = 0.0) -> Evidence:
        one = evidence(1000, seed=seed)
        return replace(one, views=(*one.views, np.random.default_rng(seed).normal(away, 1, (1000, 3))))

    learned = learn_familiarity(two_views(0), held_out=two_views(1), n_stacks=100)
    assert np.mean(learned.scores(two_views(2)) > 0.5) > 0.95
    assert np.mean(learned.scores(two_views(3, away=8)) < 0.5) > 0.95
    again = Familiarity.from_arrays(learned.arrays(), usual_clipping=0)
    np.testing.assert_allclose(again.scores(two_views(2)), learned.scores(two_views(2)), atol=1e-3)


def test_what_lies_far_from_frames_of_its_defocus_is_strange_though_others_are_like_it() -> None:
    learned = learn_familiarity(evidence(2000, seed=0), held_out=evidence(500, seed=1), n_stacks=100)
    usual = evidence(200, seed=2)
    elsewhere = replace(usual, defocus_um=-usual.defocus_um)
    far = np.abs(usual.defocus_um) > 3
    assert (learned.scores(elsewhere)[far] < 0.5).all()


def test_a_judge_that_was_shown_strange_frames_tells_what_distance_does_not() -> None:
    familiar, strange = evidence(2000, seed=0), evidence(2000, seed=3, away=0.8)
    held_out, unseen = evidence(500, seed=1), evidence(500, seed=4, away=0.8)
    alone = learn_familiarity(familiar, held_out=held_out, n_stacks=100)
    judged = learn_familiarity(familiar, strange, held_out=held_out, n_stacks=100)
    assert (judged.scores(unseen) < 0.5).mean() > 2 * (alone.scores(unseen) < 0.5).mean()


def test_one_judge_of_all_refuses_as_many_ordinary_frames_as_it_may_and_the_strange_ones() -> None:
    familiar, held_out, others = (evidence(n, seed=k) for n, k in ((2000, 0), (1000, 1), (1000, 5)))
    strange, unseen = (crooked(evidence(2000, seed=k)) for k in (3, 4))
    refused = {}
    for most_strange in (None, 0.02, 0.2):
        learned = learn_familiarity(
            familiar, strange, held_out=held_out, n_stacks=100, most_strange=most_strange
        )
        refused[most_strange] = [float((learned.scores(e) < 0.5).mean()) for e in (others, unseen)]
    assert refused[0.02][0] < 0.05 and 0.15 < refused[0.2][0] < 0.25
    assert refused[0.02][1] < refused[0.2][1] and refused[0.2][1] > 3 * refused[None][1]


def crooked(usual: Evidence) -> Evidence:
    """Some numbers higher, others lower."""
    return replace(usual, views=(usual.views[0] + 0.8 * np.resize([1, -1], 6),))


def test_a_model_file_keeps_the_one_judge_too() -> None:
    learned = learn_familiarity(
        evidence(300, seed=0),
        evidence(300, seed=1, away=1),
        held_out=evidence(100, seed=2),
        n_stacks=100,
        most_strange=0.1,
    )
    again, unseen = (
        Familiarity.from_arrays(learned.arrays(), usual_clipping=0.0),
        evidence(100, seed=9, away=0.5),
    )
    np.testing.assert_allclose(again.scores(unseen), learned.scores(unseen), atol=1e-3)
    assert again.verdict and not _LEARNED.verdict


@settings(max_examples=50)
@given(st.floats(-1e6, 1e6), st.floats(0.3, 20))
def test_scores_lie_between_0_and_1(number: float, spread_um: float) -> None:
    learned = _LEARNED
    one = Evidence((np.full((1, 6), number),), np.zeros(1), np.full(1, spread_um), np.full((1, N_BINS), 0.2))
    assert 0 <= learned.scores(one)[0] <= 1


_LEARNED = learn_familiarity(
    evidence(200, seed=0), evidence(200, seed=1, away=3), held_out=evidence(100, seed=2), n_stacks=100
)


def test_a_judge_that_knows_its_frames_by_heart_is_not_heard() -> None:
    few, strange = evidence(30, seed=0, n_numbers=60), evidence(30, seed=1, n_numbers=60)
    elsewhere = evidence(60, seed=2, n_numbers=60, away=-1.5)
    assert learn_familiarity(few, strange, held_out=elsewhere, n_stacks=100).opinions[0].judge is NOBODY


def test_what_cannot_be_told_is_not_familiar() -> None:
    one = evidence(1, seed=0)
    assert _LEARNED.scores(replace(one, views=(np.full((1, 6), np.nan),)))[0] == 0.0
    assert everything_familiar().scores(one)[0] == 1.0


def test_a_model_file_keeps_all_of_it() -> None:
    again = Familiarity.from_arrays(_LEARNED.arrays(), usual_clipping=0.25)
    unseen = evidence(100, seed=9, away=1)
    np.testing.assert_allclose(again.scores(unseen), _LEARNED.scores(unseen), atol=1e-3)
    assert again.usual_clipping == 0.25


def test_the_same_seed_learns_the_same() -> None:
    learned = [
        learn_familiarity(
            evidence(200, seed=0),
            evidence(200, seed=1, away=3),
            held_out=evidence(100, seed=2),
            n_stacks=100,
            seed=seed,
        )
        for seed in (5, 5, 6)
    ]
    hidden = [familiarity.opinions[0].judge.hidden for familiarity in learned]
    np.testing.assert_array_equal(hidden[0], hidden[1])
    assert (hidden[0] != hidden[2]).any()


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
    plain = everything_familiar()
    assert plain.is_clipped(clipped) and not replace(plain, usual_clipping=0.2).is_clipped(clipped)
