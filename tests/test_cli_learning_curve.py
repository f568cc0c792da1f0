"""The verb that tells whether to collect more stacks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import Parfocal
from parfocal.cli.learning_curve import say_curve
from parfocal.data import Dataset, SplitRow
from parfocal.model.learning_curve import CurvePoint, LearningCurve
from parfocal.zstack import ZStack

PARTS = ("train",) * 4 + ("validation",) * 3
SIDE_PX = 90
"""Too small for the shipped model, so that trainings are of fresh weights and short."""


@pytest.fixture
def small(simulated: Path, tmp_path: Path) -> Path:
    """A dataset of corners of a few planes of the simulated stacks."""
    source = Dataset.open(simulated)
    made = Dataset.create(tmp_path / "small", source.settings)
    for k in range(len(PARTS)):
        row = source.annotations()[k % 4]
        stack = source.read(row.stack)
        frames_zyx = stack.frames_zyx[::4, k : k + SIDE_PX, k : k + SIDE_PX]
        made.write(f"s{k}", ZStack(frames_zyx, stack.z_um[::4], stack.pixel_size_um))
        made.annotate([replace(row, stack=f"s{k}")])
    made.write_split([SplitRow(f"s{k}", "day1", part) for k, part in enumerate(PARTS)])
    return tmp_path / "small"


def test_a_curve_as_json(small: Path, parfocal: Parfocal) -> None:
    finished = parfocal("learning-curve", small, "--steps", 1, "--json")
    assert finished.code == 0, finished.err
    told = json.loads(finished.out)
    assert [point["n_stacks"] for point in told["points"]] == [1, 2, 4]
    assert told["n_validation"] == 3
    assert told["verdict"].endswith("from 2 to 4 stacks.")
    assert "6 of 6 trainings" in finished.err


def test_a_small_table_and_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    points = (CurvePoint(20, 0.5, (0.4, 0.61)), CurvePoint(40, 0.4, (0.3, 0.5)))
    say_curve(LearningCurve(points, n_validation=9, fell=0.2, fell95=(0.08, 0.31)))
    assert capsys.readouterr().out.splitlines() == [
        "training stacks  mean error (um)            95 %",
        "20                         0.500  0.400 to 0.610",
        "40                         0.400  0.300 to 0.500",
        "More stacks would likely help: the error fell by 20 % (95 %: 8 to 31) from 20 to 40 stacks.",
    ]


def test_too_few_stacks_are_told_in_one_line(simulated: Path, parfocal: Parfocal) -> None:
    finished = parfocal("learning-curve", simulated)
    assert finished.code == 2
    assert "Expected at least 4 training stacks and 3 validation stacks; got 2 and 1." in finished.complaint
