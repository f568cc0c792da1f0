from __future__ import annotations

import numpy as np
import pytest

from parfocal.evaluation.bootstrap import N_RESAMPLES, ci95_of_mean, resampled_means

STACKS = np.repeat(np.arange(12), 20)


def test_a_value_that_is_the_same_everywhere_has_no_spread() -> None:
    assert ci95_of_mean(np.full(240, 0.25), STACKS) == [0.25, 0.25]


def test_the_interval_is_about_as_wide_as_theory_says() -> None:
    of_stack = np.random.default_rng(0).normal(0, 1, 200)
    low, high = ci95_of_mean(np.repeat(of_stack, 5), np.repeat(np.arange(200), 5)) or (0, 0)
    assert high - low == pytest.approx(2 * 1.96 * of_stack.std() / np.sqrt(200), rel=0.1)


def test_a_stack_of_more_frames_weighs_more() -> None:
    means = resampled_means(np.array([1.0, 1.0, 1.0, 5.0]), np.array(["a", "a", "a", "b"]))
    assert means is not None
    assert sorted(set(means.tolist())) == [1.0, 2.0, 5.0]
    assert len(means) == N_RESAMPLES


def test_the_draws_do_not_depend_on_the_values() -> None:
    values = np.random.default_rng(1).normal(0, 1, 240)
    first, doubled = (resampled_means(factor * values, STACKS) for factor in (1.0, 2.0))
    np.testing.assert_array_equal(2 * np.asarray(first), doubled)


def test_one_stack_tells_nothing_of_others() -> None:
    assert ci95_of_mean(np.array([1.0, 2.0]), np.array(["a", "a"])) is None
    assert ci95_of_mean(np.array([]), np.array([])) is None
