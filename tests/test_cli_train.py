"""What ``parfocal train`` says while it works, and how it shares the work among processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from command_line import Parfocal
from parfocal.cli.models import _words
from parfocal.model import TrainingProgress, load_model
from parfocal.model.networks import focus_network

START = [sys.executable, "-c", "from parfocal.cli import main; main()"]
NOW = datetime(2018, 7, 1, 21, 50)  # a Sunday


def at(**changes: object) -> TrainingProgress:
    values = {"step": 7, "steps": 90, "fraction": 0.1, "loss": 1.234, "validation_mae_um": None}
    return TrainingProgress(**{**values, "left_s": 630.0, "waiting": 0.0, "is_settled": False, **changes})


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (at(), "step 7, loss 1.23, ends at 22:00"),
        (at(validation_mae_um=0.256), "step 7, loss 1.23, error 0.26 um, ends at 22:00"),
        (
            at(validation_mae_um=0.256, is_settled=True),
            "step 7, loss 1.23, error 0.26 um, settled, ends at 22:00",
        ),
        (at(left_s=86400.0), "step 7, loss 1.23, ends at Mon 21:50"),
        (at(fraction=0.01), "step 7, loss 1.23"),
    ],
    ids=["before validation", "after it", "settled", "another day", "too early to say"],
)
def test_progress_says_when_the_training_is_expected_to_end(moment: TrainingProgress, words: str) -> None:
    assert _words(moment, now=NOW) == words


def test_the_last_line_says_how_good_the_model_is(
    simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    out = tmp_path / "model.safetensors"
    finished = parfocal("train", simulated, "--out", out, "--steps", 2, "--memory", "0.000001")
    assert finished.code == 0, finished.err
    assert re.fullmatch(
        rf"{re.escape(str(out))}: mean error [\d.]+ um on the validation stacks"
        r"(; waited for data \d+% of the time)?",
        finished.out.splitlines()[-1],
    )


@pytest.mark.parametrize("size", ["tiny", "large"])
def test_a_network_of_another_size(simulated: Path, tmp_path: Path, parfocal: Parfocal, size: str) -> None:
    out = tmp_path / "model.safetensors"
    finished = parfocal("train", simulated, "--out", out, "--steps", 1, "--size", size)
    assert finished.code == 0, finished.err
    header, _ = load_model(out)
    assert header.network == focus_network(size)


def test_a_recipe_has_a_size_of_its_own(simulated: Path, tmp_path: Path, parfocal: Parfocal) -> None:
    finished = parfocal(
        "train", simulated, "--out", tmp_path / "m.safetensors", "--recipe", "wei2018", "--size", "tiny"
    )
    assert finished.code == 2
    assert "--recipe or --size, not both" in finished.err


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_two_processes_speak_with_one_voice_and_stop_together(
    simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    out = tmp_path / "model.safetensors"
    command = [*START, *map(str, ("train", simulated, "--out", out, "--steps", 100_000, "--devices", 2))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, start_new_session=True) as process:
        said = next(line for line in process.stderr if line.startswith("train: "))
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of them get it
        printed, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert [line.split(":")[0] for line in (said, *err.splitlines())] == [
        "train",
        "Stopped. A checkpoint is kept; go on with the same command and --resume.",
        "parfocal",
    ]
    assert len(printed.splitlines()) == 1 and printed.startswith("focus: ")
    resumed = parfocal("train", simulated, "--out", out, "--steps", 6, "--resume")
    assert resumed.code == 0, resumed.err
    assert load_model(out)[0].steps >= 1


def test_a_stopped_training_goes_on_with_its_own_recipe(
    simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    out = tmp_path / "model.safetensors"
    first = parfocal("train", simulated, "--out", out, "--init", "none", "--size", "tiny", "--steps", 4)
    assert first.code == 0, first.err
    done = parfocal("train", simulated, "--out", out, "--resume")
    assert done.code == 0, done.err
    assert "Nothing was left to do: the checkpoint has all of 4 steps." in done.err
    further = parfocal("train", simulated, "--out", out, "--resume", "--steps", 6)
    assert further.code == 0, further.err
    header = load_model(out)[0]
    assert header.steps == 6 and header.network.width < 256 and header.kept_of_start == 0


def test_without_a_checkpoint_there_is_nothing_to_go_on_from(
    simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    finished = parfocal("train", simulated, "--out", tmp_path / "m.safetensors", "--resume")
    assert finished.code == 2
    assert "there is no checkpoint to resume from" in finished.complaint
    assert list(tmp_path.iterdir()) == []
