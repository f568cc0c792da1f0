"""Budding yeast, placed cell by cell from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from parfocal.optics.bodies import Body, Ellipsoid
from parfocal.optics.scene import Cell, Layer
from parfocal.optics.specimens.placing import TRIES, Crowd, Population, generators
from parfocal.optics.specimens.ranges import (
    Count,
    Fraction,
    Index,
    NotNegative,
    Positive,
    check_layers,
    check_order,
    draw_height_um,
    draw_layer,
)
from parfocal.settings import Settings

TRIES_PER_BUD = 8
CLOSEST_APPROACH = 0.93
"""Cells may press into each other until their centres are this fraction of touching apart."""

NEIGHBOURLY = 0.98
"""Cells that grow side by side have their centres this fraction of touching apart."""

THICKEST_WALL = 0.25
"""Of the smallest semi-axis, so that the smallest bud still has an inside."""


class YeastSettings(Settings):
    """Budding yeast (organelle sizes and indices *assumed* within the published ranges).

    Cells are counted in the field, buds not counted; the numbers suit a field of 60 um.
    """

    kind: Literal["yeast"] = "yeast"
    fewest_cells: Count = 15
    most_cells: Count = 110
    diameter_um: Positive = 4.6
    diameter_std_um: NotNegative = 0.6
    smallest_diameter_um: Positive = 3.0
    largest_diameter_um: Positive = 6.0
    budded: Fraction = 0.5
    on_floor: Fraction = 0.6
    under_ceiling: Fraction = 0.2
    clustered: Fraction = 0.7
    wall_um: Positive = 0.12
    wall_index: Index = 1.42
    cytoplasm_index: Index = 1.390
    nucleus_index: Index = 1.378
    vacuole_index: Index = 1.355
    lipid_index: Index = 1.46

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        check_order(self, "fewest_cells", "most_cells")
        check_order(self, "smallest_diameter_um", "diameter_um", "largest_diameter_um")
        check_layers(on_floor=self.on_floor, under_ceiling=self.under_ceiling)
        if self.wall_um > self.smallest_diameter_um / 8:
            raise ValueError(
                f"expected a wall of at most an eighth of smallest_diameter_um, got {self.wall_um:g} um "
                f"of {self.smallest_diameter_um:g} um"
            )
        return self

    @property
    def count_range(self) -> tuple[int, int]:
        """Fewest and most cells in the field."""
        return self.fewest_cells, self.most_cells

    @property
    def largest_um(self) -> float:
        """Longest that a cell can be."""
        return 1.2 * self.largest_diameter_um

    @property
    def resting_height_um(self) -> float:
        """Mid-height of a typical cell on the floor."""
        return self.diameter_um / 2


@dataclass(frozen=True)
class YeastCell:
    """One cell or bud as it is at one moment.

    Attributes
    ----------
    centre_um : tuple of float
        (x, y, height above the coverslip).
    semi_axes_um : tuple of float
        Along its own long axis, across it, and upright.
    yaw_rad : float
        Turn of its long axis about the vertical.
    layer : {"floor", "ceiling", "between"}
        What it rests on; a bud belongs to the layer of its mother.
    seed : int
        Of its organelles.
    """

    centre_um: tuple[float, float, float]
    semi_axes_um: tuple[float, float, float]
    yaw_rad: float
    layer: Layer
    seed: int

    @property
    def radius_um(self) -> float:
        """Mean semi-axis."""
        return sum(self.semi_axes_um) / 3

    @property
    def balls(self) -> NDArray[np.float64]:
        """The room that it takes, as balls (x, y, height, radius)."""
        return np.array([[*self.centre_um, self.radius_um]])

    @property
    def as_cell(self) -> Cell:
        """Where it lies."""
        a, b, _ = self.semi_axes_um
        return Cell("yeast", *self.centre_um, float(np.sqrt(a * b)), self.layer)


def yeast_population(
    settings: YeastSettings, crowd: Crowd, *, seed: tuple[int, ...], n_cells: int
) -> Population:
    """Cells and buds on the floor, under the ceiling and between; a full chamber takes fewer."""
    grown: list[YeastCell] = []
    for generator in generators(seed, n_cells):
        mother = _mother(settings, crowd, grown, generator=generator)
        if mother is None:
            continue
        family = [mother, *_bud(settings, crowd, mother, generator=generator)]
        crowd.add(np.concatenate([cell.balls for cell in family]))
        grown += family
    bodies = [
        body for cell in grown for body in yeast_bodies(cell, settings, medium_index=crowd.medium_index)
    ]
    return Population(tuple(cell.as_cell for cell in grown), tuple(bodies))


def yeast_bodies(cell: YeastCell, settings: YeastSettings, *, medium_index: float) -> tuple[Body, ...]:
    """Wall, cytoplasm and organelles of one cell, each within the one before or in the cytoplasm.

    Notes
    -----
    Organelles keep their place and size relative to the cell: as a cell grows, moves or turns little by
    little, so do they.
    """
    wall_um = min(settings.wall_um, THICKEST_WALL * min(cell.semi_axes_um))
    a, b, c = (axis - wall_um for axis in cell.semi_axes_um)
    wall = Ellipsoid.turned(
        cell.centre_um, cell.semi_axes_um, settings.wall_index - medium_index, yaw_rad=cell.yaw_rad
    )
    cytoplasm = Ellipsoid.turned(
        cell.centre_um, (a, b, c), settings.cytoplasm_index - settings.wall_index, yaw_rad=cell.yaw_rad
    )
    return wall, cytoplasm, *_organelles(cell, settings, inner_um=min(a, b, c))


def _organelles(cell: YeastCell, settings: YeastSettings, *, inner_um: float) -> Iterator[Ellipsoid]:
    generator = np.random.default_rng(cell.seed)
    organelles = [
        (0.32, settings.nucleus_index),
        (generator.uniform(0.25, 0.45), settings.vacuole_index),
        *((generator.uniform(0.08, 0.16), settings.lipid_index) for _ in range(generator.integers(1, 5))),
    ]
    c, s = np.cos(cell.yaw_rad), np.sin(cell.yaw_rad)
    x_um, y_um, h_um = cell.centre_um
    for relative_size, index in organelles:
        radius_um = float(relative_size) * inner_um
        away = generator.normal(size=3)
        away *= generator.uniform(0.2, 0.9) * (inner_um - radius_um) / np.sqrt(away @ away)
        where = (x_um + c * away[0] - s * away[1], y_um + s * away[0] + c * away[1], h_um + away[2])
        yield Ellipsoid.ball(where, radius_um, index - settings.cytoplasm_index)


def _mother(
    settings: YeastSettings, crowd: Crowd, grown: list[YeastCell], *, generator: np.random.Generator
) -> YeastCell | None:
    """A new cell where there is room for it, or none if no room was found."""
    layer = draw_layer(on_floor=settings.on_floor, under_ceiling=settings.under_ceiling, generator=generator)
    axes = _semi_axes_um(settings, crowd.height_um, generator=generator)
    height_um = draw_height_um(layer, axes[2], crowd.height_um, generator=generator)
    yaw, seed = float(generator.uniform(0, np.pi)), int(generator.integers(2**31))
    cell = YeastCell((0.0, 0.0, height_um), axes, yaw, layer, seed)
    for _ in range(TRIES):
        x, y = _place_um(settings, crowd, grown, cell.radius_um, generator=generator)
        cell = replace(cell, centre_um=(x, y, height_um))
        if crowd.has_room_for(cell.balls, closest=CLOSEST_APPROACH):
            return cell
    return None


def _semi_axes_um(
    settings: YeastSettings, chamber_height_um: float, *, generator: np.random.Generator
) -> tuple[float, float, float]:
    diameter = generator.normal(settings.diameter_um, settings.diameter_std_um)
    diameter = np.clip(diameter, settings.smallest_diameter_um, settings.largest_diameter_um)
    radius = min(float(diameter), chamber_height_um) / 2
    elongation, flatness = generator.uniform(1.0, 1.2), generator.uniform(0.92, 1.0)
    return radius * float(elongation), radius, radius * float(flatness)


def _place_um(
    settings: YeastSettings,
    crowd: Crowd,
    grown: list[YeastCell],
    radius_um: float,
    *,
    generator: np.random.Generator,
) -> tuple[float, float]:
    """Anywhere, or beside a cell that is already there."""
    if not grown or generator.random() >= settings.clustered:
        return crowd.anywhere_um(generator)
    neighbour = grown[int(generator.integers(len(grown)))]
    apart_um = NEIGHBOURLY * (neighbour.radius_um + radius_um)
    return _beside_um(crowd, neighbour, apart_um, generator.uniform(0, 2 * np.pi))


def _beside_um(crowd: Crowd, cell: YeastCell, apart_um: float, angle_rad: float) -> tuple[float, float]:
    x_um, y_um, _ = cell.centre_um
    return crowd.wrapped_um(x_um + apart_um * np.cos(angle_rad), y_um + apart_um * np.sin(angle_rad))


def _bud(
    settings: YeastSettings, crowd: Crowd, mother: YeastCell, *, generator: np.random.Generator
) -> list[YeastCell]:
    """A bud of a cell, where it has one and there is room. The mother is not yet in the crowd's way."""
    if generator.random() >= settings.budded:
        return []
    size = float(generator.uniform(0.3, 0.75))
    a, b, c = (size * axis for axis in mother.semi_axes_um)
    apart_um = mother.radius_um + 0.8 * (a + b + c) / 3
    height_um = float(np.clip(mother.centre_um[2] + generator.normal(0, 0.3), c, crowd.height_um - c))
    seed = int(generator.integers(2**31))
    for angle in generator.uniform(0, 2 * np.pi, TRIES_PER_BUD):
        x_um, y_um = _beside_um(crowd, mother, apart_um, angle)
        bud = YeastCell((x_um, y_um, height_um), (a, b, c), float(angle), mother.layer, seed)
        if crowd.has_room_for(bud.balls, closest=CLOSEST_APPROACH):
            return [bud]
    return []
