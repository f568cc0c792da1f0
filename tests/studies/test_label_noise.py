"""The study of annotation errors, at its smallest, and what it makes of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parfocal.studies.label_noise import STUDY, WEI
from parfocal.studies.running import run_study
from parfocal.studies.study import Results


@pytest.fixture(scope="module")
def results(studies_out: Path) -> Results:
    return run_study(STUDY, studies_out, size="toy")


def test_models_learn_from_the_annotator_and_are_judged_by_the_truth(results: Results) -> None:
    clean = results.one(label_jitter_um=0.0, label_bias_um=0.0)
    jittered = results.one(label_jitter_um=2.0)
    biased = results.one(label_bias_um=2.0)
    assert abs(clean["label_mean_um"]) < 0.5 and clean["label_std_um"] < 0.5
    assert jittered["label_std_um"] > 1
    assert abs(biased["label_mean_um"] - clean["label_mean_um"] - 2) < 0.2
    assert all(told["n_stacks"] == 2 for told in results.cases.values())


def test_networks_that_hardly_learned_tell_nothing(results: Results) -> None:
    assert [finding.verdict for finding in STUDY.findings(results)] == ["open", "open"]


def test_the_figure_shows_answers_and_annotations(results: Results) -> None:
    (drawn,) = STUDY.figures(results).values()
    lines = [axes.get_lines() for axes in drawn.figure.axes]
    assert [len(some) for some in lines] == [2, 2, 2]
    assert list(lines[0][0].get_xdata()) == [0.0, 2.0]
    assert all("(µm)" in axes.get_xlabel() for axes in drawn.figure.axes)
    assert len(STUDY.table(results).rows) == 3


def told(jitter: float, bias: float, *, mean: float, std: float) -> dict[str, Any]:
    return {
        "learner": WEI,
        "label_jitter_um": jitter,
        "label_bias_um": bias,
        "label_mean_um": bias,
        "label_std_um": jitter,
        "bias_um": mean,
        "std_um": std,
        "mse_um2": mean**2 + std**2,
    }


def results_of(*rows: dict[str, Any]) -> Results:
    return Results("quick", {str(k): row for k, row in enumerate(rows)})


def test_jitter_that_averages_out_and_a_bias_that_stays_agree() -> None:
    jitter, bias = STUDY.findings(
        results_of(
            told(0, 0, mean=0.0, std=1.0), told(2, 0, mean=0.0, std=1.25**0.5), told(0, 2, mean=-1.8, std=1.0)
        )
    )
    assert jitter.verdict == "agrees" and "25% of 2 µm" in jitter.here
    assert bias.verdict == "agrees" and "90%" in bias.here


def test_jitter_that_comes_through_and_a_bias_that_does_not_differ() -> None:
    jitter, bias = STUDY.findings(
        results_of(
            told(0, 0, mean=0.0, std=1.0), told(2, 0, mean=0.0, std=5**0.5), told(0, 2, mean=-0.2, std=1.0)
        )
    )
    assert jitter.verdict == "differs" and "100% of 2 µm" in jitter.here
    assert bias.verdict == "differs" and "10%" in bias.here
