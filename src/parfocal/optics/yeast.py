"""Budding yeast in a pillared chamber, grown cell by cell from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from parfocal.optics.instrument import ChamberSettings, VirtualMicroscope, YeastSettings
from parfocal.optics.scene import Ellipsoids, Pillar, Scene, ellipsoid_shapes

TRIES_PER_CELL = 60
TRIES_PER_BUD = 8
CLOSEST_APPROACH = 0.93
"""Cells may press into each other until their centres are this fraction of touching apart."""


@dataclass(frozen=True)
class _Body:
    """One cell or bud: centre (x, y, height) and semi-axes in um, turn about the vertical."""

    centre_um: tuple[float, float, float]
    semi_axes_um: tuple[float, float, float]
    yaw_rad: float
    on_floor: bool

    @property
    def radius_um(self) -> float:
        return float(np.mean(self.semi_axes_um))


@dataclass(frozen=True)
class _Part:
    """One of the nested ellipsoids of a cell; `delta_index` is what it adds to what surrounds it."""

    centre_um: NDArray[np.float64]
    semi_axes_um: NDArray[np.float64]
    yaw_rad: float
    delta_index: float


@dataclass
class _Colony:
    """The chamber as it fills with bodies."""

    settings: VirtualMicroscope
    pillars: tuple[Pillar, ...]
    bodies: list[_Body] = field(default_factory=list)

    def has_room_for(self, body: _Body, *, beside: _Body | None = None) -> bool:
        """Whether a body overlaps no pillar and no other body, `beside` excepted."""
        others = [other for other in self.bodies if other is not beside]
        return self._clears_pillars(body) and self._clears(body, others)

    def _clears_pillars(self, body: _Body) -> bool:
        reach_um = max(body.semi_axes_um[:2])
        for pillar in self.pillars:
            apart = self._apart_um(np.array(body.centre_um[:2]), np.array([pillar.x_um, pillar.y_um]))
            if np.hypot(*apart) < pillar.radius_um + reach_um:
                return False
        return True

    def _clears(self, body: _Body, others: list[_Body]) -> bool:
        if not others:
            return True
        apart = self._apart_um(np.array([other.centre_um for other in others]), np.array(body.centre_um))
        touching = np.array([other.radius_um for other in others]) + body.radius_um
        return bool(np.all(np.linalg.norm(apart, axis=1) >= CLOSEST_APPROACH * touching))

    def _apart_um(self, a_um: NDArray[np.float64], b_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """Difference of positions (..., 2 or 3), the shortest way round the periodic field."""
        field_um, apart = self.settings.camera.field_um, a_um - b_um
        apart[..., :2] = (apart[..., :2] + field_um / 2) % field_um - field_um / 2
        return apart


def yeast_scene(settings: VirtualMicroscope, *, seed: int, n_cells: int) -> Scene:
    """Yeast cells on the floor, under the ceiling and between, among pillars.

    Parameters
    ----------
    settings : VirtualMicroscope
    seed : int
        The same seed gives nested scenes: the first cells stay where they are as `n_cells` grows.
    n_cells : int
        Cells to place, buds not counted; a full chamber takes fewer.

    Returns
    -------
    Scene
    """
    chamber = settings.chamber
    colony = _Colony(settings, _pillars(settings, generator=np.random.default_rng([seed, 0])))
    parts: list[_Part] = []
    for k in range(n_cells):
        generator = np.random.default_rng([seed, 1, k])
        mother = _find_place(colony, generator=generator)
        if mother is None:
            continue
        cell = [mother, *_bud(mother, colony, generator=generator)]
        colony.bodies.extend(cell)
        parts += [part for body in cell for part in _parts(body, settings, generator=generator)]
    return Scene(
        field_um=settings.camera.field_um,
        height_um=chamber.height_um,
        medium_index=chamber.medium_index,
        ellipsoids=_gather(parts),
        pillars=colony.pillars,
        cells_xyh_um=np.array([body.centre_um for body in colony.bodies]).reshape(-1, 3),
        focus_height_um=_focus_height_um(colony.bodies, settings.yeast),
    )


def _focus_height_um(bodies: list[_Body], yeast: YeastSettings) -> float:
    on_floor = [body for body in bodies if body.on_floor]
    if not on_floor:
        return yeast.diameter_um / 2
    areas = [body.semi_axes_um[0] * body.semi_axes_um[1] for body in on_floor]
    return float(np.average([body.centre_um[2] for body in on_floor], weights=areas))


def _pillars(settings: VirtualMicroscope, *, generator: np.random.Generator) -> tuple[Pillar, ...]:
    chamber = settings.chamber
    if not chamber.pillars or chamber.pillar_diameter_um == 0:
        return ()
    # The 50 um lattice does not fit a periodic field of another size: one pillar to a field of this size.
    x_um, y_um = generator.uniform(0, settings.camera.field_um, 2)
    delta_index = chamber.pillar_index - chamber.medium_index
    return (Pillar(float(x_um), float(y_um), chamber.pillar_diameter_um / 2, delta_index),)


def _find_place(colony: _Colony, *, generator: np.random.Generator) -> _Body | None:
    """A new cell where there is room for it, or none if no room was found."""
    yeast, chamber = colony.settings.yeast, colony.settings.chamber
    layer = generator.choice(
        ["floor", "ceiling", "between"],
        p=[yeast.on_floor, yeast.under_ceiling, 1 - yeast.on_floor - yeast.under_ceiling],
    )
    axes = _semi_axes_um(yeast, chamber, generator=generator)
    lowest, highest = axes[2], max(axes[2], chamber.height_um - axes[2])
    height = {"floor": lowest, "ceiling": highest, "between": generator.uniform(lowest, highest)}[layer]
    yaw = generator.uniform(0, np.pi)
    for _ in range(TRIES_PER_CELL):
        x, y = _candidate_xy_um(colony, float(np.mean(axes)), generator=generator)
        body = _Body((x, y, float(height)), axes, float(yaw), on_floor=bool(layer == "floor"))
        if colony.has_room_for(body):
            return body
    return None


def _semi_axes_um(
    yeast: YeastSettings, chamber: ChamberSettings, *, generator: np.random.Generator
) -> tuple[float, float, float]:
    diameter = generator.normal(yeast.diameter_um, yeast.diameter_std_um)
    diameter = np.clip(diameter, yeast.smallest_diameter_um, yeast.largest_diameter_um)
    radius = min(float(diameter), chamber.height_um) / 2
    elongation = generator.uniform(1.0, 1.2)
    flatness = generator.uniform(0.92, 1.0)
    return radius * float(elongation), radius, radius * float(flatness)


def _candidate_xy_um(
    colony: _Colony, radius_um: float, *, generator: np.random.Generator
) -> tuple[float, float]:
    """Anywhere, or beside a cell that is already there."""
    field_um = colony.settings.camera.field_um
    if colony.bodies and generator.random() < colony.settings.yeast.clustered:
        neighbour = colony.bodies[int(generator.integers(len(colony.bodies)))]
        angle = generator.uniform(0, 2 * np.pi)
        apart = 0.98 * (neighbour.radius_um + radius_um)
        x = neighbour.centre_um[0] + apart * np.cos(angle)
        y = neighbour.centre_um[1] + apart * np.sin(angle)
    else:
        x, y = generator.uniform(0, field_um, 2)
    return float(x % field_um), float(y % field_um)


def _bud(mother: _Body, colony: _Colony, *, generator: np.random.Generator) -> list[_Body]:
    """A bud of a cell, where it has one and there is room."""
    if generator.random() >= colony.settings.yeast.budded:
        return []
    size = float(generator.uniform(0.3, 0.75))
    axes = tuple(size * axis for axis in mother.semi_axes_um)
    apart = mother.radius_um + 0.8 * float(np.mean(axes))
    height = np.clip(
        mother.centre_um[2] + generator.normal(0, 0.3),
        axes[2],
        colony.settings.chamber.height_um - axes[2],
    )
    for angle in generator.uniform(0, 2 * np.pi, TRIES_PER_BUD):
        x_um = (mother.centre_um[0] + apart * np.cos(angle)) % colony.settings.camera.field_um
        y_um = (mother.centre_um[1] + apart * np.sin(angle)) % colony.settings.camera.field_um
        centre = (float(x_um), float(y_um), float(height))
        bud = _Body(centre, (axes[0], axes[1], axes[2]), float(angle), on_floor=False)
        if colony.has_room_for(bud, beside=mother):
            return [bud]
    return []


def _parts(body: _Body, settings: VirtualMicroscope, *, generator: np.random.Generator) -> list[_Part]:
    """Wall, cytoplasm and organelles of one cell, each within the one before or in the cytoplasm."""
    yeast = settings.yeast
    centre, axes = np.array(body.centre_um), np.array(body.semi_axes_um)
    inner = axes - yeast.wall_um
    parts = [
        _Part(centre, axes, body.yaw_rad, yeast.wall_index - settings.chamber.medium_index),
        _Part(centre, inner, body.yaw_rad, yeast.cytoplasm_index - yeast.wall_index),
    ]
    organelles = [
        (0.32, yeast.nucleus_index),
        (generator.uniform(0.25, 0.45), yeast.vacuole_index),
        *((generator.uniform(0.08, 0.16), yeast.lipid_index) for _ in range(generator.integers(1, 5))),
    ]
    for relative_size, index in organelles:
        size_um = relative_size * float(inner.min())
        direction = generator.normal(size=3)
        away = direction / np.linalg.norm(direction) * generator.uniform(0.2, 0.9)
        where = centre + away * (float(inner.min()) - size_um)
        parts.append(_Part(where, np.full(3, size_um), 0.0, index - yeast.cytoplasm_index))
    return parts


def _gather(parts: list[_Part]) -> Ellipsoids:
    if not parts:
        return Ellipsoids(np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros(0, np.complex128))
    axes, yaws = np.array([part.semi_axes_um for part in parts]), np.array([part.yaw_rad for part in parts])
    return Ellipsoids(
        np.array([part.centre_um for part in parts]),
        ellipsoid_shapes(axes, yaws),
        np.array([part.delta_index for part in parts], np.complex128),
    )
