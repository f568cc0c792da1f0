"""The command line from z-stacks to a held focus, as a user goes through it."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from command_line import Parfocal
from parfocal.control import RunLog

ESTIMATE_KEYS = [
    "path",
    "plane",
    "z_um",
    "defocus_um",
    "std_um",
    "interval90_um",
    "in_distribution",
    "accepted",
]
METRIC_KEYS = {
    *("n_stacks", "n_images", "mae_um", "rmse_um", "mse_um2", "bias_um", "std_um", "within_1um"),
    *("within_half_dof", "wrong_sign_rate", "interval90_coverage", "mae_by_z", "confusion", "dof_um"),
}
LOCK = ("--simulate", "yeast-40x", "--hours", "0.02", "--speed", "36")  # two seconds, 40 frames


@pytest.fixture(scope="module")
def locked(
    trained: Path, tmp_path_factory: pytest.TempPathFactory, parfocal: Parfocal
) -> tuple[Path, dict[str, object]]:
    """The record of a short lock, and its summary as JSON."""
    record = tmp_path_factory.mktemp("locked") / "run.sqlite"
    finished = parfocal("lock", trained, *LOCK, "--out", record, "--json")
    assert finished.code in (0, 1), finished.err
    assert len(finished.out.splitlines()) == 1
    return record, json.loads(finished.out)


def test_simulate_makes_a_dataset_with_every_file_of_the_contract(simulated: Path) -> None:
    names = {str(path.relative_to(simulated)) for path in simulated.rglob("*") if path.is_file()}
    stacks = {str(Path("stacks", f"yeast-40x-000{k}.ome.tif")) for k in range(4)}
    assert names == {"dataset.toml", "annotations.csv", "split.csv", "cells.csv", *stacks}
    with (simulated / "split.csv").open(newline="") as file:
        parts = [row["part"] for row in csv.DictReader(file)]
    assert sorted(parts) == ["test", "train", "train", "validation"]


def test_the_2018_recipe_makes_the_2018_network(simulated: Path, tmp_path: Path, parfocal: Parfocal) -> None:
    recipe = ("--recipe", "wei2018", "--steps", 2)
    finished = parfocal("train", simulated, "--out", tmp_path / "wei.safetensors", *recipe)
    assert finished.code == 0, finished.err
    assert "6,804,745 parameters, 41 bins of 1 um, pixels of 0.24 um" in finished.out


def test_evaluate_writes_metrics_and_a_report(
    trained: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    finished = parfocal("evaluate", trained, simulated, "--out", tmp_path / "report")
    assert finished.code == 0, finished.err
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text("utf-8"))
    assert metrics.keys() >= METRIC_KEYS
    assert {"brenner", "de_masilamani", "marr_hildreth"} <= metrics["baselines"].keys()
    assert all(block.keys() >= METRIC_KEYS for block in metrics["baselines"].values())
    assert (tmp_path / "report" / "report.html").exists()
    lines = finished.out.splitlines()
    assert any(line.startswith("this model ") for line in lines)
    assert sum(line.split("  ")[0].endswith("with oracles") for line in lines) == 4
    assert f"{metrics['mae_um']:.3f}" in finished.out
    assert str(tmp_path / "report" / "report.html") in finished.out


def test_evaluate_compares_two_models_and_what_was_evaluated_before(
    trained: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    options = ("--compare", "bright-field-high-na", "--out", tmp_path / "report")
    finished = parfocal("evaluate", trained, simulated, *options)
    assert finished.code == 0, finished.err
    found = json.loads((tmp_path / "report" / "compare.json").read_text("utf-8"))
    assert (found["a"]["name"], found["b"]["name"]) == ("model", "bright-field-high-na")
    *_, verdict, page = finished.out.splitlines()
    assert verdict.startswith("A is model, B is bright-field-high-na. B errs by ")
    assert verdict.endswith("on this one stack, which says nothing of others.")
    assert page == str(tmp_path / "report" / "compare.html")

    again = tmp_path / "again"
    finished = parfocal("evaluate", trained, simulated, "--compare", tmp_path / "report", "--out", again)
    assert finished.code == 0, finished.err
    assert "A is model, B is model. A and B err alike." in finished.out
    assert (again / "compare.html").exists()
    assert not (again / "compared").exists()


def test_estimate_prints_json_with_the_keys_of_the_contract(
    trained: Path, simulated: Path, parfocal: Parfocal
) -> None:
    stack = simulated / "stacks" / "yeast-40x-0000.ome.tif"
    finished = parfocal("estimate", trained, stack, "--json")
    assert (finished.code, finished.err) == (0, "")
    rows = [json.loads(line) for line in finished.out.splitlines()]
    assert all(list(row) == ESTIMATE_KEYS for row in rows)
    assert [row["plane"] for row in rows] == list(range(31))
    assert {row["path"] for row in rows} == {str(stack)}
    assert all((row["defocus_um"] is None) != row["accepted"] for row in rows)


def test_estimate_prints_a_table_with_a_line_for_each_plane(
    trained: Path, simulated: Path, parfocal: Parfocal
) -> None:
    stack = simulated / "stacks" / "yeast-40x-0000.ome.tif"
    finished = parfocal("estimate", trained, stack)
    assert (finished.code, finished.err) == (0, "")
    head, *lines = finished.out.splitlines()
    assert "defocus (um)" in head
    assert len(lines) == 31
    assert all(line.startswith(str(stack)) for line in lines)


def test_a_bad_file_does_not_cost_the_estimates_before_it(
    trained: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    stack = simulated / "stacks" / "yeast-40x-0000.ome.tif"
    finished = parfocal("estimate", trained, stack, tmp_path / "none.tif")
    assert finished.code == 2
    assert len(finished.out.splitlines()) == 1 + 31
    assert "none.tif" in finished.complaint


def test_lock_keeps_a_record_and_a_plot(locked: tuple[Path, dict[str, object]]) -> None:
    record, summary = locked
    assert summary["n_frames"] == 40
    assert summary["record"] == str(record)
    assert record.with_suffix(".png").exists()
    assert sorted(path.name for path in record.parent.iterdir()) == ["run.png", "run.sqlite"]


def test_lock_ends_with_0_only_if_focus_was_held(trained: Path, tmp_path: Path, parfocal: Parfocal) -> None:
    finished = parfocal("lock", trained, *LOCK, "--out", tmp_path / "run.sqlite")
    assert finished.code == (0 if finished.out.startswith("Focus held") else 1)
    assert str(tmp_path / "run.png") in finished.out
    assert finished.err.startswith("lock: ")


def test_runs_show_says_what_lock_said(locked: tuple[Path, dict[str, object]], parfocal: Parfocal) -> None:
    record, summary = locked
    as_json = parfocal("runs", "show", record, "--json")
    assert as_json.code == 0, as_json.err
    shown = json.loads(as_json.out)
    assert {key: shown[key] for key in summary} == summary
    assert len(shown["model_fingerprint"]) == 12
    assert shown["n_images"] >= 1
    in_words = parfocal("runs", "show", record).out
    assert re.search(rf"\n{shown['n_images']} images? kept\.\n", in_words)
    assert "virtual microscope yeast-40x" in in_words
    assert "started" in in_words


def test_runs_export_writes_a_line_for_each_frame(
    locked: tuple[Path, dict[str, object]], tmp_path: Path, parfocal: Parfocal
) -> None:
    finished = parfocal("runs", "export", locked[0], "--out", tmp_path / "run.csv")
    assert finished.code == 0, finished.err
    with (tmp_path / "run.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert {"t_s", "z_um", "defocus_um", "state", "move_um", "true_defocus_um"} <= rows[0].keys()


def test_runs_export_writes_parquet_and_the_kept_images(
    locked: tuple[Path, dict[str, object]], tmp_path: Path, parfocal: Parfocal
) -> None:
    table, folder = tmp_path / "run.parquet", tmp_path / "images"
    finished = parfocal("runs", "export", locked[0], "--out", table, "--images", folder)
    assert finished.code == 0, finished.err
    assert parquet.read_table(table).num_rows == 40
    n_images = RunLog.open(locked[0]).n_images
    assert len(list(folder.glob("*.ome.tif"))) == n_images
    assert finished.out.splitlines() == [str(table), f"{folder}: {n_images} images"]


def test_runs_replay_shows_the_kept_images_to_a_model(
    locked: tuple[Path, dict[str, object]], trained: Path, parfocal: Parfocal
) -> None:
    finished = parfocal("runs", "replay", locked[0], trained, "--json")
    assert finished.code == 0, finished.err
    told = json.loads(finished.out)
    assert told.keys() == {"record", "model"}
    images = told["model"]["images"]
    assert len(images) == told["model"]["n_images"] == RunLog.open(locked[0]).n_images
    # The same model on the same image.
    assert all(image["other_um"] == pytest.approx(image["run_um"], abs=1e-4) for image in images)
    assert all(image["true_um"] is not None for image in images)
    in_words = parfocal("runs", "replay", locked[0], trained)
    assert in_words.out.startswith(f"{len(images)} images: the run's model answered ")


def test_runs_replay_lets_another_controller_act(
    locked: tuple[Path, dict[str, object]], trained: Path, parfocal: Parfocal
) -> None:
    finished = parfocal("runs", "replay", locked[0], "--json")
    assert finished.code == 0, finished.err
    told = json.loads(finished.out)
    assert told["run"]["n_frames"] == told["replay"]["n_frames"] == 40
    wide = parfocal("runs", "replay", locked[0], "--dead-band", 1, "--json")
    moves = json.loads(wide.out)["replay"]["n_moves"]
    assert moves <= told["replay"]["n_moves"]
    both = parfocal("runs", "replay", locked[0], trained, "--dead-band", 1)
    assert both.code == 0, both.err
    assert both.out.splitlines()[0].startswith(f"{told_images(locked[0])} images: ")
    assert both.out.splitlines()[-1].split()[:3] == ["the", "replay", str(moves)]


def told_images(record: Path) -> int:
    return RunLog.open(record).n_images


def test_a_resumed_lock_is_as_it_was_where_nothing_else_is_said(
    trained: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    record = tmp_path / "run.sqlite"
    window = ("--lowest-z", 50, "--highest-z", 150)
    asked = ("--largest-step", 4, "--dead-band", 0.5, "--frame-rate", 10, "--seed", 3, "--no-self-check")
    parfocal("lock", trained, *LOCK, *window, *asked, "--keep-image-every", 9, "--out", record)
    before = RunLog.open(record).settings()
    assert (before["lock"]["controller"]["dead_band_um"], before["lock"]["frame_rate_hz"]) == (0.5, 10)
    assert (before["lock"]["limits"]["largest_step_um"], before["lock"]["self_check"]) == (4, None)
    finished = parfocal("lock", trained, "--resume", record, "--hours", 0.04, "--lowest-z", 40, "--json")
    summary = json.loads(finished.out)
    assert (summary["n_resumed"], summary["record"]) == (1, str(record))
    after = RunLog.open(record).settings()
    limits = {**before["lock"]["limits"], "lowest_z_um": 40.0}
    assert after == {**before, "hours": 0.04, "lock": {**before["lock"], "limits": limits}}
    assert limits["highest_z_um"] == 150
    resumed = next(event.text for event in RunLog.open(record).events() if event.is_resumption)
    assert resumed.endswith(
        "; hours changed from 0.02 to 0.04; lock.limits.lowest_z_um changed from 50.0 to 40.0"
    )
    shown = json.loads(parfocal("runs", "show", record, "--json").out)
    assert {key: shown[key] for key in summary} == summary
    assert shown["n_images"] > 144 / 9 / 2


def test_a_recorded_stack_is_locked_within_its_ends(
    trained: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    stack = simulated / "stacks" / "yeast-40x-0001.ome.tif"
    record = tmp_path / "replay.sqlite"
    finished = parfocal("lock", trained, "--replay", stack, "--hours", 0.001, "--out", record, "--json")
    summary = json.loads(finished.out)
    assert summary["n_frames"] == 72
    assert summary["fault"] == ""


def test_paths_are_printed_as_they_are(
    trained: Path, simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    folder = tmp_path / "[red]:smile: a folder whose name is much longer than the eighty columns of a line"
    finished = parfocal("evaluate", trained, simulated, "--out", folder)
    assert finished.code == 0, finished.err
    assert finished.out.splitlines()[-1] == str(folder / "report.html")


def test_help_is_quick_and_names_every_verb() -> None:
    script = (
        "import sys\n"
        "sys.argv = ['parfocal']\n"
        "from parfocal.cli import main\n"
        "try:\n    main()\n"
        "finally:\n"
        "    heavy = {'torch', 'matplotlib', 'dask', 'pymmcore_plus', 'scipy', 'numpy'} & set(sys.modules)\n"
        "    print('HEAVY', sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    verbs = ("demo", "simulate", "import", "train", "evaluate", "estimate", "lock", "runs")
    assert all(f"\n  {verb} " in done.stdout for verb in verbs)


@pytest.mark.parametrize(
    "verb",
    [
        "demo",
        "simulate",
        "import",
        "train",
        "evaluate",
        "estimate",
        "lock",
        "runs",
        "runs show",
        "runs export",
        "runs replay",
    ],
)
def test_every_verb_explains_itself(verb: str, parfocal: Parfocal) -> None:
    finished = parfocal(*verb.split(), "--help")
    assert (finished.code, finished.err) == (0, "")
    assert f"Usage: parfocal {verb}" in finished.out


def test_the_version_is_told(parfocal: Parfocal) -> None:
    finished = parfocal("--version")
    assert finished.code == 0
    assert finished.out.startswith("parfocal 0.")


def test_a_variety_of_microscopes_has_one_quality(tmp_path: Path, parfocal: Parfocal) -> None:
    finished = parfocal("simulate", tmp_path / "d", "--preset", "variety", "--quality", "ci", "--stacks", 3)
    assert finished.code == 2 and "quality training" in finished.err
    finished = parfocal("simulate", tmp_path / "d", "--preset", "variety", "--stacks", 3, "--seed", 4)
    assert finished.code == 0, finished.err
