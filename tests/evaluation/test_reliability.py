from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parfocal.evaluation.reliability import LEVELS, probability_below, reliability

CENTRES_UM = [-1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("actual_um", "expected"),
    [(-1.5, 0.0), (-1.0, 0.1), (-0.5, 0.2), (0.0, 0.5), (0.5, 0.8), (1.5, 1.0), (9.0, 1.0), (-9.0, 0.0)],
)
def test_probability_grows_evenly_inside_each_bin(actual_um: float, expected: float) -> None:
    assert probability_below(actual_um, [0.2, 0.6, 0.2], CENTRES_UM) == pytest.approx(expected)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=9), st.floats(-20, 20), st.floats(0, 5))
def test_probability_lies_between_0_and_1_and_never_falls(
    weights: list[float], at_um: float, further_um: float
) -> None:
    centres = np.arange(len(weights)) * 2.0
    here, there = (probability_below(z, weights, centres) for z in (at_um, at_um + further_um))
    assert 0 <= here <= there <= 1


@pytest.mark.parametrize(
    ("probabilities", "centres"),
    [([1.0], [0.0]), ([math.nan, math.nan], [0.0, 1.0]), ([0.0, 0.0], [0.0, 1.0])],
    ids=["one bin", "not a number", "nothing"],
)
def test_what_is_no_distribution_has_no_probability(probabilities: list[float], centres: list[float]) -> None:
    assert math.isnan(probability_below(0.0, probabilities, centres))


def block(n: int = 4, **others: Any) -> dict[str, Any]:
    keywords: dict[str, Any] = {
        "actual_um": np.zeros(n),
        "inferred_um": np.zeros(n),
        "std_um": np.ones(n),
        "low_um": np.full(n, -1.0),
        "high_um": np.full(n, 1.0),
        "pit": np.full(n, 0.5),
        "accepted": np.full(n, True),
        "stacks": np.arange(n),
        **others,
    }
    return reliability(**keywords)


def at_level(shares: dict[str, Any], level: float) -> float:
    return float(shares["share"][LEVELS.index(level)])


def test_central_intervals_hold_what_is_counted_by_hand() -> None:
    # needed: 0, 0.4, 0.6 and 1 of the probability
    found = block(pit=[0.5, 0.3, 0.8, 1.0])["distribution"]
    assert [at_level(found, level) for level in (0.3, 0.4, 0.6, 0.95)] == [0.25, 0.5, 0.75, 0.75]


def test_normal_intervals_hold_what_is_counted_by_hand() -> None:
    # one deviation holds 68.3 %, 1.2 hold 77.0 %, two hold 95.4 %
    found = block(inferred_um=[0.0, 1.0, -1.2, 4.0], std_um=[1.0, 1.0, 1.0, 2.0])["normal"]
    assert [at_level(found, level) for level in (0.6, 0.7, 0.8, 0.95)] == [0.25, 0.5, 0.75, 0.75]


def test_the_stated_interval_is_counted_with_and_without_what_is_refused() -> None:
    found = block(actual_um=[0.0, 1.0, 2.0, 3.0], accepted=[True, True, True, False])
    everywhere, accepted = found["interval90"], found["interval90_accepted"]
    assert (everywhere["share"], everywhere["n_images"], everywhere["median_width_um"]) == (0.5, 4, 2.0)
    assert (accepted["share"], accepted["n_images"]) == (pytest.approx(2 / 3), 3)


def test_honest_distributions_lie_on_the_diagonal() -> None:
    generator = np.random.default_rng(0)
    error_um = generator.normal(0, 0.7, 4000)
    found = block(
        4000,
        inferred_um=error_um,
        std_um=np.full(4000, 0.7),
        pit=generator.uniform(0, 1, 4000),
        stacks=np.arange(4000) % 200,
    )
    for name in ("distribution", "normal"):
        np.testing.assert_allclose(found[name]["share"], LEVELS, atol=0.03)
        assert all(low <= share <= high for share, (low, high) in _with_ends(found[name]))


def _with_ends(shares: dict[str, Any]) -> list[tuple[float, list[float]]]:
    return list(zip(shares["share"], shares["share_ci95"], strict=True))


def test_frames_without_an_answer_or_a_distribution_do_not_count() -> None:
    found = block(inferred_um=[0.0, 0.0, 0.0, np.nan], pit=[0.5, 1.0, np.nan, 0.5], low_um=[-1, -1, 1, -1])
    assert at_level(found["distribution"], 0.9) == 0.5
    assert found["interval90"]["n_images"] == 3
    assert found["interval90"]["share"] == pytest.approx(2 / 3)


def test_silence_is_none_and_json_can_hold_it() -> None:
    found = block(inferred_um=np.full(4, np.nan))
    assert found["interval90"]["share"] is None
    assert found["normal"]["share"] == [None] * len(LEVELS)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
