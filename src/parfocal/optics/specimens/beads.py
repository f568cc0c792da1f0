"""Beads on the floor or held in a gel."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from parfocal.optics.bodies import Ellipsoid
from parfocal.optics.scene import Cell
from parfocal.optics.specimens.placing import TRIES, Crowd, Population, generators
from parfocal.optics.specimens.ranges import (
    Count,
    Fraction,
    Index,
    Positive,
    check_order,
    draw_even,
    draw_height_um,
    draw_layer,
)
from parfocal.settings import Settings


class BeadSettings(Settings):
    """Polystyrene beads: index 1.59 at 0.59 um (Ma et al. 2003). Silica has about 1.45.

    Beads that do not lie on the floor are held at any height, as in a gel. They are counted in the field.
    """

    kind: Literal["beads"] = "beads"
    fewest_beads: Count = 5
    most_beads: Count = 60
    smallest_diameter_um: Positive = 1.0
    largest_diameter_um: Positive = 3.0
    on_floor: Fraction = 0.8
    index: Index = 1.59

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        check_order(self, "fewest_beads", "most_beads")
        check_order(self, "smallest_diameter_um", "largest_diameter_um")
        return self

    @property
    def count_range(self) -> tuple[int, int]:
        """Fewest and most beads in the field."""
        return self.fewest_beads, self.most_beads

    @property
    def largest_um(self) -> float:
        """Widest that a bead can be."""
        return self.largest_diameter_um

    @property
    def resting_height_um(self) -> float:
        """Mid-height of a typical bead on the floor."""
        return (self.smallest_diameter_um + self.largest_diameter_um) / 4


def bead_population(
    settings: BeadSettings, crowd: Crowd, *, seed: tuple[int, ...], n_beads: int
) -> Population:
    """Beads that do not touch; a full chamber takes fewer."""
    beads: list[Cell] = []
    for generator in generators(seed, n_beads):
        bead = _bead(settings, crowd, generator=generator)
        if bead is not None:
            crowd.add(_balls(bead))
            beads.append(bead)
    delta_index = settings.index - crowd.medium_index
    bodies = [Ellipsoid.ball((b.x_um, b.y_um, b.height_um), b.radius_um, delta_index) for b in beads]
    return Population(tuple(beads), tuple(bodies))


def _bead(settings: BeadSettings, crowd: Crowd, *, generator: np.random.Generator) -> Cell | None:
    """A new bead where there is room for it, or none if no room was found."""
    diameter_um = draw_even(settings.smallest_diameter_um, settings.largest_diameter_um, generator=generator)
    radius_um = min(diameter_um, crowd.height_um) / 2
    layer = draw_layer(on_floor=settings.on_floor, under_ceiling=0.0, generator=generator)
    height_um = draw_height_um(layer, radius_um, crowd.height_um, generator=generator)
    for _ in range(TRIES):
        bead = Cell("beads", *crowd.anywhere_um(generator), height_um, radius_um, layer)
        if crowd.has_room_for(_balls(bead)):
            return bead
    return None


def _balls(bead: Cell) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[bead.x_um, bead.y_um, bead.height_um, bead.radius_um]])
