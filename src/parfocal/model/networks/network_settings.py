"""Which network, and how large."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from parfocal.settings import Settings

Size = Literal["tiny", "default", "large"]
Architecture = Literal["focus", "wei2018", "small", "mobilenet_v3", "spectral"]
_SMALLEST_PX = {"focus": 32, "small": 32, "mobilenet_v3": 32, "spectral": 96}


class NetworkSettings(Settings):
    """Which network, and how large.

    `input_px`, the side of the square input, is fixed for ``wei2018``; the others take any size from
    `smallest_px` up. The rest belongs to ``focus``, see `parfocal.model.networks.FocusNetwork`.
    """

    architecture: Architecture = "focus"
    input_px: Annotated[int, Field(ge=50)] = 250
    literal_initialisation: bool = False
    octaves: Annotated[int, Field(ge=2, le=5)] = 5
    per_octave: Annotated[int, Field(ge=1, le=6)] = 3
    window_px: Annotated[int, Field(ge=64, multiple_of=32)] = 64
    width: Annotated[int, Field(ge=8)] = 256
    cell_bins: Annotated[int, Field(ge=0)] = 0
    flat_field: bool = False

    @property
    def takes_any_size(self) -> bool:
        """Whether frames may be larger than the smallest."""
        return self.architecture != "wei2018"

    @property
    def smallest_px(self) -> int:
        """Side of the smallest frame that the network takes."""
        return self.input_px if self.architecture == "wei2018" else _SMALLEST_PX[self.architecture]


def focus_network(size: Size) -> NetworkSettings:
    """A FocusNetwork by its size.

    Notes
    -----
    ``tiny`` has 5 bands and 4 thousand weights, for small processors; ``large`` has 20 bands.

    Examples
    --------
    >>> focus_network("tiny").per_octave
    1
    """
    match size:
        case "tiny":
            return NetworkSettings(per_octave=1, width=24)
        case "default":
            return NetworkSettings()
        case "large":
            return NetworkSettings(per_octave=4, width=384)
