"""The whole story, small: every file is there, what was there before is replaced, and nothing else."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from command_line import Finished, Parfocal
from parfocal import demo
from parfocal.demo import DemoPlan, run_demo
from parfocal.errors import InputError, OutputError

SMALL = partial(DemoPlan, stacks=3, training_steps=2, hours=0.05, drift_um=2.0, workers=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a demo has been that was stopped half way, and a note of the user's."""
    out = tmp_path_factory.mktemp("demo")
    (out / "demo.txt").touch()
    (out / "lock.sqlite").write_text("half a record")
    (out / "lock.sqlite-wal").write_text("half a record")
    (out / "stacks" / "old").mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    return out


@pytest.fixture(scope="module")
def finished(folder: Path, parfocal: Parfocal) -> Finished:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "DemoPlan", SMALL)
        return parfocal("demo", "--out", folder)


def test_the_demo_says_how_it_went_and_where_everything_is(finished: Finished, folder: Path) -> None:
    accuracy, verdict, *rest = finished.out.splitlines()
    metrics = json.loads((folder / "report" / "metrics.json").read_text("utf-8"))
    assert f"mean error {metrics['mae_um']:.2f} um on 1 unseen stacks" in accuracy
    assert "the best classical measure: " in accuracy
    assert verdict.startswith("Focus held" if finished.code == 0 else "Focus was ")
    assert finished.code in (0, 1)
    names = [
        "report/report.html",
        "overview.png",
        "lock.png",
        "lock.sqlite",
        "model.safetensors",
        "stacks",
    ]
    for name, line in zip(names, rest[-len(names) :], strict=True):
        assert line.endswith(str(folder / name))
        assert (folder / name).exists()


def test_each_step_is_told(finished: Finished) -> None:
    steps = [line.split(":")[0] for line in finished.err.splitlines()]
    assert list(dict.fromkeys(steps)) == ["simulate", "train", "evaluate", "lock"]


def test_what_an_earlier_demo_made_is_replaced_and_nothing_else(finished: Finished, folder: Path) -> None:
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "stacks" / "old").exists()
    assert not (folder / "lock.sqlite-wal").exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    with pytest.raises(InputError, match="no demo put there"):
        run_demo(tmp_path, progress=lambda name, fraction, words: None)
    assert [path.name for path in tmp_path.iterdir()] == ["stacks"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Close what has it open, or choose another folder"):
        run_demo(tmp_path / "file" / "demo", progress=lambda name, fraction, words: None)
