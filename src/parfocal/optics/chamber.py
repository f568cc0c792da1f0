"""The chamber that holds the specimen: coverslip below, ceiling above, pillars between."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from parfocal.settings import Settings


class ChamberSettings(Settings):
    """A microfluidic growth chamber: coverslip below, ceiling above, pillars between.

    Attributes
    ----------
    height_um : float
    medium_index : float
    pillar_diameter_um, pillar_index : float
    pillars : bool
    tilt_mrad : float
        Slope of the chamber against the focal plane; 5 mrad raise the far edge of a 60 um field by 0.3 um.
    tilt_towards_deg : float
        Where it rises: 0 along x, 90 along y.
    """

    height_um: Annotated[float, Field(gt=0)] = 6.0
    medium_index: Annotated[float, Field(ge=1.0, le=2.0)] = 1.337
    pillar_diameter_um: Annotated[float, Field(ge=0)] = 10.0
    pillar_index: Annotated[float, Field(ge=1.0, le=2.0)] = 1.41
    pillars: bool = True
    tilt_mrad: Annotated[float, Field(ge=0, le=50)] = 0.0
    tilt_towards_deg: float = 0.0
