"""Two processes train one model between them, and neither outlives the other."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from small_world import RECIPE, retimed

from parfocal.data import Dataset
from parfocal.errors import DatasetError, InputError, ParfocalError, SettingsError
from parfocal.model import TrainingProgress, load_model, train
from parfocal.model.processes import run_in_processes
from parfocal.model.training import _learn, _start
from parfocal.model.training_job import CHECKPOINT, prepare

SHORT = retimed(RECIPE, steps=30, validate_every=10, patience=1, cool_down=0.5)


def learned(
    dataset: Dataset, out: Path, watch: Callable[[TrainingProgress], None] | None
) -> tuple[str, str, int, int]:
    """Weights before and after a training in words, the seed of the first batch, and the steps done."""
    job = prepare(dataset, out=out, recipe=SHORT, devices=2, nodes=1, memory_gib=1.0)
    run = _start(job, init=None, resume=False, watch=None)
    before = weights_of(run.network)
    _learn(run, job, watch=watch, clock=time.monotonic)
    return before, weights_of(run.network), job.unique(0), run.step


def weights_of(network: torch.nn.Module) -> str:
    parts = [parameter.detach().numpy().tobytes() for parameter in network.parameters()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def fail(watch: Callable[[TrainingProgress], None] | None) -> None:
    """The second makes a mistake; the first only loses the line to it, and says so sooner."""
    if os.environ["RANK"] == "0":
        raise ConnectionError("the line is dead")
    time.sleep(0.5)
    raise DatasetError("no such stack")


@pytest.fixture(autouse=True)
def no_orphans():
    yield
    assert multiprocessing.active_children() == []


def test_both_have_the_same_weights_though_each_draws_its_own_crops(spots: Dataset, tmp_path: Path) -> None:
    seen: list[TrainingProgress] = []
    work = partial(learned, spots, tmp_path / "m.safetensors")
    first, second = run_in_processes(work, devices=2, watch=seen.append)
    assert first[:2] == second[:2] and first[0] != first[1]
    assert (first[2], second[2]) == (0, 1)
    assert first[3] == second[3] == len(seen)
    assert seen[-1].loss < seen[0].loss


def test_a_killed_process_ends_the_training_with_a_word_and_it_can_go_on(
    spots: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "m.safetensors"

    def kill_second(progress: TrainingProgress) -> None:
        if progress.step == 3:
            second = max(multiprocessing.active_children(), key=lambda child: child.pid or 0)
            os.kill(second.pid or 0, signal.SIGKILL)

    recipe = retimed(SHORT, checkpoint_every_s=1e-9)
    with pytest.raises(ParfocalError, match=r"Process 2 of 2 of the training failed.*code -9.*--resume"):
        train(spots, out=out, recipe=recipe, devices=2, watch=kill_second)
    assert [path.name for path in tmp_path.iterdir()] == ["m.training"]

    seen: list[TrainingProgress] = []
    header = train(spots, out=out, recipe=SHORT, devices=2, resume=True, watch=seen.append)
    assert 3 <= seen[0].step <= 10 and seen[-1].step == header.steps
    assert load_model(out)[0] == header
    assert {path.name for path in tmp_path.iterdir()} == {"m.training", "m.safetensors"}
    assert {path.name for path in (tmp_path / "m.training").iterdir()} == {CHECKPOINT, "csv", "tensorboard"}


def test_the_error_that_tells_most_is_the_one_that_is_raised() -> None:
    with pytest.raises(DatasetError, match="no such stack"):
        run_in_processes(fail, devices=2)


def test_a_batch_that_cannot_be_shared_is_refused(spots: Dataset, tmp_path: Path) -> None:
    out, odd = tmp_path / "m.safetensors", retimed(SHORT, batch_size=5)
    with pytest.raises(SettingsError, match="2 processes can share; batch_size is 5"):
        prepare(spots, out=out, recipe=odd, devices=2, nodes=1, memory_gib=1.0)
    assert list(tmp_path.iterdir()) == []


def test_several_machines_need_to_know_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_RANK", "1")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.setenv("MASTER_PORT", "1234")
    with pytest.raises(InputError, match=r"of each of 2 machines; MASTER_ADDR not set"):
        run_in_processes(fail, devices=1, nodes=2)
