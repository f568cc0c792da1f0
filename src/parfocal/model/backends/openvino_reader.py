"""FocusNetwork with its reader of cells compiled by OpenVINO, which reads while PyTorch makes the moments."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from parfocal.model.backends.contract import Precision
from parfocal.model.backends.openvino_backend import MOST_SIZES, compiled, converted
from parfocal.model.backends.torch_backend import TorchBackend
from parfocal.model.networks import CellReader, FocusNetwork
from parfocal.model.networks.cell_reader import MARGIN_PX, PATCH_PX, contrast_of, inside_frame


class OpenVinoFocusBackend:
    """Runs a FocusNetwork that has a reader of cells.

    Parameters
    ----------
    network : FocusNetwork
        Is copied.
    precision : {'fp32', 'bf16'}
        Of the reader. The rest is in fp32, as it takes logarithms.
    threads : int
        Of the reader, beside PyTorch's own.

    Notes
    -----
    Measured on a processor with AMX, 250 x 250 pixels, one thread: the reader takes 1.2 ms of processor time
    in bf16, by PyTorch 3.6; by OpenVINO in fp32 4.4. Where another core is free, nearly all of it goes by
    beside the moments: an estimate takes 7.9 in place of 10.1 ms.
    """

    name: Literal["openvino"] = "openvino"

    def __init__(self, network: FocusNetwork, *, precision: Precision, threads: int) -> None:
        assert network.reader
        self.precision: Precision = precision
        own = copy.deepcopy(network)
        own.reader = _CompiledReader(network.reader, precision=precision, threads=threads)
        self._torch = TorchBackend(own)

    def run(self, frames: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """See `parfocal.model.backends.Backend`."""
        return self._torch.run(frames)


class _CompiledReader(CellReader):
    """Reads tiles as the reader does that it was made from, with convolutions that go on by themselves."""

    def __init__(self, reader: CellReader, *, precision: Precision, threads: int) -> None:
        n_numbers, width = reader.of_frame.in_features, reader.of_frame.out_features
        super().__init__(n_bins=reader.n_bins, n_numbers=n_numbers, width=width)
        self.load_state_dict(reader.state_dict())
        plain = copy.deepcopy(reader).cpu().eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        contrast, numbers = torch.zeros(1, 1, PATCH_PX, PATCH_PX), torch.zeros(1, n_numbers)
        eye, mouth = _Eye(plain), _Mouth(plain)
        with torch.inference_mode():
            seen = eye(contrast)
        self._models = converted(eye, contrast), converted(mouth, seen, numbers)
        self._precision, self._threads, self._n_numbers = precision, threads, n_numbers
        self._requests = lru_cache(maxsize=MOST_SIZES)(self._compile)

    def look_at(self, frame_yx: Tensor) -> Callable[[Tensor], Tensor]:
        """See `CellReader.look_at`."""
        contrast = contrast_of(frame_yx[None], margin_px=MARGIN_PX).numpy()
        idle, make = self._requests(contrast.shape)
        try:
            seeing, telling = idle.pop()
        except IndexError:  # all are at work, for other threads
            seeing, telling = make()
        seeing.start_async({0: contrast}, share_inputs=True)

        def tell(numbers: Tensor) -> Tensor:
            seeing.wait()
            inputs = {0: seeing.get_output_tensor(0).data, 1: numbers[None].numpy()}
            telling.infer(inputs, share_inputs=True, share_outputs=True)
            tiles = torch.from_numpy(telling.get_output_tensor(0).data[0].copy())
            idle.append((seeing, telling))
            return inside_frame(tiles, frame_yx)

        return tell

    def _compile(self, shape: tuple[int, ...]) -> tuple[deque[_Requests], Callable[[], _Requests]]:
        """For frames of one size: what is free to serve one, and what makes more where many come at once."""
        eye, mouth = self._models
        seeing = compiled(eye, [shape], precision=self._precision, threads=self._threads)
        of_seen = seeing.output(0).shape
        telling = compiled(
            mouth, [of_seen, (1, self._n_numbers)], precision=self._precision, threads=self._threads
        )
        return deque(), lambda: (seeing.create_infer_request(), telling.create_infer_request())


_Requests = tuple[openvino.InferRequest, openvino.InferRequest]


class _Eye(nn.Module):
    """The part of a reader that needs the frame alone."""

    def __init__(self, reader: CellReader) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, contrast: Tensor) -> Tensor:
        return self.reader.seen(contrast, step=2)


class _Mouth(nn.Module):
    """The part that needs the numbers of the frame too."""

    def __init__(self, reader: CellReader) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, seen: Tensor, numbers: Tensor) -> Tensor:
        return self.reader.tell(seen, numbers)
