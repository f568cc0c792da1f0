"""The study of how many z-stacks are needed, at its smallest, and what it makes of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parfocal.studies.running import run_study
from parfocal.studies.stack_count import CALIBRATED, DEFAULT, NAMES, STUDY, WEI
from parfocal.studies.study import Results


@pytest.fixture(scope="module")
def results(studies_out: Path) -> Results:
    return run_study(STUDY, studies_out, size="toy")


def test_each_learner_is_asked_about_the_test_stacks(results: Results) -> None:
    assert {told["learner"] for told in results.cases.values()} == {WEI, DEFAULT, CALIBRATED}
    assert all(told["n_stacks"] == 2 and told["mse_um2"] > 0 for told in results.cases.values())
    assert results.one(learner=DEFAULT)["start"] == "bright-field-high-na"
    assert results.one(learner=CALIBRATED)["steps"] == 0


def test_what_the_shipped_model_knows_shows_after_a_few_steps(results: Results) -> None:
    ours, paper = results.one(learner=DEFAULT), results.one(learner=WEI, collected=6)
    assert ours["mse_um2"] < 2 < paper["mse_um2"]


def test_the_figure_has_a_point_for_each_model(results: Results) -> None:
    (drawn,) = STUDY.figures(results).values()
    left, right = drawn.figure.axes
    counts = sorted(x for line in right.get_lines() for x in line.get_xdata())
    assert counts == sorted(told["collected"] for told in results.cases.values())
    assert len(left.containers) == 3
    assert "µm²" in right.get_ylabel() and "µm" in left.get_ylabel()


def test_the_table_has_a_row_for_each_model(results: Results) -> None:
    rows = STUDY.table(results).rows
    assert len(rows) == len(results.cases)
    assert rows[0][:2] == (NAMES[WEI], "3")


def test_six_stacks_cannot_tell_what_happens_at_a_hundred(results: Results) -> None:
    assert STUDY.findings(results)[0].verdict == "open"


def told(learner: str, collected: int, mse_um2: float) -> dict[str, Any]:
    return {"learner": learner, "collected": collected, "mse_um2": mse_um2, "steps": 1}


def results_of(*rows: dict[str, Any]) -> Results:
    return Results("paper", {f"{row['learner']}-{row['collected']}": row for row in rows})


def test_a_drop_at_a_hundred_and_a_slow_fall_are_what_the_paper_found() -> None:
    knee, most, few = STUDY.findings(
        results_of(told(WEI, 50, 9.0), told(WEI, 100, 3.0), told(WEI, 345, 2.0), told(DEFAULT, 20, 1.5))
    )
    assert knee.verdict == most.verdict == "agrees"
    assert "50 stacks 9.0, 100 stacks 3.0, 345 stacks 2.0" in knee.here
    assert few.verdict == "differs" and "1.50 µm² with 20 stacks; the 2018 network with 345" in few.here


def test_errors_that_do_not_fall_differ() -> None:
    knee, most, few = STUDY.findings(
        results_of(told(WEI, 50, 3.0), told(WEI, 100, 3.1), told(WEI, 345, 3.2), told(DEFAULT, 20, 4.0))
    )
    assert knee.verdict == most.verdict == "differs"
    assert few.verdict == "open" and "No other learner" in few.here
