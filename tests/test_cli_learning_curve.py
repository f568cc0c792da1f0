"""The verb that tells whether to collect more stacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import Parfocal
from parfocal.data import Dataset, DatasetSettings, SplitRow


@pytest.fixture(scope="module")
def ten(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of the simulated stacks, each of them several times."""
    source, folder = Dataset.open(simulated), tmp_path_factory.mktemp("ten") / "stacks"
    made = Dataset.create(folder, DatasetSettings(**source.settings.model_dump()))
    truth = {row.stack: row for row in source.annotations()}
    parts = ("train",) * 4 + ("validation",) * 3
    for k in range(len(parts)):
        stack = source.stack_ids()[k % len(truth)]
        made.write(f"s{k}", source.read(stack))
        made.annotate([type(truth[stack])(f"s{k}", truth[stack].focus_z_um, "ann", truth[stack].created)])
    made.write_split([SplitRow(f"s{k}", "day1", part) for k, part in enumerate(parts)])
    return folder


def test_a_table_and_one_sentence(ten: Path, parfocal: Parfocal) -> None:
    finished = parfocal("learning-curve", ten, "--steps", 2)
    assert finished.code == 0, finished.err
    head, *rows, sentence = finished.out.splitlines()
    assert head.startswith("training stacks")
    assert [row.split()[0] for row in rows] == ["1", "2", "4"]
    assert "stacks would" in sentence and sentence.endswith("from 2 to 4 stacks.")
    told = json.loads(parfocal("learning-curve", ten, "--steps", 2, "--json").out)
    assert told["verdict"] == sentence
    assert f"{told['points'][0]['mae_um']:.3f}" == rows[0].split()[1]


def test_too_few_stacks_are_told_in_one_line(simulated: Path, parfocal: Parfocal) -> None:
    finished = parfocal("learning-curve", simulated)
    assert finished.code == 2
    assert "Expected at least 4 training stacks and 3 validation stacks; got 2 and 1." in finished.complaint
