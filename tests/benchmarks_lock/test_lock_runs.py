"""A run of the benchmark: its numbers, its file that is not made twice, its table and figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hold
import numpy as np
import pytest
import side_by_side
from hold_figure import draw
from hold_results import is_made, read_runs, run_path, table
from holders import RuleHolder, StandsStill, Step
from lock_fakes import TruthfulEstimator
from pages import put_into
from rules import EachAnswer
from side_by_side import CONTENDERS, Course, Plan, Stand, count_losses, hold_side_by_side

from parfocal.control import Supervisor
from parfocal.errors import InputError
from tiny_microscope import TINY

PLAN = Plan(seed=3, frames=30, period_s=600.0, scene_every_s=3600.0)


def truthful(stand: Stand) -> RuleHolder:
    estimator = TruthfulEstimator(stand.microscope, noise_um=0.05, bias_um=0.0)
    supervisor = Supervisor(stand.microscope, stand.limits, clock=stand.clock)
    return RuleHolder(stand.camera, supervisor, EachAnswer(estimator))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(side_by_side, "virtual_microscope", lambda plan: TINY)
    return hold_side_by_side(PLAN, {"2018": truthful, "none": lambda stand: StandsStill()})


def test_side_by_side_one_follows_the_drift_and_the_other_stays(told: dict[str, Any]) -> None:
    held, still = told["contenders"]["2018"], told["contenders"]["none"]
    assert held["rms_um"] < 1.2 < 3 < still["largest_um"]
    assert held["moves"] > 0 == still["moves"] and held["losses"] == 0 < still["losses"]
    assert still["travel_um"] == 0 < held["travel_um"]
    assert len(told["t_s"]) == len(told["courses"]["none"]["true_um"]) == PLAN.frames // 5
    assert told["courses"]["none"]["told_um"] == [None] * (PLAN.frames // 5)
    assert told["courses"]["2018"]["true_um"][0] == told["courses"]["none"]["true_um"][0]


def test_numbers_of_a_course_are_those_of_its_true_defocus() -> None:
    steps = [Step(0.0, 0.0, is_refused=True), Step(1.0, -1.0), Step(3.0, 0.5, says_lost=True), Step(0.0, 0.0)]
    numbers = Course(true_um=[0.0, 1.0, 3.5, -0.5], steps=steps).numbers()
    assert numbers["rms_um"] == pytest.approx(np.sqrt((1 + 3.5**2 + 0.25) / 4))
    assert (numbers["largest_um"], numbers["within_1um"]) == (3.5, 0.75)
    assert (numbers["losses"], numbers["reported_losses"]) == (1, 1)
    assert (numbers["moves"], numbers["travel_um"], numbers["refused"]) == (2, 1.5, 0.25)


def test_focus_that_never_came_back_is_lost_once() -> None:
    assert count_losses([0.0, 4.0, 2.0, 9.0, 3.5]) == 1


def run(seed: int, rms_um: float, losses: int) -> dict[str, Any]:
    numbers = {
        "rms_um": rms_um,
        "largest_um": 4 * rms_um,
        "within_1um": 1 - rms_um / 2,
        "losses": losses,
        "reported_losses": 0,
        "moves": 40,
        "travel_um": 41.5,
        "wall_s": 2.0,
        "cpu_s": 1.5,
    }
    courses = {"true_um": [0.1 * k for k in range(20)], "told_um": [None] * 20}
    return {
        "plan": {"seed": seed, "frames": 100, "period_s": 72.0},
        "models": {"ours": "abc", "paper": "def"},
        "processor": "a processor",
        "commit": "0123456789",
        "date": "2018-03-16",
        "contenders": dict.fromkeys(CONTENDERS, numbers),
        "t_s": [360.0 * k for k in range(20)],
        "courses": dict.fromkeys(CONTENDERS, courses),
    }


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for seed, rms_um, losses in ((100, 0.3, 0), (101, 0.4, 2)):
        run_path(tmp_path, seed).write_text(json.dumps(run(seed, rms_um, losses)), "utf-8")
    return tmp_path


def test_the_table_has_a_line_for_each_contender_over_all_runs(results: Path) -> None:
    lines = table(read_runs(results)).splitlines()
    assert lines[2] == ("| parfocal | 0.350 | 0.400 | 0.354 | 1.60 | 82.50% | 1 of 2 | 2 | 40 | 42 | 15.00 |")
    assert len(lines) == 2 + len(CONTENDERS) + 2
    assert "2 runs of 2 h, seeds 100 to 101" in lines[-1] and "commit 0123456789; 2018-03-16." in lines[-1]


def test_a_run_that_is_there_is_not_made_again_and_one_of_another_plan_is_refused(results: Path) -> None:
    plan = run(100, 0.3, 0)["plan"]
    assert is_made(run_path(results, 100), {"plan": plan})
    assert not is_made(run_path(results, 102), {"plan": plan})
    with pytest.raises(InputError, match="Choose another place"):
        is_made(run_path(results, 100), {"plan": {**plan, "frames": 7}})


def test_runs_that_were_not_made_alike_have_no_table(results: Path) -> None:
    odd = {**run(102, 0.1, 0), "models": {"ours": "xyz", "paper": "def"}}
    run_path(results, 102).write_text(json.dumps(odd), "utf-8")
    with pytest.raises(InputError, match="one pair of models"):
        read_runs(results)
    with pytest.raises(InputError, match="holds no runs"):
        read_runs(results / "elsewhere")


def test_the_figure_has_a_line_for_each_contender_and_their_distributions(results: Path) -> None:
    runs = read_runs(results)
    over_time, of_all = draw(runs, seed=101).axes
    assert {line.get_label() for line in over_time.get_lines()} >= set(CONTENDERS)
    assert over_time.get_xlabel() == "time (h)" and "µm" in over_time.get_ylabel()
    assert of_all.get_title(loc="left") == "all 2 runs"
    with pytest.raises(InputError, match="got 7"):
        draw(runs, seed=7)


def test_a_table_takes_its_place_in_the_page_again_and_again(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- hold -->\n<!-- /hold -->\nafter\n", "utf-8")
    for text in ("first\n", "second\n"):
        put_into(page, "hold", text)
    assert page.read_text("utf-8") == "before\n<!-- hold -->\n\nsecond\n\n<!-- /hold -->\nafter\n"
    with pytest.raises(InputError, match="one place"):
        put_into(page, "kicks", "text")


@pytest.mark.parametrize("arguments", [[], ["ours.safetensors"]])
def test_a_command_line_that_asks_for_nothing_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        hold.parse(arguments)
    assert "expected two models" in capsys.readouterr().err
