"""A model file comes back as it was written, or says why it cannot; nothing half-written is left."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_world import fresh_model

from parfocal.errors import ModelError, OutputError
from parfocal.model import FocusEstimator, ModelHeader, load_model, save_model
from parfocal.model.model_file import FORMAT_VERSION, HEADER_KEY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A model file that nothing is wrong with."""
    save_model(tmp_path / "m.safetensors", *fresh_model())
    return tmp_path / "m.safetensors"


def safetensors_header(path: Path) -> dict:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length])


def write_header(path: Path, text: str) -> None:
    save_file({"a": np.zeros(1, np.float32)}, path, metadata={HEADER_KEY: text})


def test_a_model_comes_back_as_it_was_written(tmp_path: Path) -> None:
    header, arrays = fresh_model()
    save_model(tmp_path / "m.safetensors", header, arrays)
    header_again, arrays_again = load_model(tmp_path / "m.safetensors")
    assert header_again == header
    assert arrays_again.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(arrays_again[name], array)
        assert arrays_again[name].dtype == array.dtype


def test_the_header_is_plain_json_and_all_else_is_numbers(path: Path) -> None:
    header = safetensors_header(path)
    values = json.loads(header.pop("__metadata__")[HEADER_KEY])
    assert values["format_version"] == FORMAT_VERSION
    assert values["recipe"]["bins"] == {"lowest_um": -6, "highest_um": 6, "width_um": 1}
    assert {entry["dtype"] for entry in header.values()} <= {"F32", "I64"}


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(pickle.dumps(_Trap(tmp_path / "sprung")))
    with pytest.raises(ModelError):
        load_model(tmp_path / "m.safetensors")
    assert not (tmp_path / "sprung").exists()


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.safetensors: there is no such model file"):
        load_model(tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match="Shipped models: bright-field"):
        load_model(Path("bright-feild"))


@pytest.mark.parametrize("kept", [0, 4, 100, 3000, -1])
def test_a_truncated_file_is_told(kept: int, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"m\.safetensors: is not a safetensors model, or is truncated"):
        load_model(path)


@pytest.mark.parametrize("content", [b"hello, this is no model at all", b"\x89PNG" + bytes(100)])
def test_another_kind_of_file_is_told(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is not a safetensors model"):
        load_model(path)


def test_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a folder"):
        load_model(tmp_path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_somebody_elses_safetensors_is_told(metadata: dict | None, path: Path) -> None:
    save_file({"weight": np.zeros(3, np.float32)}, path, metadata=metadata)
    with pytest.raises(ModelError, match="not one that parfocal wrote"):
        load_model(path)


def test_a_newer_format_is_told(path: Path) -> None:
    write_header(path, json.dumps({"format_version": FORMAT_VERSION + 1, "surprise": 1}))
    with pytest.raises(ModelError, match=f"expected model format {FORMAT_VERSION}, got {FORMAT_VERSION + 1}"):
        load_model(path)


@pytest.mark.parametrize("text", ["{", "[1, 2]", "null", "{}", '{"format_version": 2}'])
def test_a_damaged_header_is_told(text: str, path: Path) -> None:
    write_header(path, text)
    with pytest.raises(ModelError, match=r"m\.safetensors"):
        load_model(path)


def test_weights_that_do_not_belong_to_the_header_are_told(path: Path) -> None:
    header, arrays = fresh_model()
    save_model(path, header, {**arrays, "network.head.weight": np.zeros((3, 3), np.float32)})
    with pytest.raises(ModelError, match=r"m\.safetensors: .*do not fit"):
        FocusEstimator.load(path)
    save_model(path, header, {name: array for name, array in arrays.items() if "familiarity" not in name})
    with pytest.raises(ModelError, match=r"m\.safetensors: .*do not fit"):
        FocusEstimator.load(path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        save_model(tmp_path / "none" / "m.safetensors", *fresh_model())


# Runs in a process of its own, for which alone files may not grow past 4 kB: the system's own error.
_FILL_DISK = """
import resource, sys
from pathlib import Path
from parfocal.errors import OutputError
from parfocal.model import load_model, save_model
from parfocal.model.checkpoint import save_checkpoint
from parfocal.model.networks import build_network
from parfocal.model.training_run import TrainingRun
import torch

model, checkpoint = map(Path, sys.argv[1:])
header, arrays = load_model(model)
network = build_network(header.network, n_bins=header.bins.count)
run = TrainingRun(network, network, torch.optim.Adam(network.parameters()))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for save in (
    lambda: save_model(model, header, arrays),
    lambda: save_checkpoint(checkpoint, run, recipe=header.recipe, data_fingerprint="1"),
):
    try:
        save()
    except OutputError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are of POSIX")
def test_a_full_disk_leaves_the_old_files_and_nothing_beside(path: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(b"the old one")
    before = path.read_bytes()
    assert len(before) > 4096
    run = subprocess.run(
        [sys.executable, "-c", _FILL_DISK, str(path), str(checkpoint)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = run.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [str(path), str(checkpoint)]
    assert all("cannot be written (File too large)" in line for line in lines)
    assert path.read_bytes() == before and checkpoint.read_bytes() == b"the old one"
    assert sorted(tmp_path.iterdir()) == sorted([path, checkpoint])


def test_the_header_refuses_numbers_that_are_none() -> None:
    values = fresh_model()[0].model_dump()
    with pytest.raises(ValueError, match="finite"):
        ModelHeader(**{**values, "spread_scale": float("nan")})
