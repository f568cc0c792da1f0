from __future__ import annotations

import csv
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from informed_estimator import InformedEstimator, make_dataset, text_of

from parfocal.data import CellRow, Dataset, write_cells
from parfocal.errors import DatasetError, OutputError
from parfocal.estimate import Estimator
from parfocal.evaluation.evaluate import evaluate
from parfocal.evaluation.figures import display_name
from parfocal.evaluation.json_text import json_text
from parfocal.evaluation.report import write_report
from parfocal.focus_measures import FOCUS_MEASURES


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("data") / "blobs")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    folder = tmp_path_factory.mktemp("out") / "made" / "for it"
    evaluate(InformedEstimator(dataset), dataset, out=folder, name="informed")
    return folder


@pytest.fixture
def metrics(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return found


def in_range(dataset: Dataset, part: str, limit_um: float = 4.0) -> list[float]:
    names = dataset.ids_in(part)
    z_um = np.concatenate([dataset.read(n).defocus_um(dataset.focus_z_um(n)) for n in names])
    return sorted(z_um[np.abs(z_um) <= limit_um])


def test_the_fake_is_an_estimator(dataset: Dataset) -> None:
    assert isinstance(InformedEstimator(dataset), Estimator)


def test_the_known_error_comes_out(metrics: dict[str, Any], dataset: Dataset) -> None:
    assert metrics["mae_um"] == pytest.approx(0.2)
    assert metrics["bias_um"] == pytest.approx(0.2)
    assert metrics["std_um"] == pytest.approx(0, abs=1e-9)
    assert metrics["interval90_coverage"] == 1
    assert metrics["n_stacks"] == 2
    assert metrics["dof_um"] == dataset.settings.dof_um


def test_frames_outside_the_models_range_are_counted_and_left_out(
    metrics: dict[str, Any], dataset: Dataset
) -> None:
    expected = len(in_range(dataset, "test"))
    assert metrics["n_images"] == expected
    assert metrics["n_outside_range"] == 22 - expected > 0


def test_accepted_frames_have_their_own_accuracy(metrics: dict[str, Any], dataset: Dataset) -> None:
    rate = len(in_range(dataset, "test", 3.0)) / len(in_range(dataset, "test"))
    expected = {"rate": rate, "mae_um": 0.2, "within_1um": 1.0, "wrong_sign_rate": 0.0}
    assert metrics["accepted"] == pytest.approx(expected)
    assert metrics["accepted_rate"] == pytest.approx(rate)
    assert metrics["answered_rate"] == 1


def test_the_record_says_what_was_evaluated_on_what(metrics: dict[str, Any], dataset: Dataset) -> None:
    assert metrics["part"] == "test"
    assert metrics["model"] == {"name": "informed", "fingerprint": "informed-1", "z_range_um": [-4.0, 4.0]}
    assert metrics["dataset"]["fingerprint"] == dataset.fingerprint()
    assert metrics["dataset"]["objective"]["numerical_aperture"] == 1.3
    assert metrics["n_baseline_stacks"] == 3


def test_bands_and_baselines_carry_the_same_block(metrics: dict[str, Any]) -> None:
    keys = {"n_stacks", "n_images", "mae_um", "rmse_um", "mse_um2", "bias_um", "std_um", "within_1um"}
    keys |= {"within_half_dof", "wrong_sign_rate", "interval90_coverage", "mae_by_z", "confusion", "dof_um"}
    blocks = [metrics, *metrics["by_band"].values(), *metrics["baselines"].values()]
    assert all(keys <= set(block) for block in blocks)
    assert set(metrics["by_band"]) == {"0-3", "3-10"}
    assert all(block["n_images"] == metrics["n_images"] for block in metrics["baselines"].values())


def test_a_measure_that_sees_the_blur_beats_the_constant_when_helped(metrics: dict[str, Any]) -> None:
    baselines = metrics["baselines"]
    assert baselines["tenengrad_with_oracles"]["mae_um"] < 0.6 * baselines["constant"]["mae_um"]
    assert metrics["mae_um"] < baselines["tenengrad"]["mae_um"]


def test_the_table_of_frames_holds_every_answer(metrics: dict[str, Any], out: Path, dataset: Dataset) -> None:
    with (out / metrics["frames"]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = "stack plane actual_um inferred_um std_um low_um high_um in_distribution accepted pit"
    columns += " experiment n_cells"
    assert list(rows[0]) == columns.split()
    assert {row["stack"] for row in rows} == set(dataset.ids_in("test"))
    assert sorted(float(row["actual_um"]) for row in rows) == pytest.approx(in_range(dataset, "test"))
    first = rows[0]
    stack = dataset.read(first["stack"])
    z_um = stack.defocus_um(dataset.focus_z_um(first["stack"]))[int(first["plane"])]
    assert float(first["actual_um"]) == pytest.approx(z_um)


def test_nothing_half_written_is_left(out: Path) -> None:
    names = ("error_summary", "confusion_map", "error_by_z", "inferred_vs_actual", "reliability")
    files = {"metrics.json", "per_frame.csv", "report.html", "worst"} | {f"{name}.svg" for name in names}
    assert {item.name for item in out.iterdir()} == files
    worst = {item.name for item in (out / "worst").iterdir()}
    assert worst == {"worst.json"} | {f"{n}.{kind}" for n in range(1, 7) for kind in ("png", "svg")}


def test_what_is_returned_is_what_is_written(dataset: Dataset, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    got = evaluate(
        InformedEstimator(dataset),
        dataset,
        out=tmp_path,
        part="validation",
        progress=lambda done, total: told.append((done, total)),
    )
    assert json.loads((tmp_path / "metrics.json").read_text()) == got
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert got["mae_um_ci95"] is None


def test_an_unknown_depth_of_field_and_silence_are_reported_as_such(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", objective=None)
    estimator = InformedEstimator(dataset, silent_above_um=0.0)
    got = evaluate(estimator, dataset, out=tmp_path / "out")
    assert got["dof_um"] is None
    assert 0.3 < got["answered_rate"] < 0.7
    assert "depths of field" not in text_of(tmp_path / "out" / "report.html")


def test_a_model_that_never_answers_still_gets_its_report(dataset: Dataset, tmp_path: Path) -> None:
    got = evaluate(InformedEstimator(dataset, silent_above_um=-np.inf), dataset, out=tmp_path)
    assert got["mae_um"] is None
    assert "no answer for any" in text_of(tmp_path / "report.html")


def test_stacks_out_of_the_models_reach_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    estimator = InformedEstimator(dataset, z_range_um=(50.0, 60.0))
    with pytest.raises(DatasetError, match="between 50 and 60 um"):
        evaluate(estimator, dataset, out=tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="taken"):
        evaluate(InformedEstimator(dataset), dataset, out=tmp_path / "taken", progress=pytest.fail)


def test_the_report_is_one_file_that_needs_no_network(out: Path) -> None:
    page = text_of(out / "report.html")
    assert page.count("data:image/svg+xml;base64,") == 5 + 6
    assert page.count("data:image/png;base64,") == 6
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "<script" not in page


def test_the_report_says_the_verdict_in_um_and_depths_of_field(out: Path, metrics: dict[str, Any]) -> None:
    page = html.unescape(text_of(out / "report.html"))
    depths = 0.2 / metrics["dof_um"]
    assert f"Half of the answers are within 0.20 µm ({depths:.2f} depths of field) of the truth" in page
    assert "100 % within 1 µm; the side of focus is wrong in 0 %." in page


def test_the_report_lists_every_measure_alone_and_helped_and_draws_the_best(out: Path) -> None:
    page = html.unescape((out / "report.html").read_text())
    assert all(page.count(f"<td>{display_name(name)}</td>") == 2 for name in FOCUS_MEASURES)
    drawn = (out / "error_summary.svg").read_text()
    labels = [display_name(name) for name in FOCUS_MEASURES if f"<!-- {display_name(name)} -->" in drawn]
    assert 4 <= len(labels) <= 8


def test_names_from_the_dataset_cannot_break_the_page(out: Path) -> None:
    page = text_of(out / "report.html")
    assert "<dots>" not in page
    assert "blobs &amp; &lt;dots&gt;" in page


def test_the_report_can_be_drawn_again_from_the_numbers(out: Path) -> None:
    page = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert write_report(out).read_bytes() == page


def test_the_page_shows_the_worst_images_and_which_of_them_the_model_refuses(out: Path) -> None:
    page = text_of(out / "report.html")
    assert page.count("off by 0.20 µm") == 6
    assert page.count("the model abstains</figcaption>") == 2


def test_the_intervals_of_the_report_hold_as_often_as_they_do(out: Path, metrics: dict[str, Any]) -> None:
    found = metrics["reliability"]
    # the error is 2/3 of the stated deviation, which intervals of 50 % and more hold
    assert found["normal"]["share"] == [0.0] * 4 + [1.0] * 6
    assert found["interval90"]["share"] == metrics["interval90_coverage"] == 1
    assert found["distribution"]["share"] == [None] * 10  # the fake has a single bin
    assert "in 100 % of the images (95 %: 100 to 100 %): they are wider than needed" in text_of(
        out / "report.html"
    )


def test_one_experiment_and_unknown_cells_are_left_out_with_a_word(
    out: Path, metrics: dict[str, Any]
) -> None:
    assert list(metrics["by_experiment"]) == ["one"]
    assert metrics["by_experiment"]["one"]["mae_um"] == metrics["mae_um"]
    assert metrics["by_density"] == {}
    page = text_of(out / "report.html")
    assert "All stacks are of one experiment" in page
    assert "told by cells.csv" in page


def test_experiments_and_numbers_of_cells_have_their_own_accuracy(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", experiments=("one", "two"))
    rows = [
        CellRow(name, "yeast", 1.0, 1.0, 5.0, 2.0, "floor")
        for count, name in enumerate(dataset.stack_ids())
        for _ in range(count)
    ]
    write_cells(dataset.folder, rows)
    got = evaluate(InformedEstimator(dataset), dataset, out=tmp_path / "out", part="train")
    assert {name: block["n_stacks"] for name, block in got["by_experiment"].items()} == {"one": 2, "two": 1}
    assert {name: block["n_cells"] for name, block in got["by_density"].items()} == {
        "fewest": [0, 0],
        "middle": [1, 1],
        "most": [2, 2],
    }
    page = text_of(tmp_path / "out" / "report.html")
    assert "fewest: 0" in page and "<td>two<small>" in page


def test_numbers_of_an_earlier_version_are_refused(out: Path, tmp_path: Path) -> None:
    metrics = json.loads((out / "metrics.json").read_text())
    del metrics["reliability"]
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(DatasetError, match="expected reliability among the numbers"):
        write_report(tmp_path)


def test_a_report_without_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"metrics\.json"):
        write_report(tmp_path)


def test_json_keeps_lists_on_a_line_and_refuses_what_is_no_number() -> None:
    values = {"a": [[1.5, None], [2.0, 3.0]], "b": "[x,\n y]", "c": [], "d": {"e": ["f, g", "[h]"]}}
    text = json_text(values)
    assert json.loads(text) == values
    assert "[1.5, null]" in text
    with pytest.raises(ValueError, match="JSON"):
        json_text({"a": float("nan")})
