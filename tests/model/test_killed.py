"""A training that is killed goes on from its checkpoint as if nothing had been."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small_world import RECIPE, retimed
from test_training import assert_same_model

from parfocal.data import Dataset
from parfocal.model import train
from parfocal.model.training_job import CHECKPOINT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

# Settles at one of its first validations.
HASTY = retimed(
    RECIPE, steps=60, batch_size=4, validate_every=3, patience=1, cool_down=1.0, learning_rate=2e-2
)
NO_MEMORY_GIB = 1e-9
KILLED = """
import itertools, os, signal, sys
from pathlib import Path
from parfocal.data import Dataset
from parfocal.model import Recipe, train

dataset, out, recipe, step = sys.argv[1:]
seconds = itertools.count()  # so that some steps have a checkpoint and most have none


def kill(progress):
    if progress.step == int(step):
        os.kill(os.getpid(), signal.SIGKILL)


train(
    Dataset.open(Path(dataset)),
    out=Path(out),
    recipe=Recipe.from_toml(Path(recipe)),
    resume=(Path(out).with_suffix(".training") / "checkpoint.pt").exists(),
    memory_gib=1e-9,
    watch=kill,
    clock=lambda: float(next(seconds)),
)
"""


def killed_at(step: int, dataset: Dataset, out: Path, recipe: Path) -> None:
    command = [sys.executable, "-c", KILLED, dataset.folder, out, recipe, step]
    ended = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    assert ended.returncode == -9, ended.stderr


def kept(model: Path) -> dict[str, Any]:
    """What the checkpoint of a training holds of its run."""
    checkpoint = model.with_suffix(".training") / CHECKPOINT
    run: dict[str, Any] = torch.load(checkpoint, weights_only=True)["run"]
    return run


def test_killed_before_and_after_it_settled_it_gives_the_same_weights(spots: Dataset, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    recipe = tmp_path / "hasty.toml"
    settled = []
    header = train(spots, out=whole, recipe=HASTY, watch=lambda progress: settled.append(progress.is_settled))
    first = settled.index(True) + 1
    assert first + 4 < header.steps < HASTY.training.steps

    # About five times a step the clock is asked, and each time a second has gone by.
    recipe.write_text(retimed(HASTY, checkpoint_every_s=9.0).to_toml(), "utf-8")
    killed_at(first - 1, spots, killed, recipe)
    assert kept(killed)["settled_at"] is None
    killed_at(header.steps - 1, spots, killed, recipe)
    assert kept(killed)["settled_at"][0] == first
    assert not killed.exists()
    files = {path.name for path in (tmp_path / "killed.training").iterdir()}
    assert files == {CHECKPOINT, "csv", "tensorboard"}

    train(spots, out=killed, recipe=HASTY, resume=True, memory_gib=NO_MEMORY_GIB)
    assert_same_model(whole, killed)
