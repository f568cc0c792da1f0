"""Where a training runs and in which precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

Precision = Literal["auto", "bf16-mixed", "32-true"]


def place(precision: Precision) -> Fabric:
    """The best device of this machine, with a precision; ``auto`` takes bfloat16 where that is faster."""
    if precision == "auto":
        precision = "bf16-mixed" if has_fast_bf16() else "32-true"
    device = _best_device()
    if precision == "32-true":
        return Fabric(accelerator=device, devices=1, precision=precision)
    return Fabric(accelerator=device, devices=1, plugins=[_GreyValuesAsTheyAre("bf16-mixed", device=device)])


def use_threads(n: int) -> None:
    """Lets this process compute on `n` threads; worth it only on a machine that is otherwise idle."""
    torch.set_num_threads(n)


def has_fast_bf16() -> bool:
    """Whether this machine multiplies bfloat16 faster than float32."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    tell: Callable[[], Mapping[str, Any]] = getattr(
        torch.cpu, "get_capabilities", dict
    )  # older torch has none
    capabilities = tell()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


class _GreyValuesAsTheyAre(MixedPrecision):
    """bfloat16 inside the network, while frames reach it as 32-bit floats.

    Fabric would round the frames too: near a background of 30000 grey values bfloat16 has steps of 128,
    as large as the contrast of a cell.
    """

    def convert_input(self, data: Any) -> Any:
        return data
