"""OpenVINO: networks compiled for the processor at hand.

Measured on a processor with AMX, one thread, the default network: 2 times PyTorch in fp32, 9 times in bf16.

A network is converted in memory, from the weights of its model file. OpenVINO's own ``convert_model`` is not
used: unless told not to, it reports each call to its makers over the internet.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Literal

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import Tensor, nn

from parfocal.model.backends.contract import Precision
from parfocal.model.backends.quantisation import quantised
from parfocal.model.networks import Network

_TRACING = Lock()  # what PyTorch keeps of a trace belongs to the process
MOST_SIZES = 8
"""Frame sizes that stay compiled."""
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # of int8, what is left to be multiplied as floats


def multiplies_bf16() -> bool:
    """Whether this processor has instructions for bfloat16 (AVX-512 BF16 or AMX)."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoBackend:
    """Runs a network that was compiled for this processor and for each size of frame that came.

    Parameters
    ----------
    network : Network
        One whose first layer is its ``standardise``; it is copied.
    precision : {'fp32', 'bf16', 'int8'}
    threads : int
    side_px : int
        Side of a frame that the network takes.
    calibration_frames : sequence of arrays, each of shape (Y, X)
        For int8: frames as `run` gets them, from which the range of each layer is learned.

    Notes
    -----
    The first frame of each size takes about 0.1 s longer. Frames are standardised in fp32 in front of the
    compiled network: inside it, bfloat16 would round the grey values themselves.
    """

    name: Literal["openvino"] = "openvino"

    def __init__(
        self,
        network: Network,
        *,
        precision: Precision,
        threads: int,
        side_px: int,
        calibration_frames: Sequence[NDArray[np.float32]] = (),
    ) -> None:
        self.precision: Precision = precision
        self._threads = threads
        self._names, self._model = _converted(network, side_px=side_px)
        if precision == "int8":
            self._model = quantised(self._model, [_standardised(f[None, None]) for f in calibration_frames])
        self._request = lru_cache(maxsize=MOST_SIZES)(self._compile)
        self._lock = Lock()  # a request serves one frame at a time

    def run(self, frames: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """See `parfocal.model.backends.Backend`."""
        standardised = _standardised(frames)
        with self._lock:
            request = self._request(frames.shape)
            request.infer({0: standardised}, share_inputs=True, share_outputs=True)
            return {name: request.get_output_tensor(k).data.copy() for k, name in enumerate(self._names)}

    def _compile(self, shape: tuple[int, ...]) -> openvino.InferRequest:
        model = compiled(self._model, [shape], precision=self.precision, threads=self._threads)
        return model.create_infer_request()


class _Answers(nn.Module):
    """A network whose outputs are a tuple: tracing knows no dict."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, standardised: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network.outputs(standardised).values())


def _converted(network: Network, *, side_px: int) -> tuple[tuple[str, ...], openvino.Model]:
    """The names of a network's outputs, and the network as OpenVINO has it, for frames of any size."""
    network = copy.deepcopy(network).eval()
    network.standardise = nn.Identity()
    example = torch.linspace(-1, 1, side_px**2).reshape(1, 1, side_px, side_px)
    with torch.inference_mode():
        names = tuple(network.outputs(example))
    return names, converted(_Answers(network), example)


def converted(module: nn.Module, *examples: Tensor) -> openvino.Model:
    """A module as OpenVINO has it, for inputs of any size like the examples."""
    with _TRACING, torch.inference_mode(), warnings.catch_warnings():
        # Its successor, torch.export, writes errors to the log on its way through OpenVINO's reader.
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(module, examples, check_trace=False)  # type: ignore[no-untyped-call]
    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(traced)  # must live as long as the conversion
    return frontend.convert(frontend.load(decoder))


def compiled(
    model: openvino.Model, shapes: Sequence[Sequence[int]], *, precision: Precision, threads: int
) -> openvino.CompiledModel:
    """A model made ready for this processor and for inputs of some shapes."""
    model = model.clone()
    model.reshape({own: list(shape) for own, shape in zip(model.inputs, shapes, strict=True)})
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # a pinned thread waits for whoever else has its core
    }
    return openvino.Core().compile_model(model, "CPU", settings)


def _standardised(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """What `parfocal.model.networks.standardise` gives, twice as fast."""
    result = np.empty(frames.shape, np.float32)
    for frame, out in zip(frames, result, strict=True):
        mean = frame.mean()
        np.subtract(frame, mean, out=out)
        flat = out.reshape(-1)
        std = np.sqrt(np.dot(flat, flat) / (flat.size - 1))
        out *= np.float32(1 / (std + 1e-3 * abs(mean) + 1e-12))
    return result
