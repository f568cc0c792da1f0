"""All back ends give PyTorch's answers: within 0.001 um in fp32 and 0.05 um in bf16."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_world import BACKGROUND, PIXEL_UM, RECIPE, WEI, frame_at, fresh_model

from parfocal.data import Dataset
from parfocal.errors import SettingsError
from parfocal.model import FocusEstimator, NetworkSettings, build_network, save_model, train
from parfocal.model.backends import Backend, InferenceSettings, open_backend
from parfocal.model.backends.choice import drawn_frames, gives_same_answers
from parfocal.model.backends.openvino_backend import multiplies_bf16

CONVOLUTIONAL = NetworkSettings(architecture="small")
READING = NetworkSettings(octaves=2, per_octave=1, cell_bins=9)
BLIND = READING.replace(cell_bins=0)
LEVEL = READING.replace(flat_field=True)
TOLERANCE_UM = {"fp32": 0.001, "bf16": 0.05}
DEFOCUS_UM = (-4.2, -1.5, 0.3, 2.0, 4.6)
SHAPES = [(72, 72), (71, 64), (33, 70), (201, 150)]
BACKENDS = [("openvino", "fp32"), ("openvino", "bf16"), ("torch", "bf16")]


def opened(settings: NetworkSettings, **inference: Any) -> Backend:
    torch.manual_seed(0)
    return open_backend(build_network(settings, n_bins=13), settings, InferenceSettings(**inference))


@pytest.fixture(scope="module")
def convolutional_path(spots: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose network is nothing but convolutions."""
    path = tmp_path_factory.mktemp("convolutional") / "model.safetensors"
    train(spots, out=path, recipe=RECIPE.replace(network=CONVOLUTIONAL.model_dump()))
    return path


@pytest.fixture(scope="module")
def load(convolutional_path: Path) -> Callable[..., FocusEstimator]:
    """The trained model, each back end opened once."""
    opened: dict[tuple[str, str], FocusEstimator] = {}

    def loaded(backend: str, precision: str) -> FocusEstimator:
        if (backend, precision) not in opened:
            opened[backend, precision] = FocusEstimator.load(
                convolutional_path, backend=backend, precision=precision, threads=1
            )
        return opened[backend, precision]

    return loaded


def answers_um(estimator: FocusEstimator, frames: list[NDArray[Any]]) -> NDArray[np.float64]:
    return np.array([estimator.estimate(frame, pixel_size_um=PIXEL_UM).defocus_um for frame in frames])


