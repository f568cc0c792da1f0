"""Budding yeast in a pillared chamber, grown cell by cell from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parfocal.optics.instrument import ChamberSettings, VirtualMicroscope, YeastSettings
from parfocal.optics.scene import Ellipsoids, Pillar, Scene, ellipsoid_shapes

TRIES_PER_CELL = 60
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
    field_um, chamber = settings.camera.field_um, settings.chamber
    pillars = _pillars(chamber, field_um, generator=np.random.default_rng([seed, 0]))
    bodies: list[_Body] = []
    parts: list[tuple[NDArray[np.float64], NDArray[np.float64], float, float]] = []
    for k in range(n_cells):
        generator = np.random.default_rng([seed, 1, k])
        mother = _place(bodies, pillars, settings.yeast, chamber, field_um, generator=generator)
        if mother is None:
            continue
        cell = [mother, *_bud(mother, settings.yeast, chamber, generator=generator)]
        bodies += cell
        parts += [part for body in cell for part in _parts(body, settings, generator=generator)]
    return Scene(
        field_um=field_um,
        height_um=chamber.height_um,
        medium_index=chamber.medium_index,
        ellipsoids=_gather(parts),
        pillars=pillars,
        cells_xyh_um=np.array([body.centre_um for body in bodies]).reshape(-1, 3),
        focus_height_um=_focus_height_um(bodies, settings.yeast),
    )


def _focus_height_um(bodies: list[_Body], yeast: YeastSettings) -> float:
    on_floor = [body for body in bodies if body.on_floor]
    if not on_floor:
        return yeast.diameter_um / 2
    areas = [body.semi_axes_um[0] * body.semi_axes_um[1] for body in on_floor]
    return float(np.average([body.centre_um[2] for body in on_floor], weights=areas))


def _pillars(
    chamber: ChamberSettings, field_um: float, *, generator: np.random.Generator
) -> tuple[Pillar, ...]:
    if not chamber.pillars or chamber.pillar_diameter_um == 0:
        return ()
    # The 50 um lattice does not fit a periodic field of another size: one pillar to a field of this size.
    x_um, y_um = generator.uniform(0, field_um, 2)
    delta = chamber.pillar_index - chamber.medium_index
    return (Pillar(float(x_um), float(y_um), chamber.pillar_diameter_um / 2, delta),)


def _place(
    bodies: list[_Body],
    pillars: tuple[Pillar, ...],
    yeast: YeastSettings,
    chamber: ChamberSettings,
    field_um: float,
    *,
    generator: np.random.Generator,
) -> _Body | None:
    layer = generator.choice(
        ["floor", "ceiling", "between"],
        p=[yeast.on_floor, yeast.under_ceiling, 1 - yeast.on_floor - yeast.under_ceiling],
    )
    axes = _semi_axes_um(yeast, chamber, generator=generator)
    lowest, highest = axes[2], max(axes[2], chamber.height_um - axes[2])
    height = {"floor": lowest, "ceiling": highest, "between": generator.uniform(lowest, highest)}[layer]
    yaw = generator.uniform(0, np.pi)
    for _ in range(TRIES_PER_CELL):
        x, y = _candidate(bodies, float(np.mean(axes)), yeast, field_um, generator=generator)
        body = _Body((x, y, float(height)), axes, float(yaw), on_floor=bool(layer == "floor"))
        if _fits(body, bodies, pillars, field_um):
            return body
    return None


def _semi_axes_um(
    yeast: YeastSettings, chamber: ChamberSettings, *, generator: np.random.Generator
) -> tuple[float, float, float]:
    diameter = np.clip(generator.normal(yeast.diameter_um, yeast.diameter_std_um), 3.0, 6.0)
    radius = min(float(diameter), chamber.height_um) / 2
    elongation = generator.uniform(1.0, 1.2)
    flatness = generator.uniform(0.92, 1.0)
    return radius * float(elongation), radius, radius * float(flatness)


def _candidate(
    bodies: list[_Body],
    radius_um: float,
    yeast: YeastSettings,
    field_um: float,
    *,
    generator: np.random.Generator,
) -> tuple[float, float]:
    if bodies and generator.random() < yeast.clustered:
        neighbour = bodies[int(generator.integers(len(bodies)))]
        angle = generator.uniform(0, 2 * np.pi)
        apart = 0.98 * (neighbour.radius_um + radius_um)
        x = neighbour.centre_um[0] + apart * np.cos(angle)
        y = neighbour.centre_um[1] + apart * np.sin(angle)
    else:
        x, y = generator.uniform(0, field_um, 2)
    return float(x % field_um), float(y % field_um)


def _fits(body: _Body, bodies: list[_Body], pillars: tuple[Pillar, ...], field_um: float) -> bool:
    centre = np.array(body.centre_um)
    for pillar in pillars:
        apart = _periodic(centre[:2] - np.array([pillar.x_um, pillar.y_um]), field_um)
        if np.hypot(*apart) < pillar.radius_um + body.radius_um:
            return False
    if not bodies:
        return True
    apart = np.array([other.centre_um for other in bodies]) - centre
    apart[:, :2] = _periodic(apart[:, :2], field_um)
    reach = CLOSEST_APPROACH * (np.array([other.radius_um for other in bodies]) + body.radius_um)
    return bool(np.all(np.linalg.norm(apart, axis=1) >= reach))


def _periodic(difference_um: NDArray[np.float64], field_um: float) -> NDArray[np.float64]:
    return (difference_um + field_um / 2) % field_um - field_um / 2


def _bud(
    mother: _Body, yeast: YeastSettings, chamber: ChamberSettings, *, generator: np.random.Generator
) -> list[_Body]:
    if generator.random() >= yeast.budded:
        return []
    size = generator.uniform(0.3, 0.75)
    axes = tuple(float(size * a) for a in mother.semi_axes_um)
    angle = generator.uniform(0, 2 * np.pi)
    apart = mother.radius_um + 0.8 * float(np.mean(axes))
    height = mother.centre_um[2] + generator.normal(0, 0.3)
    centre = (
        mother.centre_um[0] + apart * float(np.cos(angle)),
        mother.centre_um[1] + apart * float(np.sin(angle)),
        float(np.clip(height, axes[2], chamber.height_um - axes[2])),
    )
    return [_Body(centre, (axes[0], axes[1], axes[2]), float(angle), on_floor=False)]


def _parts(
    body: _Body, settings: VirtualMicroscope, *, generator: np.random.Generator
) -> list[tuple[NDArray[np.float64], NDArray[np.float64], float, float]]:
    """Nested ellipsoids of one cell: (centre, semi-axes, yaw, index added)."""
    yeast, medium = settings.yeast, settings.chamber.medium_index
    centre, axes = np.array(body.centre_um), np.array(body.semi_axes_um)
    inner = axes - yeast.wall_um
    parts = [
        (centre, axes, body.yaw_rad, yeast.wall_index - medium),
        (centre, inner, body.yaw_rad, yeast.cytoplasm_index - yeast.wall_index),
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
        where = centre + away * (inner - size_um) * 0.9
        parts.append((where, np.full(3, size_um), 0.0, index - yeast.cytoplasm_index))
    return parts


def _gather(parts: list[tuple[NDArray[np.float64], NDArray[np.float64], float, float]]) -> Ellipsoids:
    if not parts:
        return Ellipsoids(np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros(0, np.complex128))
    centres, axes, yaws, deltas = zip(*parts, strict=True)
    return Ellipsoids(
        np.array(centres), ellipsoid_shapes(np.array(axes), np.array(yaws)), np.array(deltas, np.complex128)
    )
