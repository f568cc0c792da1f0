"""The model that ships with the package, at once on a microscope that it never saw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from command_line import Parfocal
from parfocal.data import Dataset

OPTICS = ("--na", 1.3, "--immersion", "oil", "--wavelength", 0.56)


@pytest.fixture(scope="module")
def stack(simulated: Path) -> Path:
    return next((simulated / "stacks").iterdir())


def test_it_tells_the_defocus_of_an_image_whose_optics_it_is_told(
    stack: Path, simulated: Path, parfocal: Parfocal
) -> None:
    finished = parfocal("estimate", "bright-field", stack, *OPTICS, "--json")
    assert finished.code == 0, finished.err
    rows = [json.loads(line) for line in finished.out.splitlines()]
    dataset = Dataset.open(simulated)
    focus_z_um = dataset.focus_z_um(stack.name.removesuffix(".ome.tif"))
    errors = [row["defocus_um"] - (row["z_um"] - focus_z_um) for row in rows if row["accepted"]]
    assert len(errors) > 0.8 * len(rows)
    assert np.median(np.abs(errors)) < 0.8


def test_it_asks_for_the_objective(stack: Path, parfocal: Parfocal) -> None:
    finished = parfocal("estimate", "bright-field", stack)
    assert finished.code == 2
    assert "serves many: --na NA, and --immersion" in finished.complaint
    finished = parfocal("estimate", "bright-field", stack, "--na", 1.3)
    assert finished.code == 2
    assert "--immersion oil or water" in finished.complaint


def test_one_stack_makes_it_ones_own(stack: Path, tmp_path: Path, parfocal: Parfocal) -> None:
    mine = tmp_path / "mine.safetensors"
    finished = parfocal("calibrate", "bright-field", stack, *OPTICS, "--out", mine)
    assert finished.code == 0, finished.err
    assert "defocus = " in finished.out
    estimated = parfocal("estimate", mine, stack, "--json")
    assert estimated.code == 0, estimated.err
    other = parfocal("estimate", mine, stack, "--na", 0.75)
    assert other.code == 2 and "made for NA 1.3, got 0.75" in other.complaint


def test_a_few_live_moves_make_it_ones_own(tmp_path: Path, parfocal: Parfocal) -> None:
    mine = tmp_path / "mine.safetensors"
    finished = parfocal("calibrate", "bright-field", "--simulate", "yeast-40x", "--out", mine)
    assert finished.code == 0, finished.err
    scale = float(finished.out.split("defocus = ")[1].split(" x")[0])
    assert 0.8 < scale < 1.25
    assert "Only a stack can tell it." in finished.err + finished.out
    focused = parfocal("calibrate", "bright-field", "--simulate", "yeast-40x", "--focus", 3, "--out", mine)
    assert focused.code == 2 and "Leave it out" in focused.complaint
    neither = parfocal("calibrate", "bright-field", "--out", mine)
    assert neither.code == 2 and "either stacks, or a live microscope" in neither.complaint


def test_a_dataset_tells_it_the_objective(simulated: Path, tmp_path: Path, parfocal: Parfocal) -> None:
    finished = parfocal("evaluate", "bright-field", simulated, "--out", tmp_path / "report")
    assert finished.code == 0, finished.err
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["mae_um"] < 1.5


def test_a_virtual_microscope_tells_it_too(tmp_path: Path, parfocal: Parfocal) -> None:
    finished = parfocal(
        "lock", "bright-field", "--simulate", "yeast-40x", "--hours", 0.02, "--speed", 100,
        "--out", tmp_path / "run.sqlite",
    )  # fmt: skip
    assert finished.code == 0, finished.err + finished.out
