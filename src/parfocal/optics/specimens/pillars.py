"""The pillars that keep a chamber from collapsing."""

from __future__ import annotations

import numpy as np

from parfocal.optics.bodies import Cylinder
from parfocal.optics.chamber import ChamberSettings

SPACING_UM = 50.0


def pillars_of(
    chamber: ChamberSettings, field_yx_um: tuple[float, float], *, generator: np.random.Generator
) -> tuple[Cylinder, ...]:
    """Pillars on a square lattice, at a random place under the field.

    Notes
    -----
    The 50 um lattice is stretched to fit a whole number of times, and at least once, into the periodic field.
    """
    if not chamber.pillars or chamber.pillar_diameter_um == 0:
        return ()
    height_um, width_um = field_yx_um
    x_um, y_um = generator.uniform(0, width_um), generator.uniform(0, height_um)
    columns, rows = (max(1, round(side_um / SPACING_UM)) for side_um in (width_um, height_um))
    return tuple(
        _pillar(
            chamber, (x_um + i * width_um / columns) % width_um, (y_um + j * height_um / rows) % height_um
        )
        for j in range(rows)
        for i in range(columns)
    )


def _pillar(chamber: ChamberSettings, x_um: float, y_um: float) -> Cylinder:
    delta_index = chamber.pillar_index - chamber.medium_index
    return Cylinder(
        float(x_um), float(y_um), chamber.pillar_diameter_um / 2, 0.0, chamber.height_um, delta_index
    )
