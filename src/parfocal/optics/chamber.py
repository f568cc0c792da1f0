"""The chamber that holds the specimen: coverslip below, ceiling above, pillars between."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from parfocal.settings import Settings


class ChamberSettings(Settings):
    """A microfluidic growth chamber: coverslip below, ceiling above, pillars between."""

    height_um: Annotated[float, Field(gt=0)] = 6.0
    medium_index: Annotated[float, Field(ge=1.0, le=2.0)] = 1.337
    pillar_diameter_um: Annotated[float, Field(ge=0)] = 10.0
    pillar_index: Annotated[float, Field(ge=1.0, le=2.0)] = 1.41
    pillars: bool = True