@pytest.mark.parametrize(("backend", "precision"), BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_trained_network_answers_alike(
    shape: tuple[int, int], backend: str, precision: str, load: Callable[..., FocusEstimator]
) -> None:
    frames = [frame_at(z_um, seed=7, side_px=201)[: shape[0], : shape[1]] for z_um in DEFOCUS_UM]
    expected = answers_um(load("torch", "fp32"), frames)
    assert answers_um(load(backend, precision), frames) == pytest.approx(
        expected, abs=TOLERANCE_UM[precision]
    )


@pytest.mark.parametrize(("backend", "precision"), BACKENDS)
def test_faint_contrast_on_a_bright_background_is_not_rounded_away(
    backend: str, precision: str, load: Callable[..., FocusEstimator]
) -> None:
    frames = [frame_at(z_um, seed=7) for z_um in DEFOCUS_UM]
    faint = [(60000 + 0.05 * (frame.astype(np.float32) - BACKGROUND)).astype(np.float32) for frame in frames]
    expected = answers_um(load("torch", "fp32"), faint)
    assert answers_um(load(backend, precision), faint) == pytest.approx(expected, abs=TOLERANCE_UM[precision])


@pytest.mark.parametrize(("backend", "precision"), BACKENDS)
@pytest.mark.parametrize("settings", [CONVOLUTIONAL, WEI.network], ids=["small", "wei2018"])
def test_all_outputs_are_there_and_alike(settings: NetworkSettings, backend: str, precision: str) -> None:
    frames = drawn_frames(settings)
    expected = opened(settings, backend="torch", precision="fp32").run(frames)
    ours = opened(settings, backend=backend, precision=precision)
    assert isinstance(ours, Backend) and (ours.name, ours.precision) == (backend, precision)
    outputs = ours.run(frames)
    assert outputs.keys() == expected.keys()
    for name, output in outputs.items():
        assert output.dtype == np.float32 and output.shape == expected[name].shape
        far = np.abs(output - expected[name]).max() / np.abs(expected[name]).max()
        assert far < {"fp32": 1e-4, "bf16": 0.03}[precision], name


def said_of(
    *frames: NDArray[np.float32], settings: NetworkSettings, **inference: Any
) -> list[dict[str, NDArray[np.float32]]]:
    backend = opened(settings, **inference)
    return [backend.run(frame[None, None]) for frame in frames]


FRAMES = [frame_at(2.0, seed=7, side_px=201)[:y, :x].astype(np.float32) for y, x in SHAPES]


@pytest.mark.parametrize(("precision", "far"), [("fp32", 0.01), ("bf16", 0.05)])
@pytest.mark.parametrize(
    "settings", [READING, BLIND, LEVEL], ids=["reads cells", "does not", "in even light"]
)
def test_a_compiled_focus_network_says_the_same(
    settings: NetworkSettings, precision: str, far: float
) -> None:
    ours = said_of(*FRAMES, settings=settings, backend="openvino", precision=precision)
    exact = said_of(*FRAMES, settings=settings, backend="torch")
    for said, expected in zip(ours, exact, strict=True):
        assert said.keys() == expected.keys()
        for name, output in said.items():
            assert output.shape == expected[name].shape
            largest = 1.0 if name == "cell_um" else np.abs(expected[name]).max()  # all near 0 um here
            assert np.abs(output - expected[name]).max() < far * largest, name


def test_a_compiled_focus_network_takes_several_frames_at_once() -> None:
    backend = opened(READING, backend="openvino")
    frames = np.stack([FRAMES[0], FRAMES[0][::-1]])[:, None]
    together = backend.run(frames)
    for k, frame in enumerate(frames):
        for name, output in backend.run(frame[None]).items():
            np.testing.assert_array_equal(together[name][k], output[0])


def test_a_compiled_reader_serves_many_at_once() -> None:
    backend = opened(READING, backend="openvino")
    expected = [backend.run(frame[None, None])["logits"] for frame in FRAMES]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda frame: backend.run(frame[None, None])["logits"], 8 * FRAMES))
    for logits, alone in zip(answers, 8 * expected, strict=True):
        np.testing.assert_array_equal(logits, alone)


def test_a_network_that_reads_cells_is_compiled_where_that_is_faster() -> None:
    assert opened(READING).name == ("openvino" if multiplies_bf16() else "torch")
    blind = opened(BLIND)
    assert (blind.name, blind.precision) == ("openvino", "fp32")


@pytest.mark.parametrize("settings", [READING, BLIND], ids=["reads cells", "does not"])
def test_a_focus_network_in_int8_is_refused(settings: NetworkSettings) -> None:
    network = build_network(settings, n_bins=13)
    int8 = InferenceSettings(precision="int8")
    with pytest.raises(SettingsError, match="fp32 or bf16 for this network"):
        open_backend(network, settings, int8, calibration_frames=[FRAMES[0]])


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_answers_belong_to_the_caller(backend: str) -> None:
    ours = opened(CONVOLUTIONAL, backend=backend)
    frames = drawn_frames(CONVOLUTIONAL)
    first = ours.run(frames)["logits"]
    kept = first.copy()
    ours.run(2 * frames[:, :, ::-1] + 1000)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_frame_is_left_as_it_came(backend: str) -> None:
    frames = drawn_frames(CONVOLUTIONAL)
    before = frames.copy()
    opened(CONVOLUTIONAL, backend=backend).run(frames)
    np.testing.assert_array_equal(frames, before)


def test_opening_changes_no_weight_and_no_statistic() -> None:
    network = build_network(CONVOLUTIONAL, n_bins=13)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    open_backend(network, CONVOLUTIONAL, InferenceSettings(backend="openvino"))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_left_open_it_is_openvino_in_bf16_where_the_processor_has_it(convolutional_path: Path) -> None:
    backend = FocusEstimator.load(convolutional_path).backend
    assert (backend.name, backend.precision) == ("openvino", "bf16" if multiplies_bf16() else "fp32")


