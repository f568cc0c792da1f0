"""PyTorch: there wherever parfocal is, and what the other back ends are held against."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from parfocal.model.networks import Network


class TorchBackend:
    """Runs a network as it stands, layer by layer.

    Parameters
    ----------
    network : Network
        Stays as it is but for its memory format and evaluation mode.
    precision : {'fp32', 'bf16'}
        ``bf16`` is by autocast: frames are standardised in fp32.
    """

    name: Literal["torch"] = "torch"

    def __init__(self, network: Network, *, precision: Literal["fp32", "bf16"] = "fp32") -> None:
        self.precision: Literal["fp32", "bf16"] = precision
        self._network: Network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(self, frames: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """See `parfocal.model.backends.Backend`."""
        rounding = torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), rounding:
            outputs = self._network.outputs(torch.from_numpy(frames))
        return {name: output.float().numpy() for name, output in outputs.items()}
