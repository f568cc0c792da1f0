"""Rod-shaped cells: fission yeast, bacteria."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from parfocal.optics.bodies import Body, Capsule, Ellipsoid
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
    draw_even,
    draw_height_um,
    draw_layer,
)
from parfocal.settings import Settings

STEEPEST_DEG = 80.0


class RodSettings(Settings):
    """Rods that lie flat or nearly so, often side by side; by default fission yeast.

    Fission yeast is 3.5 to 4 um wide, grows from 7 to 14 um at its ends and divides by a septum (Mitchison &
    Nurse 1985). Its indices are *assumed* to be those of budding yeast. A size of 0 leaves a part out. Cells
    are counted in the field; the numbers suit a field of 60 um.
    """

    kind: Literal["rods"] = "rods"
    fewest_cells: Count = 6
    most_cells: Count = 45
    narrowest_um: Positive = 3.5
    widest_um: Positive = 4.0
    shortest_um: Positive = 7.0
    longest_um: Positive = 14.0
    largest_tilt_deg: NotNegative = 3.0
    on_floor: Fraction = 0.9
    under_ceiling: Fraction = 0.05
    clustered: Fraction = 0.6
    dividing: Fraction = 0.15
    septum_um: NotNegative = 0.3
    wall_um: NotNegative = 0.2
    nucleus_um: NotNegative = 2.4
    most_lipids: Count = 6
    wall_index: Index = 1.42
    cytoplasm_index: Index = 1.385
    nucleus_index: Index = 1.375
    lipid_index: Index = 1.46

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        check_order(self, "fewest_cells", "most_cells")
        check_order(self, "narrowest_um", "widest_um", "shortest_um", "longest_um")
        check_layers(on_floor=self.on_floor, under_ceiling=self.under_ceiling)
        inner_um = self.narrowest_um - 2 * self.wall_um
        if inner_um <= max(self.nucleus_um, self.narrowest_um / 2):
            raise ValueError(
                f"expected a wall that leaves half of narrowest_um and the nucleus inside, got "
                f"{self.wall_um:g} um of {self.narrowest_um:g} um and a nucleus of {self.nucleus_um:g} um"
            )
        if self.largest_tilt_deg > STEEPEST_DEG:
            raise ValueError(f"expected largest_tilt_deg <= {STEEPEST_DEG:g}, got {self.largest_tilt_deg:g}")
        return self

    @property
    def count_range(self) -> tuple[int, int]:
        """Fewest and most cells in the field."""
        return self.fewest_cells, self.most_cells

    @property
    def largest_um(self) -> float:
        """Longest that a cell can be."""
        return self.longest_um

    @property
    def resting_height_um(self) -> float:
        """Mid-height of a typical cell on the floor."""
        return (self.narrowest_um + self.widest_um) / 4


BACTERIA = RodSettings(
    fewest_cells=20,
    most_cells=300,
    narrowest_um=0.8,
    widest_um=1.0,
    shortest_um=2.0,
    longest_um=5.0,
    largest_tilt_deg=8.0,
    on_floor=0.8,
    under_ceiling=0.05,
    dividing=0.0,
    septum_um=0.0,
    wall_um=0.0,
    nucleus_um=0.0,
    most_lipids=0,
    cytoplasm_index=1.40,
)
"""Rods like *E. coli* (index *assumed*): one body without parts, some of them swimming."""


@dataclass(frozen=True)
class _Rod:
    """One cell: its middle, half the length between the middles of its round ends, and how it lies."""

    centre_um: tuple[float, float, float]
    half_um: float
    radius_um: float
    yaw_rad: float
    pitch_rad: float
    layer: Layer
    divides: bool

    @property
    def direction(self) -> NDArray[np.float64]:
        c = np.cos(self.pitch_rad)
        return np.array([c * np.cos(self.yaw_rad), c * np.sin(self.yaw_rad), np.sin(self.pitch_rad)])

    @property
    def balls(self) -> NDArray[np.float64]:
        """The room that it takes: a string of balls, closer than half a radius to each other."""
        n = 1 + int(np.ceil(4 * self.half_um / self.radius_um))
        along_um = np.linspace(-self.half_um, self.half_um, n)
        middles = self.centre_um + along_um[:, None] * self.direction
        return np.column_stack([middles, np.full(n, self.radius_um)])

    @property
    def as_cell(self) -> Cell:
        flat_um = 2 * self.half_um * np.cos(self.pitch_rad)
        area_um2 = np.pi * self.radius_um**2 + 2 * self.radius_um * flat_um
        return Cell("rods", *self.centre_um, float(np.sqrt(area_um2 / np.pi)), self.layer)


def rod_population(settings: RodSettings, crowd: Crowd, *, seed: tuple[int, ...], n_cells: int) -> Population:
    """Rods on the floor, under the ceiling and between; a full chamber takes fewer."""
    grown: list[_Rod] = []
    bodies: list[Body] = []
    for generator in generators(seed, n_cells):
        rod = _rod(settings, crowd, grown, generator=generator)
        if rod is None:
            continue
        crowd.add(rod.balls)
        grown.append(rod)
        bodies += _bodies(rod, settings, medium_index=crowd.medium_index, generator=generator)
    return Population(tuple(rod.as_cell for rod in grown), tuple(bodies))


def _rod(
    settings: RodSettings, crowd: Crowd, grown: list[_Rod], *, generator: np.random.Generator
) -> _Rod | None:
    """A new rod where there is room for it, or none if no room was found."""
    rod = _shape(settings, crowd.height_um, generator=generator)
    for _ in range(TRIES):
        if grown and generator.random() < settings.clustered:
            neighbour = grown[int(generator.integers(len(grown)))]
            placed = _beside(rod, neighbour, crowd, generator=generator)
        else:
            x_um, y_um = crowd.anywhere_um(generator)
            placed = replace(rod, centre_um=(x_um, y_um, rod.centre_um[2]))
        if crowd.has_room_for(placed.balls):
            return placed
    return None


def _shape(settings: RodSettings, chamber_height_um: float, *, generator: np.random.Generator) -> _Rod:
    """A rod, not yet placed; lengths are even in their logarithm, as of cells that grow exponentially."""
    width_um = draw_even(settings.narrowest_um, settings.widest_um, generator=generator)
    radius_um = min(width_um, chamber_height_um) / 2
    age = generator.random()
    length_um = settings.shortest_um * (settings.longest_um / settings.shortest_um) ** age
    half_um = length_um / 2 - radius_um
    pitch = np.deg2rad(generator.uniform(-1, 1) * settings.largest_tilt_deg)
    steepest = np.arcsin(min(1.0, (chamber_height_um / 2 - radius_um) / max(half_um, 1e-9)))
    pitch = float(np.clip(pitch, -steepest, steepest))
    layer = draw_layer(on_floor=settings.on_floor, under_ceiling=settings.under_ceiling, generator=generator)
    reach_um = radius_um + half_um * abs(np.sin(pitch))
    height_um = draw_height_um(layer, reach_um, chamber_height_um, generator=generator)
    yaw, divides = float(generator.uniform(0, np.pi)), bool(age > 1 - settings.dividing)
    return _Rod((0.0, 0.0, height_um), half_um, radius_um, yaw, pitch, layer, divides)


def _beside(rod: _Rod, neighbour: _Rod, crowd: Crowd, *, generator: np.random.Generator) -> _Rod:
    """The rod alongside another, or ahead of it, as cells lie after division."""
    yaw = neighbour.yaw_rad + generator.normal(0, 0.12)
    c, s = np.cos(neighbour.yaw_rad), np.sin(neighbour.yaw_rad)
    touching_um = rod.radius_um + neighbour.radius_um
    side = generator.choice([-1, 1])
    if generator.random() < 0.7:
        along_um = generator.uniform(-1, 1) * (rod.half_um + neighbour.half_um)
        aside_um = side * touching_um * generator.uniform(1.01, 1.3)
    else:
        along_um = side * (rod.half_um + neighbour.half_um + 1.03 * touching_um)
        aside_um = generator.normal(0, 0.3) * touching_um
    x_um = neighbour.centre_um[0] + along_um * c - aside_um * s
    y_um = neighbour.centre_um[1] + along_um * s + aside_um * c
    return replace(rod, centre_um=(*crowd.wrapped_um(x_um, y_um), rod.centre_um[2]), yaw_rad=float(yaw))


def _bodies(
    rod: _Rod, settings: RodSettings, *, medium_index: float, generator: np.random.Generator
) -> Iterator[Body]:
    middle, half = np.array(rod.centre_um), rod.half_um * rod.direction
    outer_index = settings.wall_index if settings.wall_um else settings.cytoplasm_index
    yield Capsule(middle - half, middle + half, rod.radius_um, outer_index - medium_index)
    if settings.wall_um:
        inner_um = rod.radius_um - settings.wall_um
        delta_index = settings.cytoplasm_index - settings.wall_index
        yield Capsule(middle - half, middle + half, inner_um, delta_index)
    yield from _organelles(rod, settings, generator=generator)


def _organelles(rod: _Rod, settings: RodSettings, *, generator: np.random.Generator) -> Iterator[Body]:
    """A septum between two nuclei, or one nucleus; and lipid drops between nucleus and ends."""
    inner_um = rod.radius_um - settings.wall_um
    septate = rod.divides and settings.septum_um > 0
    if septate:
        yield Ellipsoid.turned(
            rod.centre_um,
            (settings.septum_um / 2, inner_um, inner_um),
            settings.wall_index - settings.cytoplasm_index,
            yaw_rad=rod.yaw_rad,
            pitch_rad=rod.pitch_rad,
        )
    if settings.nucleus_um:
        nucleus_um = min(settings.nucleus_um / 2, 0.9 * inner_um)
        for where in (-0.55, 0.55) if septate else (generator.uniform(-0.1, 0.1),):
            yield _ball(rod, where, (0.0, 0.0), nucleus_um, settings.nucleus_index - settings.cytoplasm_index)
    for _ in range(int(generator.integers(settings.most_lipids + 1))):
        radius_um = generator.uniform(0.07, 0.15) * rod.radius_um
        angle, away_um = generator.uniform(0, 2 * np.pi), generator.uniform(0.3, 0.8) * (inner_um - radius_um)
        across_um = (away_um * np.cos(angle), away_um * np.sin(angle))
        delta_index = settings.lipid_index - settings.cytoplasm_index
        yield _ball(rod, generator.uniform(-1, 1), across_um, radius_um, delta_index)


def _ball(
    rod: _Rod, along: float, across_um: tuple[float, float], radius_um: float, delta_index: float
) -> Ellipsoid:
    """A ball at a fraction of the way to the rod's ends and (aside, up) from its axis."""
    aside = np.array([-np.sin(rod.yaw_rad), np.cos(rod.yaw_rad), 0.0])
    up = np.cross(rod.direction, aside)
    where = np.array(rod.centre_um) + along * rod.half_um * rod.direction
    x, y, h = where + across_um[0] * aside + across_um[1] * up
    return Ellipsoid.ball((float(x), float(y), float(h)), radius_um, delta_index)
