"""Who has room where, in a field that repeats beyond its edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from parfocal.optics.bodies import Body, Cylinder
from parfocal.optics.scene import Cell

Array = NDArray[np.float64]

TRIES = 60
"""Places that are tried before a cell is left out."""

PILLAR_CLEARANCE = 1.16
"""An outline may reach this much further from the middle than the balls that stand for it."""


@dataclass(frozen=True)
class Population:
    """What one specimen put into the field."""

    cells: tuple[Cell, ...]
    bodies: tuple[Body, ...]


@dataclass
class Crowd:
    """A chamber as it fills up. Balls stand for what is in it; pillars go from floor to ceiling.

    Attributes
    ----------
    field_yx_um : tuple of float
        Height and width of the field.
    height_um : float
        Of the chamber.
    medium_index : float
    pillars : tuple of Cylinder
    """

    field_yx_um: tuple[float, float]
    height_um: float
    medium_index: float
    pillars: tuple[Cylinder, ...] = ()
    _balls: Array = field(default_factory=lambda: np.zeros((256, 4)))
    _n_balls: int = 0

    def has_room_for(self, balls: Array, *, closest: float = 1.0) -> bool:
        """Whether balls, shape (N, 4) as (x, y, height, radius), touch nothing that is there.

        Parameters
        ----------
        balls : array
        closest : float
            Balls may press into each other until their middles are this fraction of touching apart.
        """
        return self._clears_pillars(balls) and self._clears_others(balls, closest=closest)

    def add(self, balls: Array) -> None:
        """Take the room of these balls."""
        n = self._n_balls + len(balls)
        while n > len(self._balls):
            self._balls = np.concatenate([self._balls, np.zeros_like(self._balls)])
        self._balls[self._n_balls : n] = balls
        self._n_balls = n

    def anywhere_um(self, generator: np.random.Generator) -> tuple[float, float]:
        """A place (x, y) anywhere in the field."""
        height_um, width_um = self.field_yx_um
        return float(generator.uniform(0, width_um)), float(generator.uniform(0, height_um))

    def wrapped_um(self, x_um: float, y_um: float) -> tuple[float, float]:
        """The same place (x, y) within the field."""
        height_um, width_um = self.field_yx_um
        return float(x_um % width_um), float(y_um % height_um)

    def _clears_pillars(self, balls: Array) -> bool:
        for pillar in self.pillars:
            dx, dy = self._apart_um(balls[:, 0] - pillar.x_um, balls[:, 1] - pillar.y_um)
            if np.any(np.hypot(dx, dy) < pillar.radius_um + PILLAR_CLEARANCE * balls[:, 3]):
                return False
        return True

    def _clears_others(self, balls: Array, *, closest: float) -> bool:
        near = self._near(balls)
        dx, dy = self._apart_um(balls[:, None, 0] - near[:, 0], balls[:, None, 1] - near[:, 1])
        apart2 = dx**2 + dy**2 + (balls[:, None, 2] - near[:, 2]) ** 2
        return not np.any(apart2 < (closest * (balls[:, None, 3] + near[:, 3])) ** 2)

    def _near(self, balls: Array) -> Array:
        """The balls there that come near a disc around these, seen from above."""
        x, y = balls[:, :2].mean(axis=0)
        reach = np.max(np.hypot(balls[:, 0] - x, balls[:, 1] - y) + balls[:, 3])
        there = self._balls[: self._n_balls]
        dx, dy = self._apart_um(there[:, 0] - x, there[:, 1] - y)
        near: Array = there[dx**2 + dy**2 < (there[:, 3] + reach) ** 2]
        return near

    def _apart_um(self, dx_um: Array, dy_um: Array) -> tuple[Array, Array]:
        """Differences of positions, the shortest way round the periodic field."""
        height_um, width_um = self.field_yx_um
        return dx_um - width_um * np.round(dx_um / width_um), dy_um - height_um * np.round(dy_um / height_um)


def generators(seed: tuple[int, ...], n: int) -> Iterator[np.random.Generator]:
    """One generator for each of n cells, so that the first are the same however many follow."""
    for k in range(n):
        yield np.random.default_rng([*seed, k])
