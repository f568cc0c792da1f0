"""A colony of budding yeast: what is there at a time follows from the time alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from parfocal.microscope.crossing import Cluster
from parfocal.optics.scene import Layer
from parfocal.optics.specimens import YeastCell
from parfocal.optics.specimens.yeast import CLOSEST_APPROACH
from parfocal.settings import Settings

BESIDE = 0.95
"""Centres of mother and daughter, as a fraction of touching apart."""
SMALLEST_SEEN_UM = 0.3
"""Buds below this radius are not drawn: the objective hardly shows them."""


class ColonySettings(Settings):
    """How yeast grows and moves; times for rich medium at 30 degC.

    A mother buds every 1.8 h and a daughter first after 2.3 h, so that a colony with room doubles in 2 h. A
    daughter hangs beside her mother until they part, and then settles on the floor, under the ceiling or
    between, as often as founders do.

    Attributes
    ----------
    cycle_h : float
        From one bud to the next of the same mother.
    bud_h : float
        From the first sight of a bud to a cell of its own.
    daughter_h : float
        From then until the daughter is grown and buds.
    bud_size : float
        Radius at which a bud parts, as a fraction of its radius when grown.
    jitter : float
        sd of these times, as a fraction (assumed).
    let_go_per_h, come_back_per_h : float
        Chance in an hour that a cell lets go and rises to the ceiling, and that one comes back (assumed: a
        tenth of the cells in 10 h; in the long run, one under the ceiling for three on the floor).
    rise_min : float
        How long the way takes (assumed).
    """

    cycle_h: float = Field(default=1.8, gt=0)
    bud_h: float = Field(default=1.1, gt=0)
    daughter_h: float = Field(default=1.2, gt=0)
    bud_size: float = Field(default=0.7, gt=0, lt=1)
    jitter: float = Field(default=0.1, ge=0, le=0.3)
    let_go_per_h: float = Field(default=0.01, ge=0)
    come_back_per_h: float = Field(default=0.03, ge=0)
    rise_min: float = Field(default=5.0, gt=0)


@dataclass(frozen=True)
class Life:
    """One cell from its first sight as a bud to its end.

    Attributes
    ----------
    root_xy_um, away_xy : tuple of float
        The middle of its mother, and the direction in which it lies from there; none for a founder.
    mother : int or None
        Number of its mother.
    semi_axes_um : tuple of float
        When it is grown.
    yaw_rad : float
    seed : int
        Of its organelles.
    born_s, cell_s, grown_s : float
        When it is first seen, parts from its mother, and is grown.
    lifts : tuple of (float, float)
        Where it goes between floor (0) and ceiling (1), and when it sets off, in s.
    gone_s : float
        When the flow takes it.
    """

    root_xy_um: tuple[float, float]
    away_xy: tuple[float, float]
    mother: int | None
    semi_axes_um: tuple[float, float, float]
    yaw_rad: float
    seed: int
    born_s: float
    cell_s: float
    grown_s: float
    lifts: tuple[tuple[float, float], ...]
    gone_s: float = math.inf

    @property
    def radius_um(self) -> float:
        """Mean semi-axis when grown."""
        return sum(self.semi_axes_um) / 3

    def size_at(self, t_s: float, bud_size: float) -> float:
        """Its radius as a fraction of that when grown; its volume grows steadily as bud and as cell."""
        if t_s >= self.grown_s:
            return 1.0
        parted = bud_size**3
        if t_s < self.cell_s:
            return float(bud_size * max(0.0, (t_s - self.born_s) / (self.cell_s - self.born_s)) ** (1 / 3))
        grown = (t_s - self.cell_s) / (self.grown_s - self.cell_s)
        return float((parted + (1 - parted) * grown) ** (1 / 3))

    def lift_at(self, t_s: float, rise_s: float) -> float:
        """0 on the floor, 1 under the ceiling, and smoothly between."""
        lift = self.lifts[0][1]
        for (_, before), (start_s, after) in zip(self.lifts, self.lifts[1:], strict=False):
            lift += (after - before) * _smooth((t_s - start_s) / rise_s)
        return lift

    def height_um(self, t_s: float, *, size: float, chamber_um: float, rise_s: float) -> float:
        """Mid-height on its own way between floor and ceiling."""
        half_um = size * self.semi_axes_um[2]
        return half_um + self.lift_at(t_s, rise_s) * max(0.0, chamber_um - 2 * half_um)


def _smooth(fraction: float) -> float:
    x = min(max(fraction, 0.0), 1.0)
    return x * x * (3 - 2 * x)


@dataclass(frozen=True, eq=False)
class Chamber:
    """The room that a colony has; its field repeats beyond the edges.

    Attributes
    ----------
    field_yx_um : tuple of float
        Height and width of the field.
    height_um : float
    taken : array, shape (N, 3)
        What is in the way from the beginning, as discs (x, y, radius).
    """

    field_yx_um: tuple[float, float]
    height_um: float
    taken: NDArray[np.float64]

    def wrapped_um(self, x_um: float, y_um: float) -> tuple[float, float]:
        """The same place (x, y) within the field."""
        return x_um % self.field_yx_um[1], y_um % self.field_yx_um[0]

    def is_free(
        self, places: NDArray[np.float64], radius_um: float, discs: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Whether a cell has room at each of the places (x, y) beside discs (x, y, radius)."""
        sides = np.array(self.field_yx_um[::-1])
        apart = places[:, None] - discs[:, :2]
        apart -= sides * np.round(apart / sides)
        closest = CLOSEST_APPROACH * (discs[:, 2] + radius_um)
        free: NDArray[np.bool_] = np.all((apart**2).sum(axis=-1) >= closest**2, axis=1)
        return free