class Shifted:
    """A back end whose answers are wrong by some part of a bin."""

    name, precision = "torch", "fp32"

    def __init__(self, logits: NDArray[np.float32]) -> None:
        self._logits = logits

    def run(self, frames: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return {"logits": self._logits}


@pytest.mark.parametrize(("bins_off", "same"), [(0.0, True), (0.05, True), (0.3, False), (-0.3, False)])
def test_a_precision_that_moves_answers_is_noticed(bins_off: float, same: bool) -> None:
    bins = np.arange(13)
    peaks = [np.stack([-0.5 * (bins - m - off) ** 2 for m in (3, 6, 8)]) for off in (0.0, bins_off)]
    exact, shifted = (Shifted(logits.astype(np.float32)) for logits in peaks)
    assert gives_same_answers(shifted, exact, np.zeros((3, 1, 8, 8), np.float32)) is same


@pytest.mark.skipif(not multiplies_bf16(), reason="this processor has no bf16")
def test_weights_that_bf16_cannot_hold_are_run_in_fp32() -> None:
    torch.manual_seed(0)
    network = build_network(WEI.network, n_bins=13)
    assert open_backend(network, WEI.network, InferenceSettings()).precision == "bf16"
    with torch.no_grad():
        network.fc2.weight.mul_(20).add_(9000)  # the latter for all bins alike: no change to the answer
    assert open_backend(network, WEI.network, InferenceSettings()).precision == "fp32"


def test_a_network_that_openvino_cannot_take_runs_by_torch() -> None:
    settings = NetworkSettings(architecture="spectral")
    assert opened(settings).name == "torch"
    with pytest.raises(SettingsError, match=r"got SpectralNetwork.*backend torch"):
        opened(settings, backend="openvino")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"backend": "tensorrt"}, r"'backend' = 'tensorrt'.*'auto', 'torch' or 'openvino'"),
        ({"precision": "fp16"}, r"'precision' = 'fp16'.*'bf16'"),
        ({"threads": 0}, r"'threads' = 0"),
        ({"backend": "torch", "precision": "int8"}, "int8.*Use openvino"),
        ({"precision": "int8"}, "calibration_frames"),
    ],
    ids=["backend", "precision", "threads", "int8 by torch", "int8 without frames"],
)
def test_what_cannot_be_is_told(options: dict[str, Any], told: str, model_path: Path) -> None:
    with pytest.raises(SettingsError, match=told):
        FocusEstimator.load(model_path, **options)


def test_int8_without_its_library_is_told(convolutional_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(SettingsError, match=r"int8 needs nncf: pip install 'parfocal\[int8\]'"):
        FocusEstimator.load(convolutional_path, precision="int8", calibration_frames=[frame_at(1.0, seed=3)])


@pytest.mark.filterwarnings("ignore")
def test_int8_answers_nearly_alike(convolutional_path: Path, load: Callable[..., FocusEstimator]) -> None:
    pytest.importorskip("nncf", reason="an optional extra")
    frames = [frame_at(z_um, seed=7) for z_um in DEFOCUS_UM]
    ours = FocusEstimator.load(
        convolutional_path, precision="int8", calibration_frames=[frame_at(z, seed=8) for z in range(-5, 6)]
    )
    assert (ours.backend.name, ours.backend.precision) == ("openvino", "int8")
    assert answers_um(ours, frames) == pytest.approx(answers_um(load("torch", "fp32"), frames), abs=0.5)


SCRIPT = """
import sys
import numpy as np
from parfocal.errors import SettingsError
from parfocal.model import FocusEstimator

assert not {"openvino", "nncf"} & sys.modules.keys(), "loaded on import"
sys.modules["openvino"] = None  # as where it is not installed
frame = np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)
for options in ({}, {"backend": "torch"}):
    estimator = FocusEstimator.load(sys.argv[1], **options)
    assert (estimator.backend.name, estimator.backend.precision) == ("torch", "fp32")
    assert np.isfinite(estimator.estimate(frame, pixel_size_um=0.5).defocus_um)
try:
    FocusEstimator.load(sys.argv[1], backend="openvino")
except SettingsError as error:
    print(error)
"""


def test_without_openvino_torch_answers(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_model(path, *fresh_model())
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True
    )
    assert "not installed" in done.stdout and "backend torch" in done.stdout
    assert done.stderr == ""
