"""What is in every chamber sooner or later: dust and scratches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from parfocal.optics.bodies import Body, Ellipsoid
from parfocal.optics.specimens.placing import TRIES, Crowd, Population, generators
from parfocal.optics.specimens.ranges import (
    Count,
    Fraction,
    Index,
    NotNegative,
    Positive,
    check_order,
    draw_count,
    draw_even,
    draw_height_um,
    draw_layer,
)
from parfocal.settings import Settings

SCRATCHES = 1_000_000
"""Scratches take their seeds from here on, grains from 0."""


class DebrisSettings(Settings):
    """Dust and scratches on the coverslip's inner face and on the ceiling; no cells (all *assumed*).

    Grains are lumpy, and some of them absorb. A scratch is a groove in glass filled with medium: a very flat
    body of lower index. Both are counted in the field; the numbers suit a field of 60 um.
    """

    kind: Literal["debris"] = "debris"
    fewest_grains: Count = 1
    most_grains: Count = 10
    smallest_grain_um: Positive = 0.6
    largest_grain_um: Positive = 6.0
    fewest_scratches: Count = 0
    most_scratches: Count = 4
    shortest_scratch_um: Positive = 8.0
    longest_scratch_um: Positive = 40.0
    narrowest_scratch_um: Positive = 0.4
    widest_scratch_um: Positive = 1.5
    deepest_scratch_um: Positive = 0.4
    on_floor: Fraction = 0.7
    absorbing: Fraction = 0.4
    absorption_index: NotNegative = 0.05
    grain_index: Index = 1.50
    glass_index: Index = 1.52

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        check_order(self, "fewest_grains", "most_grains")
        check_order(self, "fewest_scratches", "most_scratches")
        check_order(self, "smallest_grain_um", "largest_grain_um")
        check_order(self, "shortest_scratch_um", "longest_scratch_um")
        check_order(self, "narrowest_scratch_um", "widest_scratch_um")
        return self

    @property
    def count_range(self) -> tuple[int, int]:
        """Fewest and most grains in the field."""
        return self.fewest_grains, self.most_grains

    @property
    def largest_um(self) -> float:
        """Longest that a grain or scratch can be."""
        return max(self.largest_grain_um, self.longest_scratch_um)


def debris_population(
    settings: DebrisSettings, crowd: Crowd, *, seed: tuple[int, ...], n_grains: int
) -> Population:
    """Grains where there is room for them, and scratches, which are in the glass, anywhere."""
    bodies: list[Body] = []
    for generator in generators(seed, n_grains):
        bodies += _grain(settings, crowd, generator=generator)
    generator = np.random.default_rng([*seed, SCRATCHES])
    n_scratches = draw_count(settings.fewest_scratches, settings.most_scratches, generator=generator)
    bodies += [_scratch(settings, crowd, generator=generator) for _ in range(n_scratches)]
    return Population((), tuple(bodies))


def _grain(settings: DebrisSettings, crowd: Crowd, *, generator: np.random.Generator) -> list[Ellipsoid]:
    """A core and lumps on its surface, all within one ball; sizes are even in their logarithm."""
    ratio = settings.largest_grain_um / settings.smallest_grain_um
    diameter_um = settings.smallest_grain_um * ratio ** generator.random()
    radius_um = min(float(diameter_um), crowd.height_um) / 2
    layer = draw_layer(on_floor=settings.on_floor, under_ceiling=1 - settings.on_floor, generator=generator)
    height_um = draw_height_um(layer, radius_um, crowd.height_um, generator=generator)
    delta_index = complex(settings.grain_index - crowd.medium_index)
    if generator.random() < settings.absorbing:
        delta_index += 1j * settings.absorption_index
    for _ in range(TRIES):
        middle_um = np.array([*crowd.anywhere_um(generator), height_um])
        balls = np.array([[*middle_um, radius_um]])
        if crowd.has_room_for(balls):
            crowd.add(balls)
            return list(_lumps(middle_um, radius_um, delta_index, generator=generator))
    return []


def _lumps(
    middle_um: NDArray[np.float64], radius_um: float, delta_index: complex, *, generator: np.random.Generator
) -> Iterator[Ellipsoid]:
    """Lumps add a part of the core's index only, since they overlap it and one another."""
    x, y, h = middle_um.tolist()
    a, b, c = (radius_um * generator.uniform(low, 0.8) for low in (0.6, 0.4, 0.4))
    yaw, pitch = generator.uniform(0, np.pi), generator.uniform(-0.4, 0.4)
    yield Ellipsoid.turned((x, y, h), (a, b, c), delta_index, yaw_rad=yaw, pitch_rad=pitch)
    for _ in range(int(generator.integers(2, 6))):
        size_um = radius_um * generator.uniform(0.2, 0.45)
        away = generator.normal(size=3)
        dx, dy, dh = away / np.linalg.norm(away) * (radius_um - size_um) * generator.uniform(0.7, 1.0)
        axes = (size_um, size_um * generator.uniform(0.5, 1), size_um * generator.uniform(0.5, 1))
        yaw = generator.uniform(0, np.pi)
        yield Ellipsoid.turned((x + dx, y + dy, h + dh), axes, 0.3 * delta_index, yaw_rad=yaw)


def _scratch(settings: DebrisSettings, crowd: Crowd, *, generator: np.random.Generator) -> Ellipsoid:
    """A groove. It delays light as a body as thick as it is deep does that lies on the face of the glass."""
    length_um = draw_even(settings.shortest_scratch_um, settings.longest_scratch_um, generator=generator)
    width_um = draw_even(settings.narrowest_scratch_um, settings.widest_scratch_um, generator=generator)
    depth_um = settings.deepest_scratch_um * draw_even(0.2, 1.0, generator=generator)
    half_um = min(depth_um, crowd.height_um) / 2
    height_um = half_um if generator.random() < settings.on_floor else crowd.height_um - half_um
    return Ellipsoid.turned(
        (*crowd.anywhere_um(generator), height_um),
        (length_um / 2, min(width_um, length_um) / 2, half_um),
        crowd.medium_index - settings.glass_index,
        yaw_rad=float(generator.uniform(0, np.pi)),
    )
