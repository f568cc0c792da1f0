"""Ctrl-C, a signal of the system and a full disk: what is there stays, and work goes on from it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from command_line import Parfocal
from parfocal.control import RunLog
from parfocal.model import load_model

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

START = [sys.executable, "-c", "from parfocal.cli import main; main()"]
FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from parfocal.cli import main
main()
"""


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [*START, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupted(process: subprocess.Popen[str], how: signal.Signals, *, after: str) -> tuple[str, str]:
    """Both streams of a process that got a signal, its workers too, once it had said something."""
    assert process.stderr is not None
    said = [next(line for line in process.stderr if line.startswith(after))]
    os.killpg(process.pid, how)
    out, err = process.communicate(timeout=120)
    return out, "".join([*said, err])


def test_a_stopped_training_keeps_a_checkpoint_and_goes_on(
    simulated: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    model = tmp_path / "model.safetensors"
    with started("train", simulated, "--out", model, "--steps", 100_000) as process:
        _, err = interrupted(process, signal.SIGINT, after="train: ")
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "--resume" in err
    assert not model.exists()
    resumed = parfocal("train", simulated, "--out", model, "--steps", 6, "--resume")
    assert resumed.code == 0, resumed.err
    header, _ = load_model(model)
    assert header.steps >= 6


def test_a_stopped_lock_closes_its_record_and_sums_up(
    trained: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    record = tmp_path / "run.sqlite"
    with started(
        "lock", trained, "--no-page", "--simulate", "yeast-40x", "--speed", "720", "--out", record
    ) as process:
        out, err = interrupted(process, signal.SIGTERM, after="lock: ")
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert out.startswith("Focus ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.png", "run.sqlite"]
    run = RunLog.open(record)
    assert run.events()[-1].text == "interrupted by the user"
    shown = parfocal("runs", "show", record)
    assert shown.code == 0
    assert f"{len(run.frames()['t_s'])} frames" in shown.out


def test_a_lock_that_was_killed_goes_on_as_one_record(
    trained: Path, tmp_path: Path, parfocal: Parfocal
) -> None:
    record = tmp_path / "run.sqlite"
    asked = ("--simulate", "yeast-40x", "--seed", 5, "--speed", 72, "--hours", 0.1, "--out", record)
    with started("lock", trained, *asked, "--no-page") as process:
        while not (record.exists() and RunLog.open(record).n_frames > 20):
            assert process.poll() is None
            time.sleep(0.1)
        process.kill()
    assert record.with_name("run.sqlite-wal").exists()
    before = RunLog.open(record).frames()
    finished = parfocal("lock", trained, "--resume", record, "--json")
    summary = json.loads(finished.out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.png", "run.sqlite"]
    after = RunLog.open(record).frames()
    n_before = len(before["t_s"])
    assert (summary["n_frames"], summary["n_resumed"], summary["fault"]) == (len(after["t_s"]), 1, "")
    assert list(after["z_um"][:n_before]) == list(before["z_um"])
    assert after["t_s"][-1] == pytest.approx(360, abs=8)
    # One frame every 3.6 s all along, through the gap too, over a focus that does not jump.
    assert np.diff(after["t_s"]) == pytest.approx(3.6, abs=0.5)
    assert np.abs(np.diff(after["true_focus_z_um"])).max() < 0.5
    shown = json.loads(parfocal("runs", "show", record, "--json").out)
    assert {key: shown[key] for key in summary} == summary
    assert "Resumed once" in parfocal("runs", "show", record).out


def test_a_stopped_simulation_leaves_nothing(tmp_path: Path) -> None:
    with started("simulate", tmp_path / "new", "--quality", "ci", "--workers", 1) as process:
        _, err = interrupted(process, signal.SIGINT, after="simulate: ")
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_older_model_as_it_was(simulated: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"an older model")
    arguments = map(str, ("train", simulated, "--out", model, "--steps", 1))
    command = [sys.executable, "-c", FULL_DISK, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("parfocal: ")
    assert model.read_bytes() == b"an older model"
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "model.training"}
