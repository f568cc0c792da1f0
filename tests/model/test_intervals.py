"""Intervals hold the truth of stacks to come, and are wider where a model errs further."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parfocal.model.intervals import (
    EVEN,
    WRONG_UM,
    Intervals,
    learn_stretch,
    stack_scale,
    widest_spread_um,
)


def errors_of_stacks(n: int, planes: int, random: np.random.Generator) -> np.ndarray:
    """Frames of one stack err alike: shape (n, planes)."""
    return random.lognormal(0, 0.6, (n, 1)) * np.abs(random.normal(size=(n, planes)))


@pytest.mark.parametrize("n_stacks", [10, 25, 70])
def test_frames_of_a_further_stack_are_held_as_often_as_it_says(n_stacks: int) -> None:
    random = np.random.default_rng(0)
    held = []
    for _ in range(600):
        ratios = errors_of_stacks(n_stacks + 1, 12, random)
        scale = stack_scale(ratios[:-1].ravel(), np.repeat(np.arange(n_stacks), 12))
        held.append(np.mean(ratios[-1] <= scale))
    assert 0.88 <= np.mean(held) <= 0.9 + 1 / n_stacks + 0.02


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.integers(1, 8))
def test_the_scale_is_one_of_the_ratios(ratios: list[float], n_stacks: int) -> None:
    assert stack_scale(np.array(ratios), np.arange(len(ratios)) % n_stacks) in ratios


def test_few_stacks_make_it_as_wide_as_the_widest_error() -> None:
    assert stack_scale(np.array([1.0, 2.0, 9.0, 3.0]), np.array([0, 0, 1, 1])) == 9.0


def test_intervals_are_wider_where_errors_are_larger() -> None:
    random = np.random.default_rng(0)
    defocus_um = random.uniform(-15, 15, 4000)
    ratios = np.abs(random.normal(size=4000)) * (0.2 + np.abs(defocus_um) / 10)
    at_um, stretch = learn_stretch(defocus_um, ratios)
    intervals = Intervals(at_um, stretch, math.inf)
    even = ratios / intervals.stretch_at(defocus_um)
    near, far = (even[np.abs(defocus_um) < 4], even[np.abs(defocus_um) > 11])
    assert np.quantile(far, 0.9) / np.quantile(near, 0.9) == pytest.approx(1, abs=0.5)
    assert intervals.stretch_at(14.0) > 2.5 * intervals.stretch_at(0.0)
    assert intervals.stretch_at(-14.0) == intervals.stretch_at(14.0)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(-20, 20), st.floats(0, 50)), min_size=1, max_size=60))
def test_the_stretch_is_above_nothing_and_finite(frames: list[tuple[float, float]]) -> None:
    _, stretch = learn_stretch(*np.array(frames).T)
    assert (stretch > 0).all() and np.isfinite(stretch).all()
    assert stretch.mean() == pytest.approx(1)


def test_answers_that_are_too_broad_are_those_that_are_wrong_but_few() -> None:
    spread_um = np.linspace(0.5, 2.5, 1000)
    right = np.zeros(1000)
    assert widest_spread_um(spread_um, right, most_refused=0.01) == 2.5
    wrong_when_broad = np.where(spread_um > 2.495, 2 * WRONG_UM, 0)
    assert 2.4 < widest_spread_um(spread_um, wrong_when_broad, most_refused=0.01) < 2.5
    always_wrong = np.full(1000, 2 * WRONG_UM)
    for most in (0.01, 0.2):
        widest_um = widest_spread_um(spread_um, always_wrong, most_refused=most)
        assert np.mean(spread_um > widest_um) == pytest.approx(most, abs=0.002)


def test_a_model_file_keeps_all_of_it() -> None:
    intervals = Intervals(np.array([0.0, 5.0]), np.array([0.5, 1.5]), 2.0)
    again = Intervals.from_arrays(intervals.arrays())
    assert again.stretch_at(2.5) == pytest.approx(1.0) and again.widest_spread_um == 2.0
    assert Intervals.from_arrays(EVEN.arrays()).widest_spread_um == math.inf


def test_the_same_spread_is_too_broad_only_where_errors_are_large() -> None:
    intervals = Intervals(np.array([0.0, 10.0]), np.array([0.5, 1.5]), 1.0)
    assert not intervals.is_too_broad(defocus_um=-1.0, spread_um=1.0)
    assert intervals.is_too_broad(defocus_um=-9.0, spread_um=1.0)
    assert not EVEN.is_too_broad(defocus_um=9.0, spread_um=100.0)
