"""Frames to be refused: each kind can be simulated, and a model is told by how it refuses them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from days import EXPERIMENTS, TUNING
from rejection import Asked, area_under_curve, compare, measure, summary, table
from small_days import N_TEST, small_days
from unfamiliar import FAILING, failing, foreign

from parfocal.evaluation.evaluate import json_text
from parfocal.model import FocusEstimator, load_recipe, train

PLANES = 11


def asked(score: list[float], std_um: list[float], error_um: list[float]) -> Asked:
    n = len(score)
    return Asked(
        np.array(score),
        np.array(std_um),
        np.array(score) >= 0.5,
        np.array(error_um),
        np.ones(n, bool),
    )


@pytest.mark.parametrize("day", [*EXPERIMENTS, *TUNING], ids=lambda day: day.name)
def test_each_kind_can_be_simulated_on_each_day(day) -> None:
    kinds = [*foreign(day.settings), *failing(day.settings)]
    names = [name for name, _ in kinds]
    assert len(set(names)) == len(names) == 12 and set(FAILING) < set(names)
    assert all(microscope != day.settings for _, microscope in kinds)


def test_the_area_is_that_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    ordinary, strange = random.integers(0, 9, 40).astype(float), random.integers(0, 6, 25).astype(float)
    pairs = np.mean(
        (ordinary[:, None] > strange) + 0.5 * (ordinary[:, None] == strange),
    )
    assert area_under_curve(ordinary, strange) == pytest.approx(pairs)


def test_a_broad_answer_tells_what_the_score_does_not() -> None:
    ordinary = asked([0.9, 0.8, 0.7], [0.2, 0.3, 0.3], [0.1, 0.1, 0.2])
    broad = asked([0.9, 0.8, 0.4], [2.0, 3.0, 4.0], [5.0, 0.0, 9.0])
    told = compare(ordinary, broad)
    assert told["auc_width"] == 1.0 > told["auc_score"] and told["auc_both"] == 1.0
    assert told["refused"] == pytest.approx(1 / 3) == told["wrong_and_accepted"]


def test_frames_without_a_right_answer_are_not_counted_as_wrong() -> None:
    assert compare(asked([0.9], [0.2], [0.1]), asked([0.1], [1.0], [np.nan]))["wrong"] == 0.0


def test_a_model_that_accepts_nothing_has_no_errors_among_what_it_accepts() -> None:
    told = summary(asked([0.1, 0.2], [1.0, 1.0], [3.0, 0.0]))
    assert told["accepted"] == 0.0 and told["wrong"] == 0.5
    assert told["wrong_of_accepted"] is None and told["interval90_coverage_of_accepted"] is None


def test_a_model_is_measured_on_days_and_scenes(tmp_path: Path) -> None:
    days = small_days(tmp_path / "days")
    recipe = load_recipe("spectral")
    recipe = recipe.replace(
        sampling=recipe.sampling.replace(crop_um=38.0).model_dump(),
        training=recipe.training.replace(steps=20).model_dump(),
    )
    train(days, out=tmp_path / "m.safetensors", recipe=recipe)
    told = measure(FocusEstimator.load(tmp_path / "m.safetensors"), days, {"same": days})
    assert told["ordinary"]["n_images"] == N_TEST * PLANES == told["strange"]["same"]["n_images"]
    assert told["strange"]["same"]["auc_score"] == pytest.approx(0.5)
    assert told["strange"]["blank"]["auc_score"] == 1.0 and told["strange"]["blank"]["refused"] == 1.0
    assert list(told["by_experiment"]) == ["test day"]
    assert table(json.loads(json_text(told))).count("\n| ") >= 8
