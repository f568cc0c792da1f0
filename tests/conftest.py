"""What several test files share: the command line, and one small dataset and model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import hypothesis
import pytest

# Before anything loads torch: two threads on a busy machine took seven times as long as one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from command_line import Parfocal, run_parfocal

# No test asserts a time: the machines are shared.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def parfocal() -> Parfocal:
    return run_parfocal


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four simulated z-stacks: 2 to train, 1 to validate, 1 to test. Not to be changed."""
    folder = tmp_path_factory.mktemp("simulated") / "stacks"
    finished = run_parfocal("simulate", folder, "--stacks", 4, "--quality", "ci", "--seed", 3, "--workers", 1)
    assert finished.code == 0, finished.err
    return folder


@pytest.fixture(scope="session")
def trained(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that had a glance at them. Not to be changed."""
    model = tmp_path_factory.mktemp("trained") / "model.safetensors"
    finished = run_parfocal("train", simulated, "--out", model, "--steps", 20)
    assert finished.code == 0, finished.err
    return model


@pytest.fixture
def dataset(simulated: Path, tmp_path: Path) -> Path:
    """A copy of the simulated dataset that a test may spoil."""
    return Path(shutil.copytree(simulated, tmp_path / "dataset"))


RAISE_SIGNALS = ("test_interruption.py", "test_training.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that send this process signals come first.

    After networks have run by OpenVINO in this process, Linux in a virtual machine now and then ended it at
    its next signal (SIGSEGV from the kernel, on its way to the handler); never without OpenVINO.
    """
    items.sort(key=lambda item: item.path.name not in RAISE_SIGNALS)
