"""Which network, and how large."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from parfocal.settings import Settings

Architecture = Literal["focus", "wei2018", "small", "mobilenet_v3", "spectral"]
_SMALLEST_PX = {"small": 32, "mobilenet_v3": 32, "spectral": 96}


class NetworkSettings(Settings):
    """Which network, and how large.

    `input_px`, the side of the square input, is fixed for ``wei2018``; the others take any size from
    `smallest_px` up. `widths` and `blocks` belong to ``focus``: channels and residual blocks of each stage,
    each stage at half the resolution of the one before.
    """

    architecture: Architecture = "focus"
    input_px: Annotated[int, Field(ge=50)] = 250
    literal_initialisation: bool = False
    widths: tuple[int, ...] = (16, 32, 64, 128)
    blocks: tuple[int, ...] = (0, 1, 2, 2)

    @property
    def takes_any_size(self) -> bool:
        """Whether frames may be larger than the smallest."""
        return self.architecture != "wei2018"

    @property
    def smallest_px(self) -> int:
        """Side of the smallest frame that the network takes."""
        if self.architecture == "wei2018":
            return self.input_px
        of_focus: int = 2 ** (len(self.widths) + 1)
        return _SMALLEST_PX.get(self.architecture, of_focus)
