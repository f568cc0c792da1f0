"""How a colony grows: founders, buds, cells that the flow takes and brings, in order of time."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from parfocal.microscope.colony import BESIDE, Chamber, Colony, ColonySettings, Life
from parfocal.microscope.crossing import Cluster
from parfocal.optics.specimens import YeastSettings
from parfocal.optics.specimens.yeast import NEIGHBOURLY

TRIES_PER_FOUNDER = 60
TRIES_PER_BUD = 12
"""Directions in which a bud may grow that are tried before its mother waits."""
PATIENCE = 0.25
"""A cell without room for a bud waits for this fraction of a cycle."""
LAST_FEW = 3
"""Where clusters leave fewer cells than this (and than founders), the flow brings new ones."""
NEXT_SETTLES_S = 1800.0
"""Until one of the cells that the flow brings settles (assumed)."""


def grow_colony(
    chamber: Chamber,
    yeast: YeastSettings,
    settings: ColonySettings,
    *,
    cells_at_start: int,
    cells_at_end: int,
    hours: float,
    clusters: tuple[Cluster, ...],
    seed: int,
) -> Colony:
    """A colony from its founders to the end of an experiment.

    Parameters
    ----------
    chamber : Chamber
    yeast : YeastSettings
    settings : ColonySettings
    cells_at_start, cells_at_end : int
        Daughters for which the course between the two has no place are taken by the flow as they part. A
        full chamber grows to fewer: a bud needs room.
    hours : float
    clusters : tuple of Cluster
        What crosses the field and takes along what is in its way, in order of time.
    seed : int

    Notes
    -----
    Clusters may sweep a small field clean. Cells that come with the flow then settle there, one after
    another, as in a chamber that is fed from a culture. To spare the last cells instead would let clusters
    pass through them.
    """
    numbers = cells_at_start, cells_at_end
    growth = _Growth(chamber, yeast, settings, numbers, 3600 * hours, clusters, seed)
    growth.found()
    for number, cluster in enumerate(clusters):
        growth.expect(cluster.enters_s, "cluster", number)
    growth.run()
    lives = tuple(
        replace(life, gone_s=gone_s)
        for life, gone_s in zip(growth.lives, growth.gone_s.tolist(), strict=True)
    )
    return Colony(lives, clusters, chamber, settings)


@dataclass
class _Growth:
    """A colony as it comes into being, event by event in order of time."""

    chamber: Chamber
    yeast: YeastSettings
    settings: ColonySettings
    numbers: tuple[int, int]
    until_s: float
    clusters: tuple[Cluster, ...]
    seed: int
    lives: list[Life] = field(default_factory=list)
    gone_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    places: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    n_cells: int = 0
    events: list[tuple[float, int, str, int]] = field(default_factory=list)
    n_events: int = 0

    def expect(self, t_s: float, what: str, number: int) -> None:
        self.n_events += 1
        heapq.heappush(self.events, (t_s, self.n_events, what, number))

    def run(self) -> None:
        happen = {
            "bud": self._bud,
            "cell": self._part,
            "cluster": self._cluster,
            "gone": self._go,
            "settle": self._settle,
        }
        while self.events and self.events[0][0] <= self.until_s:
            t_s, _, what, number = heapq.heappop(self.events)
            happen[what](t_s, number)

    def found(self) -> None:
        """The cells of the start, grown, each somewhere in its cycle."""
        for number in range(self.numbers[0]):
            generator = np.random.default_rng([self.seed, 11, number])
            if self._add_grown(0.0, generator=generator):
                cycle_s, bud_s = 3600 * self.settings.cycle_h, 3600 * self.settings.bud_h
                self.expect(float(generator.uniform(-bud_s, cycle_s - bud_s)), "bud", len(self.lives) - 1)

    def _add_grown(self, t_s: float, *, generator: np.random.Generator) -> bool:
        """A cell that has grown elsewhere lies in the field from now on, if it has room."""
        axes = self._semi_axes_um(generator)
        place = self._free_place_um(sum(axes) / 3, t_s=t_s, generator=generator)
        if place is None:
            return False
        lifts = self._lifts(t_s, self._layer(generator), generator=generator)
        yaw, own = float(generator.uniform(0, np.pi)), int(generator.integers(2**31))
        self._add(Life(place, (0.0, 0.0), None, axes, yaw, own, t_s, t_s, t_s, lifts))
        self.n_cells += 1
        return True

    def _add(self, life: Life) -> None:
        self.lives.append(life)
        self.gone_s = np.append(self.gone_s, math.inf)
        self.places = np.concatenate([self.places, [(*self._place_of(life), life.radius_um)]])

    def _bud(self, t_s: float, number: int) -> None:
        """A cell buds where there is room, and tries again later where there is none."""
        if self.gone_s[number] <= t_s:
            return
        generator = np.random.default_rng([self.seed, 12, len(self.lives), self.n_events])
        life = self._daughter(t_s, number, generator=generator)
        cycle_s = self._about_s(self.settings.cycle_h, generator)
        if life is None:
            self.expect(t_s + PATIENCE * cycle_s, "bud", number)
            return
        self._add(life)
        daughter = len(self.lives) - 1
        self.expect(life.cell_s, "cell", daughter)
        self.expect(max(t_s + cycle_s, life.cell_s), "bud", number)
        self._meet_clusters(t_s, daughter)

    def _daughter(self, t_s: float, number: int, *, generator: np.random.Generator) -> Life | None:
        mother, axes = self.lives[number], self._semi_axes_um(generator)
        apart_um = BESIDE * (mother.radius_um + sum(axes) / 3)
        x_um, y_um, _ = self.places[number].tolist()
        angles = generator.uniform(0, 2 * np.pi, TRIES_PER_BUD)
        ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        chosen = self._first_free(np.array([x_um, y_um]) + apart_um * ways, sum(axes) / 3, t_s=t_s)
        if chosen is None:
            return None
        cell_s = t_s + self._about_s(self.settings.bud_h, generator)
        grown_s = cell_s + self._about_s(self.settings.daughter_h, generator)
        before = tuple(lift for lift in mother.lifts if lift[0] < cell_s)
        settles = self._layer(generator)
        own = (cell_s, settles), *self._lifts(cell_s, settles, generator=generator)[1:]
        seed, (ux, uy) = int(generator.integers(2**31)), ways[chosen].tolist()
        return Life(
            (x_um, y_um),
            (ux, uy),
            number,
            axes,
            float(angles[chosen]),
            seed,
            t_s,
            cell_s,
            grown_s,
            (*before, *own),
        )

    def _part(self, t_s: float, number: int) -> None:
        """A bud becomes a cell, or is taken by the flow where the course has no place for it."""
        if self.gone_s[number] <= t_s:
            return
        first, last = self.numbers
        if self.n_cells + 1 > first * (last / first) ** (t_s / self.until_s) + 0.5:
            self.gone_s[number] = t_s
            return
        self.n_cells += 1
        self.expect(self.lives[number].grown_s, "bud", number)

    def _cluster(self, t_s: float, cluster: int) -> None:
        """A cluster comes in: everybody in its way will be met."""
        for number in np.flatnonzero(self.gone_s > t_s).tolist():
            self._meet(self.clusters[cluster], t_s, number)

    def _meet_clusters(self, t_s: float, number: int) -> None:
        for cluster in self.clusters:
            if cluster.enters_s <= t_s:
                self._meet(cluster, t_s, number)

    def _meet(self, cluster: Cluster, t_s: float, number: int) -> None:
        touched = self._touched(cluster, *self.places[number].tolist())
        if touched is not None and touched[0] > t_s:
            self.expect(touched[0], "gone", number)

    def _go(self, t_s: float, number: int) -> None:
        """A cell is swept along, and its bud with it."""
        for k in (number, *(k for k, life in enumerate(self.lives) if life.mother == number)):
            is_bud = self.lives[k].cell_s > t_s
            if self.gone_s[k] > t_s and (k == number or is_bud):
                self.gone_s[k] = t_s
                self.n_cells -= not is_bud
        if self._is_almost_swept():
            self.expect(t_s + NEXT_SETTLES_S, "settle", 0)

    def _is_almost_swept(self) -> bool:
        return self.n_cells < min(LAST_FEW, self.numbers[0])

    def _settle(self, t_s: float, _: int) -> None:
        """A cell that the flow brings stays where few are left; where no room is, a later one does."""
        if not self._is_almost_swept():
            return
        generator = np.random.default_rng([self.seed, 16, len(self.lives), self.n_events])
        if self._add_grown(t_s, generator=generator):
            settled = len(self.lives) - 1
            self.expect(t_s + float(generator.uniform(0, 3600 * self.settings.cycle_h)), "bud", settled)
            self._meet_clusters(t_s, settled)
        self.expect(t_s + NEXT_SETTLES_S, "settle", 0)

    def _first_free(self, places: NDArray[np.float64], radius_um: float, *, t_s: float) -> int | None:
        """The first of the places (x, y) where a cell has room now, or None."""
        discs = np.concatenate([self.chamber.taken, self.places[self.gone_s > t_s]])
        for k in np.flatnonzero(self.chamber.is_free(places, radius_um, discs)).tolist():
            x_um, y_um = places[k].tolist()
            passing = [self._touched(cluster, x_um, y_um, radius_um) for cluster in self.clusters]
            if not any(touched and touched[0] <= t_s <= touched[1] for touched in passing):
                return int(k)
        return None

    def _touched(
        self, cluster: Cluster, x_um: float, y_um: float, radius_um: float
    ) -> tuple[float, float] | None:
        return cluster.touches_s(x_um, y_um, radius_um, self.chamber.field_yx_um)

    def _place_of(self, life: Life) -> tuple[float, float]:
        """Where a cell lies once it is grown."""
        if life.mother is None:
            return life.root_xy_um
        apart_um = BESIDE * (self.lives[life.mother].radius_um + life.radius_um)
        (x_um, y_um), (ux, uy) = life.root_xy_um, life.away_xy
        return self.chamber.wrapped_um(x_um + apart_um * ux, y_um + apart_um * uy)

    def _free_place_um(
        self, radius_um: float, *, t_s: float, generator: np.random.Generator
    ) -> tuple[float, float] | None:
        """Room for a grown cell, anywhere or beside another, or none if none was found."""
        height_um, width_um = self.chamber.field_yx_um
        places = generator.uniform(0, (width_um, height_um), (TRIES_PER_FOUNDER, 2))
        there = self.places[self.gone_s > t_s]
        if len(there):
            beside = there[generator.integers(len(there), size=TRIES_PER_FOUNDER)]
            angles = generator.uniform(0, 2 * np.pi, TRIES_PER_FOUNDER)
            apart_um = NEIGHBOURLY * (beside[:, 2:] + radius_um)
            near = beside[:, :2] + apart_um * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            clusters = generator.random((TRIES_PER_FOUNDER, 1)) < self.yeast.clustered
            places = np.where(clusters, near, places)
        chosen = self._first_free(places, radius_um, t_s=t_s)
        return None if chosen is None else self.chamber.wrapped_um(*places[chosen].tolist())

    def _semi_axes_um(self, generator: np.random.Generator) -> tuple[float, float, float]:
        yeast = self.yeast
        drawn_um = float(generator.normal(yeast.diameter_um, yeast.diameter_std_um))
        diameter_um = min(max(drawn_um, yeast.smallest_diameter_um), yeast.largest_diameter_um)
        radius_um = min(diameter_um, self.chamber.height_um) / 2
        elongation, flatness = generator.uniform(1.0, 1.2), generator.uniform(0.92, 1.0)
        return radius_um * float(elongation), radius_um, radius_um * float(flatness)

    def _layer(self, generator: np.random.Generator) -> float:
        """Where a cell settles between floor (0) and ceiling (1), as often as the specimen's settings say."""
        share, between = float(generator.random()), float(generator.random())
        if share < self.yeast.on_floor:
            return 0.0
        return 1.0 if share < self.yeast.on_floor + self.yeast.under_ceiling else between

    def _lifts(
        self, from_s: float, first: float, *, generator: np.random.Generator
    ) -> tuple[tuple[float, float], ...]:
        """Where a cell goes between floor and ceiling, and when, up to the end."""
        lifts, t_s = [(-math.inf, first)], from_s
        while True:
            on_top = lifts[-1][1] == 1.0
            per_h = self.settings.come_back_per_h if on_top else self.settings.let_go_per_h
            t_s += float(generator.exponential(3600 / per_h)) if per_h else math.inf
            if t_s > self.until_s:
                return tuple(lifts)
            lifts.append((t_s, 0.0 if on_top else 1.0))

    def _about_s(self, hours: float, generator: np.random.Generator) -> float:
        jitter = float(np.clip(generator.standard_normal(), -2.5, 2.5)) * self.settings.jitter
        return 3600 * hours * (1 + jitter)
