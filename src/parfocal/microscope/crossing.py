"""What the flow carries across the field: clusters of cells, bubbles and debris, at times drawn by a seed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from parfocal.microscope.drift import DAY_S
from parfocal.optics.specimens import YeastCell, YeastSettings
from parfocal.optics.specimens.ranges import check_order
from parfocal.optics.specimens.yeast import CLOSEST_APPROACH, NEIGHBOURLY
from parfocal.settings import Settings

WIDEST_CELL_UM = 10.0
"""No cell that a cluster may meet is wider."""


class FlowSettings(Settings):
    """How often something drifts through the field along x, and how fast (all *assumed*).

    Attributes
    ----------
    clusters_per_day, cluster_um_per_h : float
        Clusters of cells creep: 30 um an hour is two hours in a field of 60 um.
    most_cluster_cells : int
        A cluster has from 2 to this many cells.
    bubbles_per_day, bubble_um_per_h : float
        A bubble is rare in a degassed medium.
    smallest_bubble_um, largest_bubble_um : float
        Its radius seen from above; it is as high as the chamber allows.
    debris_per_day, debris_um_per_h : float
        Flakes, dead cells and dust from the tubing: one in two hours.
    largest_debris_um : float
        Radius; the smallest have a fifth of it.
    """

    clusters_per_day: float = Field(default=4.0, ge=0)
    cluster_um_per_h: float = Field(default=30.0, gt=0)
    most_cluster_cells: int = Field(default=6, ge=2, le=40)
    bubbles_per_day: float = Field(default=0.5, ge=0)
    bubble_um_per_h: float = Field(default=200.0, gt=0)
    smallest_bubble_um: float = Field(default=2.0, gt=0)
    largest_bubble_um: float = Field(default=6.0, gt=0)
    debris_per_day: float = Field(default=12.0, ge=0)
    debris_um_per_h: float = Field(default=200.0, gt=0)
    largest_debris_um: float = Field(default=1.5, gt=0)

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        check_order(self, "smallest_bubble_um", "largest_bubble_um")
        return self


@dataclass(frozen=True)
class Crossing:
    """One thing on its way along x.

    Attributes
    ----------
    start_s : float
        When its middle enters the field, at x = 0.
    y_um, um_per_s : float
    seed : int
        Of what it is.
    """

    start_s: float
    y_um: float
    um_per_s: float
    seed: int

    def x_um(self, t_s: float) -> float:
        """Where its middle is: below 0 before it enters."""
        return self.um_per_s * (t_s - self.start_s)


@dataclass(frozen=True)
class Cluster:
    """Cells that hold together and cross the field.

    Attributes
    ----------
    crossing : Crossing
    cells : tuple of YeastCell
        As they lie about the cluster's middle.
    """

    crossing: Crossing
    cells: tuple[YeastCell, ...]

    @property
    def enters_s(self) -> float:
        """When it can first touch anything in the field."""
        ahead_um = max(cell.centre_um[0] + cell.radius_um for cell in self.cells)
        return self.crossing.start_s - (ahead_um + WIDEST_CELL_UM) / self.crossing.um_per_s

    def cells_at(self, t_s: float, field_yx_um: tuple[float, float]) -> tuple[YeastCell, ...]:
        """Those whose middle is in the field at a time in s."""
        height_um, width_um = field_yx_um
        middle_um = self.crossing.x_um(t_s)
        moved = []
        for cell in self.cells:
            dx_um, dy_um, h_um = cell.centre_um
            if 0 <= middle_um + dx_um < width_um:
                place = (middle_um + dx_um, (self.crossing.y_um + dy_um) % height_um, h_um)
                moved.append(replace(cell, centre_um=place))
        return tuple(moved)

    def touches_s(
        self, x_um: float, y_um: float, radius_um: float, field_yx_um: tuple[float, float]
    ) -> tuple[float, float] | None:
        """First and last time at which it touches a disc, or None if it passes by."""
        height_um = field_yx_um[0]
        first_s, last_s = math.inf, -math.inf
        for cell in self.cells:
            dx_um, dy_um, _ = cell.centre_um
            aside_um = self.crossing.y_um + dy_um - y_um
            aside_um -= height_um * round(aside_um / height_um)
            reach_um = cell.radius_um + radius_um
            if abs(aside_um) < reach_um:
                half_um = math.sqrt(reach_um**2 - aside_um**2)
                ahead_um = x_um - dx_um
                first_s = min(first_s, self.crossing.start_s + (ahead_um - half_um) / self.crossing.um_per_s)
                last_s = max(last_s, self.crossing.start_s + (ahead_um + half_um) / self.crossing.um_per_s)
        return (first_s, last_s) if first_s <= last_s else None


def crossings(
    *, per_day: float, um_per_h: float, height_um: float, until_s: float, seed: tuple[int, ...]
) -> tuple[Crossing, ...]:
    """What enters up to a time in s, anywhere along y: the same whatever that time is."""
    return tuple(_until(per_day=per_day, um_per_h=um_per_h, height_um=height_um, until_s=until_s, seed=seed))


def _until(
    *, per_day: float, um_per_h: float, height_um: float, until_s: float, seed: tuple[int, ...]
) -> Iterator[Crossing]:
    generator, t_s = np.random.default_rng(seed), 0.0
    while per_day > 0:
        t_s += float(generator.exponential(DAY_S / per_day))
        y_um, own = float(generator.uniform(0, height_um)), int(generator.integers(2**31))
        if t_s > until_s:
            return
        yield Crossing(t_s, y_um, um_per_h / 3600, own)


def cluster_of(crossing: Crossing, flow: FlowSettings, yeast: YeastSettings, *, height_um: float) -> Cluster:
    """The cells of a cluster, each beside one of those before and none higher than the chamber."""
    generator = np.random.default_rng(crossing.seed)
    n_cells = int(generator.integers(2, flow.most_cluster_cells, endpoint=True))
    cells: list[YeastCell] = []
    while len(cells) < n_cells:
        drawn_um = float(generator.normal(yeast.diameter_um, yeast.diameter_std_um))
        diameter_um = min(max(drawn_um, yeast.smallest_diameter_um), yeast.largest_diameter_um)
        radius_um = min(diameter_um, height_um) / 2
        x_um, y_um = _beside(cells, radius_um, generator=generator)
        seed, yaw_rad = int(generator.integers(2**31)), float(generator.uniform(0, np.pi))
        axes = (1.05 * radius_um, radius_um, 0.96 * radius_um)
        if all(_apart(cell, x_um, y_um) > CLOSEST_APPROACH * (cell.radius_um + radius_um) for cell in cells):
            cells.append(YeastCell((x_um, y_um, axes[2]), axes, yaw_rad, "floor", seed))
    return Cluster(crossing, tuple(cells))


def _beside(
    cells: list[YeastCell], radius_um: float, *, generator: np.random.Generator
) -> tuple[float, float]:
    if not cells:
        return 0.0, 0.0
    one, angle = cells[int(generator.integers(len(cells)))], float(generator.uniform(0, 2 * np.pi))
    apart_um = NEIGHBOURLY * (one.radius_um + radius_um)
    return one.centre_um[0] + apart_um * math.cos(angle), one.centre_um[1] + apart_um * math.sin(angle)


def _apart(cell: YeastCell, x_um: float, y_um: float) -> float:
    return math.hypot(cell.centre_um[0] - x_um, cell.centre_um[1] - y_um)
