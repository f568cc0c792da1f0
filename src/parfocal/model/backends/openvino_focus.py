"""FocusNetwork compiled by OpenVINO, but for its Fourier transforms, which stay PyTorch's."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from parfocal.model.backends.contract import Precision
from parfocal.model.backends.openvino_backend import MOST_SIZES, compiled, converted
from parfocal.model.networks import CellReader, FocusNetwork
from parfocal.model.networks.bands import band_images, frame_numbers, moments_of_images, tile_grid
from parfocal.model.networks.cell_reader import MARGIN_PX, contrast_of, inside_frame

Array = NDArray[np.float32]


class OpenVinoFocusBackend:
    """Runs a FocusNetwork.

    Parameters
    ----------
    network : FocusNetwork
        Is copied.
    precision : {'fp32', 'bf16'}
        Of its reader of cells. The rest is in fp32, as it takes logarithms.
    threads : int
        Of the reader, which begins beside the thread that asks; that does the rest.

    Notes
    -----
    PyTorch takes a frame apart into its bands. What follows is compiled from the network's own code, for each
    size of frame: the moments of the bands; the convolutions of the reader, which start first; what it tells
    from them and from the moments; and what the network says of it all.
    """

    name: Literal["openvino"] = "openvino"

    def __init__(self, network: FocusNetwork, *, precision: Precision, threads: int) -> None:
        self.precision: Precision = precision
        self._network = copy.deepcopy(network).cpu().eval()
        self._network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._threads = threads
        self._compiled = lru_cache(maxsize=MOST_SIZES)(self._compile)

    def run(self, frames: Array) -> dict[str, Array]:
        """See `parfocal.model.backends.Backend`."""
        with torch.inference_mode():
            said = [self._run(torch.from_numpy(frame)) for frame in frames[:, 0]]
        return {name: np.concatenate([one[name] for one in said]) for name in said[0]}

    def _run(self, frame_yx: Tensor) -> dict[str, Array]:
        idle, make = self._compiled(tuple(frame_yx.shape))
        try:
            parts = idle.pop()
        except IndexError:  # all are at work, for other threads
            parts = make()
        said = parts.run(self._network.bands.even(frame_yx))
        idle.append(parts)
        return said

    def _compile(self, shape_yx: tuple[int, int]) -> tuple[deque[_Parts], Callable[[], _Parts]]:
        """For frames of one size: what is free to serve one, and what makes more where many come at once."""
        models = _models(self._network, shape_yx, precision=self.precision, threads=self._threads)
        return deque(), lambda: _Parts(
            self._network, {name: model.create_infer_request() for name, model in models.items()}
        )


@dataclass(frozen=True)
class _Parts:
    """The compiled parts of a network, by name; they serve one frame at a time."""

    network: FocusNetwork
    requests: dict[str, openvino.InferRequest]

    def run(self, frame_yx: Tensor) -> dict[str, Array]:
        """What the network says of a frame (Y, X) in even light."""
        eye = self.requests.get("eye")
        if eye:
            contrast = contrast_of(frame_yx[None], margin_px=MARGIN_PX)
            eye.start_async({0: contrast.numpy()}, share_inputs=True)
        images = band_images(frame_yx, self.network.bands)
        moments, numbers = self._infer("moments", *(image.numpy() for image in images))
        tiles = [moments]
        if eye:
            eye.wait()
            tiles += self._infer("mouth", eye.get_output_tensor(0).data, numbers)
        said = self._infer("answer", *tiles)
        return {name: part.copy() for name, part in zip(self.network.names_of_outputs, said, strict=True)}

    def _infer(self, name: str, *inputs: Array) -> list[Array]:
        """Outputs of one part; they hold until it runs again."""
        request = self.requests[name]
        request.infer(dict(enumerate(inputs)), share_inputs=True, share_outputs=True)
        return [tensor.data for tensor in request.output_tensors]


def _models(
    network: FocusNetwork, shape_yx: tuple[int, int], *, precision: Precision, threads: int
) -> dict[str, openvino.CompiledModel]:
    """The parts of a network, compiled for frames of one size."""
    frame_yx = torch.linspace(1, 2, shape_yx[0] * shape_yx[1]).view(shape_yx)
    images = band_images(frame_yx, network.bands)
    beside = _Moments(network)
    moments, numbers = beside(*images)
    models = {"moments": _model(beside, images, precision="fp32", threads=1)}
    tiles = [moments]
    if network.reader:
        contrast = contrast_of(frame_yx[None], margin_px=MARGIN_PX)
        eye, mouth = _Eye(network.reader), _Mouth(network.reader, tile_grid(frame_yx))
        seen = eye(contrast)
        tiles.append(mouth(seen, numbers))
        models["eye"] = _model(eye, [contrast], precision=precision, threads=threads)
        models["mouth"] = _model(mouth, [seen, numbers], precision=precision, threads=threads)
    models["answer"] = _model(_Answer(network, tile_grid(frame_yx)), tiles, precision="fp32", threads=1)
    return models


def _model(
    part: nn.Module, examples: Sequence[Tensor], *, precision: Precision, threads: int
) -> openvino.CompiledModel:
    part(*examples)  # what is kept from one frame to the next is made outside of the trace
    shapes = [tuple(example.shape) for example in examples]
    return compiled(converted(part, *examples), shapes, precision=precision, threads=threads)


class _Moments(nn.Module):
    """Moments of the tiles of a frame, and the numbers of the frame, from its bands."""

    def __init__(self, network: FocusNetwork) -> None:
        super().__init__()
        self.bands = network.bands

    def forward(self, *octaves: Tensor) -> tuple[Tensor, Tensor]:
        moments = moments_of_images(octaves, self.bands)
        return moments, frame_numbers(moments, self.bands)[None]


class _Eye(nn.Module):
    """The part of a reader that needs the frame alone."""

    def __init__(self, reader: CellReader) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, contrast: Tensor) -> Tensor:
        return self.reader.seen(contrast, step=2)


class _Mouth(nn.Module):
    """The part that needs the numbers of the frame too."""

    def __init__(self, reader: CellReader, grid_yx: tuple[int, int]) -> None:
        super().__init__()
        self.reader, self.grid_yx = reader, grid_yx

    def forward(self, seen: Tensor, numbers: Tensor) -> Tensor:
        return inside_frame(self.reader.tell(seen, numbers)[0], self.grid_yx)


class _Answer(nn.Module):
    """What a network says of the tiles of a frame; tracing knows no dict."""

    def __init__(self, network: FocusNetwork, grid_yx: tuple[int, int]) -> None:
        super().__init__()
        self.network, self.grid_yx = network, grid_yx

    def forward(self, *tiles: Tensor) -> tuple[Tensor, ...]:
        together = torch.cat(tiles, dim=1)[None]
        return tuple(self.network.outputs_of_tiles(together, grid_yx=self.grid_yx).values())
