"""What every back end promises, and the settings that choose one."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from parfocal.settings import Settings

BackendName = Literal["torch", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]


class InferenceSettings(Settings):
    """What runs a network, how precisely, and on how many threads.

    Attributes
    ----------
    backend : {'auto', 'torch', 'openvino'}
        ``auto`` takes OpenVINO where it is installed and takes the network.
    precision : {'auto', 'fp32', 'bf16', 'int8'}
        ``auto`` takes bf16 where the processor multiplies it fast and the answers stay the same, else fp32.
        ``int8`` needs OpenVINO and some frames to measure the range of each layer on.
    threads : int
        Of OpenVINO. Those of PyTorch are one setting for the whole process, see `parfocal.model.use_threads`.
    """

    backend: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    threads: Annotated[int, Field(ge=1)] = 2


@runtime_checkable
class Backend(Protocol):
    """Runs one network."""

    @property
    def name(self) -> BackendName:
        """Which back end this is."""
        ...

    @property
    def precision(self) -> Precision:
        """In which precision it multiplies; what goes in and comes out is fp32."""
        ...

    def run(self, frames: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """What the network says of some frames.

        Parameters
        ----------
        frames : array, shape (N, 1, Y, X), float32
            Grey values at the network's working pixel, of a size that the network takes.

        Returns
        -------
        dict of arrays
            All of the network's `outputs`: ``logits`` (N, bins), and more where the network has more. They
            are the caller's: a later run leaves them as they are.
        """
        ...