@dataclass(frozen=True)
class Colony:
    """All lives of a colony, and the clusters that crossed it.

    Attributes
    ----------
    lives : tuple of Life
    clusters : tuple of Cluster
    chamber : Chamber
    settings : ColonySettings
    """

    lives: tuple[Life, ...]
    clusters: tuple[Cluster, ...]
    chamber: Chamber
    settings: ColonySettings

    def cells_at(self, t_s: float, *, with_buds: bool = True) -> tuple[YeastCell, ...]:
        """Cells and buds in the field at a time in s, drifting clusters among them."""
        lives = [life for life in self.lives if life.born_s <= t_s < life.gone_s]
        here = [self._cell_at(life, t_s) for life in lives if with_buds or life.cell_s <= t_s]
        seen = [cell for cell in here if cell.radius_um >= SMALLEST_SEEN_UM]
        field_yx_um = self.chamber.field_yx_um
        drifting = [cell for cluster in self.clusters for cell in cluster.cells_at(t_s, field_yx_um)]
        return (*seen, *drifting)

    def _cell_at(self, life: Life, t_s: float) -> YeastCell:
        chamber_um, rise_s = self.chamber.height_um, 60 * self.settings.rise_min
        size = life.size_at(t_s, self.settings.bud_size)
        height_um = life.height_um(t_s, size=size, chamber_um=chamber_um, rise_s=rise_s)
        (x_um, y_um), (ux, uy) = life.root_xy_um, life.away_xy
        if life.mother is not None:
            mother = self.lives[life.mother]
            apart_um = BESIDE * (mother.radius_um + size * life.radius_um)
            x_um, y_um = self.chamber.wrapped_um(x_um + apart_um * ux, y_um + apart_um * uy)
            # A bud hangs at its mother's middle and comes to rest by itself little by little.
            own = _smooth((t_s - life.born_s) / (life.grown_s - life.born_s))
            mothers_um = mother.height_um(t_s, size=1.0, chamber_um=chamber_um, rise_s=rise_s)
            height_um = own * height_um + (1 - own) * mothers_um
        a, b, c = (size * axis for axis in life.semi_axes_um)
        height_um = max(c, min(height_um, chamber_um - c))
        layer = _layer(life.lift_at(t_s, rise_s))
        return YeastCell((x_um, y_um, height_um), (a, b, c), life.yaw_rad, layer, life.seed)


def _layer(lift: float) -> Layer:
    if lift < 0.1:
        return "floor"
    return "ceiling" if lift > 0.9 else "between"
