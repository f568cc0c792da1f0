from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from informed_estimator import InformedEstimator, make_dataset, text_of

from parfocal.data import Dataset
from parfocal.errors import DatasetError
from parfocal.evaluation.comparison_report import compare, comparison_verdict, write_comparison_page
from parfocal.evaluation.evaluate import evaluate


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("data") / "blobs")


@pytest.fixture(scope="module")
def evaluations(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evaluations of a model that errs by 0.5 um, and of one that errs by 0.2 um and reaches less far."""
    folder = tmp_path_factory.mktemp("evaluations")
    poor, good = (
        InformedEstimator(dataset, error_um=0.5),
        InformedEstimator(dataset, z_range_um=(-3.0, 3.0)),
    )
    evaluate(poor, dataset, out=folder / "poor", name="poor")
    evaluate(good, dataset, out=folder / "good", name="good")
    evaluate(good, dataset, out=folder / "other part", part="train")
    return folder


@pytest.fixture(scope="module")
def found(evaluations: Path) -> dict[str, Any]:
    return compare(evaluations / "poor", evaluations / "good", out=evaluations)


def test_the_known_difference_comes_out(found: dict[str, Any]) -> None:
    assert (found["a"]["name"], found["b"]["name"]) == ("poor", "good")
    assert found["difference"]["mae_um"] == pytest.approx(-0.3)
    assert comparison_verdict(found["difference"]) == (
        "Which errs less cannot be told: B by 0.30 µm less (95 %: 0.30 µm less to 0.30 µm less), on 100 % "
        "of the stacks."
    )
    assert found["difference"]["p_value"] == 0.5  # from two stacks


def test_images_outside_either_range_are_counted_and_left_out(
    found: dict[str, Any], evaluations: Path
) -> None:
    of_a, of_b = (json.loads((evaluations / name / "metrics.json").read_text()) for name in ("poor", "good"))
    outside = {"a": of_a["n_outside_range"], "b": of_b["n_outside_range"], "either": of_b["n_outside_range"]}
    assert found["outside_range"] == outside
    assert outside["b"] > outside["a"] > 0
    assert found["difference"]["n_images"] == of_b["n_images"]


def test_a_model_against_itself_makes_no_difference(evaluations: Path, tmp_path: Path) -> None:
    same = compare(evaluations / "good", evaluations / "good", out=tmp_path)
    assert same["difference"]["mae_um"] == 0
    assert comparison_verdict(same["difference"]) == "A and B err alike."


def test_the_page_is_one_file_drawn_from_the_numbers(found: dict[str, Any], evaluations: Path) -> None:
    page = text_of(evaluations / "compare.html")
    assert json.loads((evaluations / "compare.json").read_text()) == found
    assert "B by 0.30 µm less" in page
    assert page.count("data:image/svg+xml;base64,") == 2
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "<dots>" not in page
    (evaluations / "compare.html").unlink()
    assert text_of(write_comparison_page(evaluations)) == page


@pytest.mark.parametrize(
    ("mean_um", "ends", "said"),
    [
        (-0.05, [-0.08, -0.02], "B errs by 0.05 µm less (95 %: 0.02 to 0.08 µm), on 75 % of the stacks."),
        (0.05, [0.02, 0.08], "B errs by 0.05 µm more (95 %: 0.02 to 0.08 µm), on 25 % of the stacks."),
        (-0.05, [-0.08, 0.02], "cannot be told: B by 0.05 µm less (95 %: 0.08 µm less to 0.02 µm more)"),
        (-0.05, None, "B errs by 0.05 µm less on this one stack, which says nothing of others."),
        (0.0, None, "A and B err alike."),
    ],
    ids=["less", "more", "cannot tell", "one stack", "alike"],
)
def test_the_verdict_says_no_more_than_is_known(mean_um: float, ends: list[float] | None, said: str) -> None:
    shares = {"stacks_a_better": 0.25, "stacks_b_better": 0.75, "p_value": 0.01}
    assert said in comparison_verdict({"mae_um": mean_um, "mae_um_ci95": ends, **shares})


def test_what_may_be_chance_is_no_verdict() -> None:
    shares = {"stacks_a_better": 0.0, "stacks_b_better": 1.0, "p_value": 0.06}
    said = comparison_verdict({"mae_um": -0.05, "mae_um_ci95": [-0.08, -0.02], **shares})
    assert said.startswith("Which errs less cannot be told: B by 0.05 µm less")


def test_evaluations_of_different_images_are_refused(evaluations: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"of the part 'test'.*of the part 'train'"):
        compare(evaluations / "good", evaluations / "other part", out=tmp_path)


def test_a_folder_without_an_evaluation_is_refused(evaluations: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"metrics\.json.*Evaluate again"):
        compare(evaluations / "good", tmp_path, out=tmp_path)
    with pytest.raises(DatasetError, match=r"compare\.json.*Compare again"):
        write_comparison_page(tmp_path)
