"""Rows of the leaderboard: made once, with all their numbers, and shown with the command that makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answers import THIRDS, thirds
from contenders import CONTENDERS, Plan, contender, full_leaderboard, recipe_for, training_curve
from differences import OFFSET, PLANES_APART, difference_stack, make_differences
from leaderboard import make_rows, parse
from rows import learn_row, page, plan_of, read_rows, table, time_to_accuracy
from small_days import N_TEST, small_days

from parfocal.data import Dataset
from parfocal.errors import InputError
from parfocal.zstack import ZStack

PLANES = 11
CHEAP = ("constant", "classical", "classical-with-oracles")


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return small_days(tmp_path_factory.mktemp("days") / "days")


@pytest.fixture(scope="module")
def results(days: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for name in CHEAP:
        learn_row(days.folder, Plan(name, 8), results=folder)
    learn_row(days.folder, Plan("constant", 8, seed=1), results=folder)
    learn_row(days.folder, Plan("constant", 8, noisy=True), results=folder)
    return folder


def test_a_row_has_all_its_numbers(results: Path) -> None:
    row = json.loads((results / "constant-8-0.json").read_text("utf-8"))
    whole = row["within_15"]
    assert whole["n_images"] == N_TEST * PLANES and whole["n_stacks"] == N_TEST
    assert 2 < whole["mae_um"] < 3.2  # 2.7 for frames spread evenly over +-5 um
    assert whole["mae_um_ci95"][0] <= whole["mae_um"] <= whole["mae_um_ci95"][1]
    assert row["within_3"]["n_images"] < row["within_10"]["n_images"] == N_TEST * PLANES
    assert list(row["by_experiment"]) == ["test day"] and sorted(row["by_density"]) == sorted(THIRDS)
    assert row["accepted"] is None and whole["interval90_coverage"] is None


def test_a_measure_that_is_told_more_errs_less(results: Path) -> None:
    errors = {row["contender"]: row["within_15"]["mae_um"] for row in read_rows(results)}
    assert errors["classical-with-oracles"] < errors["classical"] < errors["constant"] + 0.3


def test_a_row_that_was_trained_says_how_long_and_how_sure(days: Dataset, tmp_path: Path) -> None:
    row = learn_row(days.folder, Plan("differences", 5, minutes=0.01), results=tmp_path)
    assert 0.6 <= row["seconds"] < 60 and row["steps"] >= 1 and row["parameters"] > 800_000
    assert row["curve"]["seconds"][-1] == row["seconds"] and len(row["curve"]["validation_mae_um"]) == 1
    assert row["within_15"]["n_images"] == N_TEST * (PLANES - PLANES_APART)
    assert 0 <= row["within_15"]["interval90_coverage"] <= 1 and 0 <= row["accepted"]["rate"] <= 1
    assert row["recipe"]["training"]["minutes"] == 0.01


def test_each_row_knows_the_plan_that_makes_it_again(results: Path) -> None:
    plans = {plan_of(row) for row in read_rows(results)}
    assert Plan("constant", 8, noisy=True) in plans and len(plans) == 5
    assert Plan("focus", 20, 2, noisy=True, minutes=8).arguments == (
        "--contender focus --stacks 20 --seed 2 --minutes 8 --noisy"
    )


def test_the_table_averages_seeds_and_keeps_noisy_labels_apart(results: Path) -> None:
    rows = read_rows(results)
    lines = table(rows).splitlines()
    assert len(lines) == 2 + len(CHEAP)
    constant = next(line for line in lines if "| constant |" in line).split(" | ")
    assert constant[1:3] == ["8", "2"]
    assert len(table(rows, noisy=True).splitlines()) == 3
    assert len({line.count("|") for line in lines}) == 1


def test_the_page_tells_the_command_of_each_row(results: Path) -> None:
    text = page(read_rows(results))
    assert text.count("leaderboard.py DAYS --contender") == 5
    assert all(f"**{name}**" in text for name in CONTENDERS)


def timed(contender: str, seed: int, curve: dict[str, float]) -> dict[str, Any]:
    """A row of which only the curve counts: seconds and the error then."""
    told = {"seconds": [float(s) for s in curve], "validation_mae_um": list(curve.values())}
    return {"contender": contender, "stacks": 100, "seed": seed, "noisy": False, "curve": told}


def test_the_time_to_the_accuracy_of_the_2018_network_is_that_of_its_best_validation() -> None:
    rows = [
        timed("wei2018-sane", 0, {"100": 0.9, "1000": 0.6, "1200": 0.7}),
        timed("focus", 0, {"10": 0.7, "20": 0.6, "90": 0.3}),
        timed("focus", 1, {"5": 0.1}),
        timed("mobilenet-v3", 0, {"10": 2.0}),
    ]
    lines = time_to_accuracy(rows).splitlines()[-2:]
    assert lines == ["| focus | 1 | 20 | 1/50 |", "| wei2018-sane | 1 | 1000 | 1/1 |"]
    assert time_to_accuracy(rows[1:]) == ""


def test_a_row_that_is_there_is_not_made_again(
    days: Dataset, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in results.iterdir()}
    arguments = [str(days.folder), "--contender", "constant", "--stacks", "8", "--results", str(results)]
    assert make_rows(parse(arguments)) == 0
    assert "0 rows to make" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in results.iterdir()}


def test_a_row_that_fails_is_told_and_counted(
    days: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(days.folder), "--contender", "constant", "--stacks", "99", "--results", str(tmp_path)]
    assert make_rows(parse(arguments)) == 1
    assert "constant-99-0: failed. Expected 2 to 12 stacks" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--all"], ["days", "--contender", "focus"]])
def test_a_command_line_that_asks_for_nothing_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)
    assert "expected" in capsys.readouterr().err


def test_the_full_leaderboard_holds_every_contender_once_for_each_size_and_seed() -> None:
    plans = list(full_leaderboard())
    assert len(set(plans)) == len(plans) == sum(len(one.sizes) * one.seeds for one in CONTENDERS.values())
    assert plans[0].contender == "constant" and plans[-1].seed == 2


def test_an_unknown_contender_is_told() -> None:
    with pytest.raises(InputError, match=r"constant, .*got 'nobody'"):
        contender("nobody")


def test_every_contender_that_trains_takes_the_seed_and_the_bound_of_its_plan() -> None:
    plan = Plan("small-net", 8, seed=3, minutes=2)
    for recipe in ("spectral", "small-net", "mobilenet-v3", "wei2018", "wei2018-sane"):
        training = recipe_for([], plan=plan, recipe=recipe).training
        assert (training.seed, training.minutes) == (3, 2) and training.steps >= 100_000


def test_thirds_are_by_number_of_cells() -> None:
    assert list(thirds({"a": 1, "b": 5, "c": 50}).values()) == list(THIRDS)
    assert set(thirds({"a": 4, "b": 4}).values()) == {THIRDS[0]}


def test_differences_are_of_planes_apart_at_the_lower_position(days: Dataset, tmp_path: Path) -> None:
    frames = np.array([[[5]], [[7]], [[1]], [[60000]]], np.uint16)
    made = difference_stack(ZStack(frames, np.array([0.0, 1.0, 2.0, 3.0]), 0.5))
    assert made.frames_zyx.ravel().tolist() == [OFFSET - 4, OFFSET + 59993]
    assert made.z_um.tolist() == [0.0, 1.0]
    pairs = make_differences(days, tmp_path / "pairs")
    assert pairs.split() == days.split() and pairs.read("s00").n_planes == PLANES - PLANES_APART


def test_the_curve_of_a_training_has_one_point_for_each_validation(tmp_path: Path) -> None:
    log = tmp_path / "csv" / "version_0" / "metrics.csv"
    log.parent.mkdir(parents=True)
    log.write_text(
        "learning_rate,loss,seconds,step,validation_mae_um\n"
        "0.1,3,1.0,10,\n0.1,3,2.0,20,0.5\n0.1,3,3.0,30,0.5\n0.1,3,4.0,40,0.4\n",
        encoding="utf-8",
    )
    assert training_curve(tmp_path) == {
        "seconds": [2.0, 4.0],
        "steps": [20, 40],
        "validation_mae_um": [0.5, 0.4],
    }
