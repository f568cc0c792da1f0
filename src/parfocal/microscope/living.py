"""The living specimen: what lies in the field at a time, whenever else one looked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from parfocal.microscope.colony import Chamber, Colony, ColonySettings
from parfocal.microscope.crossing import Cluster, FlowSettings, cluster_of, crossings
from parfocal.microscope.flotsam import Flotsam
from parfocal.microscope.growth import grow_colony
from parfocal.optics import Scene, VirtualMicroscope
from parfocal.optics.bodies import Cylinder
from parfocal.optics.scene import focus_height_um
from parfocal.optics.specimens import YeastSettings, scene_of, yeast_bodies
from parfocal.optics.specimens.yeast import CLOSEST_APPROACH

LOOKS = 25
PILLAR_CLEARANCE_UM = 0.5
"""For cells that are longer than the discs that stand for them."""


class LivingSpecimen(Protocol):
    """A specimen that changes with time, and is at a time what it is whenever else one looked."""

    @property
    def focus_height_um(self) -> float:
        """Height above the coverslip that counts as in focus at all times: that of the cells on the floor."""
        ...

    def n_cells_at(self, t_s: float) -> int:
        """Cells of the first specimen that the scene shows at a time in s, buds not counted."""
        ...

    def scene_at(self, t_s: float) -> Scene:
        """What lies in the field at a time in s."""
        ...


def living_specimen(
    settings: VirtualMicroscope,
    *,
    cells_at_start: int,
    cells_at_end: int,
    hours: float,
    colony: ColonySettings,
    flow: FlowSettings,
    seed: int,
) -> LivingSpecimen:
    """The specimen of a virtual microscope as it lives through an experiment.

    Parameters
    ----------
    settings : VirtualMicroscope
        Yeast that is the first of the specimens grows by budding; of any other kind, more cells join those
        that are there. Further specimens stay as they are.
    cells_at_start, cells_at_end : int
        They multiply by the same factor every hour, as far as the field has room.
    hours : float
        After this, nothing grows.
    colony : ColonySettings
    flow : FlowSettings
    seed : int
    """
    flotsam = Flotsam(settings, flow, hours=hours, seed=seed)
    numbers, last_s = (cells_at_start, cells_at_end), 3600 * hours
    yeast = settings.specimens[0] if settings.specimens else None
    if not isinstance(yeast, YeastSettings):
        return JoiningCells(settings, flotsam, numbers, last_s, seed)
    there = scene_of(settings.specimens[1:], settings.chamber, settings.camera.field_yx_um, seed=seed)
    lives = grow_colony(
        _chamber(there),
        yeast,
        colony,
        cells_at_start=cells_at_start,
        cells_at_end=cells_at_end,
        hours=hours,
        clusters=_clusters(there, flow, yeast, until_s=last_s, seed=seed),
        seed=seed,
    )
    return LivingYeast(yeast, there, lives, flotsam, last_s)


@dataclass(frozen=True, eq=False)
class LivingYeast:
    """A colony of yeast among what does not live."""

    yeast: YeastSettings
    there: Scene
    colony: Colony
    flotsam: Flotsam
    last_s: float

    @cached_property
    def focus_height_um(self) -> float:
        """What an annotator calls in focus, on the average of the experiment; it stays as cells join."""
        times_s = np.linspace(0, self.last_s, LOOKS).tolist()
        return float(np.mean([self._annotated_um(t_s) for t_s in times_s]))

    def _annotated_um(self, t_s: float) -> float:
        cells = [cell.as_cell for cell in self.colony.cells_at(t_s)]
        return focus_height_um(cells, otherwise_um=self.yeast.resting_height_um)

    def n_cells_at(self, t_s: float) -> int:
        """Cells of the colony in the field at a time in s, without buds and cells under a bubble."""
        t_s = min(t_s, self.last_s)
        return sum(not self.flotsam.hides(cell, t_s) for cell in self.colony.cells_at(t_s, with_buds=False))

    def scene_at(self, t_s: float) -> Scene:
        """What lies in the field at a time in s."""
        t_s, there = min(t_s, self.last_s), self.there
        cells = [cell for cell in self.colony.cells_at(t_s) if not self.flotsam.hides(cell, t_s)]
        grown = [
            body for cell in cells for body in yeast_bodies(cell, self.yeast, medium_index=there.medium_index)
        ]
        return replace(
            there,
            bodies=(*there.bodies, *grown, *self.flotsam.bodies_at(t_s)),
            cells=(*there.cells, *(cell.as_cell for cell in cells)),
            focus_height_um=self.focus_height_um,
        )


@dataclass(frozen=True, eq=False)
class JoiningCells:
    """Any specimen whose cells become more: new ones join, and those that are there stay as they are."""

    settings: VirtualMicroscope
    flotsam: Flotsam
    numbers: tuple[int, int]
    last_s: float
    seed: int

    @cached_property
    def focus_height_um(self) -> float:
        """What an annotator calls in focus at the start."""
        return self._placed(self.numbers[0]).focus_height_um

    def n_cells_at(self, t_s: float) -> int:
        """Cells of the first specimen that found room, at a time in s."""
        others = len(self._placed(0).cells)
        return len(self._placed(self._n_wanted(t_s)).cells) - others

    def scene_at(self, t_s: float) -> Scene:
        """What lies in the field at a time in s."""
        there = self._placed(self._n_wanted(t_s))
        bodies = (*there.bodies, *self.flotsam.bodies_at(t_s))
        return replace(there, bodies=bodies, focus_height_um=self.focus_height_um)

    def _n_wanted(self, t_s: float) -> int:
        """Cells that the course asks for; a full chamber takes fewer."""
        first, last = self.numbers
        growth: float = (last / first) ** min(1.0, t_s / self.last_s)
        return round(first * growth)

    def _placed(self, n_cells: int) -> Scene:
        settings = self.settings
        field_yx_um = settings.camera.field_yx_um
        return scene_of(settings.specimens, settings.chamber, field_yx_um, seed=self.seed, n_cells=n_cells)


def _chamber(there: Scene) -> Chamber:
    """The room that is left beside pillars and cells of other kinds."""
    cells = [(cell.x_um, cell.y_um, cell.radius_um) for cell in there.cells]
    return Chamber(there.field_yx_um, there.height_um, np.reshape([*_pillars(there), *cells], (-1, 3)))


def _pillars(there: Scene) -> list[tuple[float, float, float]]:
    """Discs (x, y, radius) from which cells keep clear."""
    return [
        (body.x_um, body.y_um, body.radius_um / CLOSEST_APPROACH + PILLAR_CLEARANCE_UM)
        for body in there.bodies
        if isinstance(body, Cylinder)
    ]


def _clusters(
    there: Scene, flow: FlowSettings, yeast: YeastSettings, *, until_s: float, seed: int
) -> tuple[Cluster, ...]:
    """The clusters that come, but for those that would run into a pillar."""
    coming = crossings(
        per_day=flow.clusters_per_day,
        um_per_h=flow.cluster_um_per_h,
        height_um=there.field_yx_um[0],
        until_s=until_s,
        seed=(seed, 13),
    )
    clusters = [cluster_of(crossing, flow, yeast, height_um=there.height_um) for crossing in coming]
    pillars = _pillars(there)
    return tuple(
        cluster
        for cluster in clusters
        if not any(cluster.touches_s(*pillar, there.field_yx_um) for pillar in pillars)
    )
