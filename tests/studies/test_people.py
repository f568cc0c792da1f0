"""The study of people and networks, at its smallest, and what it makes of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parfocal.studies.people import DEFAULT, PEOPLE, STUDY, TESTS, WEI, focus_from, nearest_um, subjects_of
from parfocal.studies.running import run_study
from parfocal.studies.study import Results

NAMES = [person.name for person in PEOPLE]


@pytest.fixture(scope="module")
def results(studies_out: Path) -> Results:
    return run_study(STUDY, studies_out, size="toy")


def test_all_are_put_to_the_same_tests(results: Results) -> None:
    subjects = subjects_of(results)
    assert list(subjects) == [*NAMES, "2018 network", "default"]
    for told in subjects.values():
        assert [len(told[test]) for test in TESTS] == [2, 2, len(told["of_images_um"])]
        assert 50 <= len(told["of_images_um"]) <= 62


def test_people_find_planes_from_the_truth_as_far_off_as_assumed(results: Results) -> None:
    for person in PEOPLE:
        errors_um = subjects_of(results)[person.name]["from_truth_um"]
        assert np.abs(np.mean(errors_um) - person.bias_um) < 3 * person.jitter_um


def test_a_model_that_knows_such_microscopes_finds_the_plane(results: Results) -> None:
    assert np.abs(subjects_of(results)["default"]["from_truth_um"]).max() < 1.0


def test_the_figure_has_a_bar_for_each_subject_and_test(results: Results) -> None:
    (drawn,) = STUDY.figures(results).values()
    assert [len(axes.containers) for axes in drawn.figure.axes] == [12, 6, 6]
    assert [row[0] for row in STUDY.table(results).rows] == list(subjects_of(results))


def test_focus_is_the_median_over_planes_near_it() -> None:
    z_um = np.arange(90.0, 111.0)
    answers_um = z_um - 100.3
    answers_um[::7] = -3.0  # a few are wrong
    assert focus_from(z_um, answers_um) == pytest.approx(100.3)
    assert nearest_um(z_um, 100.3) == 100.0


def test_a_network_that_sees_no_plane_near_focus_names_the_nearest() -> None:
    assert focus_from(np.array([1.0, 2.0, 3.0]), np.array([-9.0, -8.0, -12.0])) == 2.0


def results_of(**of_networks: float) -> Results:
    """People who are off by 1, 2, 3 and 4 um in all tests, and networks that are off by so much."""
    off = {**{name: k + 1.0 for k, name in enumerate(NAMES)}, **of_networks}
    subjects = {
        name: {test: [-size, size] for test in (*TESTS, "from_truth_um")} for name, size in off.items()
    }
    for name in NAMES:
        subjects[name]["from_itself_um"] = [x / 2 for x in subjects[name]["from_itself_um"]]
    cases: dict[str, dict[str, Any]] = {
        "people": {"learner": "people", "subjects": {name: subjects[name] for name in NAMES}},
        WEI: {"learner": WEI, "steps": 7, "subjects": {"2018 network": subjects["2018 network"]}},
        DEFAULT: {"learner": DEFAULT, "steps": 7, "subjects": {"default": subjects["default"]}},
    }
    return Results("quick", cases)


def test_networks_that_beat_all_people_agree_with_the_paper() -> None:
    findings = STUDY.findings(results_of(**{"2018 network": 0.4, "default": 0.3}))
    assert [finding.verdict for finding in findings] == ["open", "open", "open", "agrees"]
    assert "With these it is so" in findings[0].why
    assert "H1 1.00; 2018 network 0.40, default 0.30" in findings[3].here


def test_a_network_that_beats_nobody_differs() -> None:
    findings = STUDY.findings(results_of(**{"2018 network": 5.0, "default": 0.3}))
    assert [finding.verdict for finding in findings] == ["open", "open", "open", "differs"]
    assert "With these it is not so" in findings[0].why
    assert "2018 network 5.00" in findings[0].here and "7 steps" in findings[0].why
