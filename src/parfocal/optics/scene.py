"""A scene: the bodies that lie in the chamber, and the cells that they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from parfocal.optics.bodies import Body, Raised

Layer = Literal["floor", "ceiling", "between"]

NOT_CELLS = frozenset({"beads"})
"""Kinds that have a true height of their own and yet are not what an annotator focuses on beside cells."""


@dataclass(frozen=True, eq=False)
class Cell:
    """Where one cell, bud or bead lies: the ground truth for single-cell focus.

    Attributes
    ----------
    kind : str
        The kind of its specimen.
    x_um, y_um : float
        Its middle in the field.
    height_um : float
        Its mid-height above the coverslip, where the cell itself is in focus.
    radius_um : float
        Of a disc of the area of its outline seen from above.
    layer : {"floor", "ceiling", "between"}
        What it rests on. A bud belongs to the layer of its mother.
    """

    kind: str
    x_um: float
    y_um: float
    height_um: float
    radius_um: float
    layer: Layer


@dataclass(frozen=True, eq=False)
class Scene:
    """What lies in one field of view; the scene repeats beyond it.

    Attributes
    ----------
    field_yx_um : tuple of float
        Height and width of the field.
    height_um : float
        Height of the chamber above the coverslip.
    medium_index : float
        Refractive index between the bodies.
    bodies : tuple of Body
        Pillars, cells, their parts and whatever else is in the light's way.
    cells : tuple of Cell
    focus_height_um : float
        Height that an annotator calls in focus, see `focus_height_um`.
    """

    field_yx_um: tuple[float, float]
    height_um: float
    medium_index: float
    bodies: tuple[Body, ...]
    cells: tuple[Cell, ...]
    focus_height_um: float

    @property
    def cells_xyh_um(self) -> NDArray[np.float64]:
        """Middle of each cell as (x, y, height), shape (cells, 3)."""
        return np.array([(cell.x_um, cell.y_um, cell.height_um) for cell in self.cells]).reshape(-1, 3)


def focus_height_um(cells: Iterable[Cell], *, otherwise_um: float) -> float:
    """Height that an annotator calls in focus: the mean mid-height of the cells on the floor, by area.

    Parameters
    ----------
    cells : iterable of Cell
    otherwise_um : float
        The answer where nothing lies on the floor.

    Notes
    -----
    Beads count only where no cell lies on the floor.

    Examples
    --------
    >>> low, high = Cell("yeast", 0.0, 0.0, 2.0, 2.0, "floor"), Cell("yeast", 9.0, 9.0, 5.0, 2.0, "ceiling")
    >>> focus_height_um([low, high], otherwise_um=2.3)
    2.0
    >>> focus_height_um([high], otherwise_um=2.3)
    2.3
    """
    on_floor = [cell for cell in cells if cell.layer == "floor"]
    chosen = [cell for cell in on_floor if cell.kind not in NOT_CELLS] or on_floor
    if not chosen:
        return otherwise_um
    return float(np.average([c.height_um for c in chosen], weights=[c.radius_um**2 for c in chosen]))


def tilted(scene: Scene, *, tilt_mrad: float, towards_deg: float) -> Scene:
    """A scene on a slope; its lowest corner stays where it is.

    Parameters
    ----------
    scene : Scene
    tilt_mrad : float
    towards_deg : float
        Where it rises: 0 along x, 90 along y.

    Notes
    -----
    Bodies are lifted, not turned: slopes are small. The height in focus rises as the cells on the floor do.
    """
    if tilt_mrad == 0:
        return scene
    slope = 1e-3 * tilt_mrad * np.array([np.cos(np.radians(towards_deg)), np.sin(np.radians(towards_deg))])
    corners_um = np.array([(x, y) for x in (0.0, scene.field_yx_um[1]) for y in (0.0, scene.field_yx_um[0])])
    lowest_um, highest_um = (corners_um @ slope).min(), (corners_um @ slope).max()

    def lift_um(x_um: float, y_um: float) -> float:
        return float(np.array([x_um, y_um]) @ slope - lowest_um)

    middle_um = lift_um(scene.field_yx_um[1] / 2, scene.field_yx_um[0] / 2)
    cells = tuple(replace(c, height_um=c.height_um + lift_um(c.x_um, c.y_um)) for c in scene.cells)
    return replace(
        scene,
        height_um=scene.height_um + float(highest_um - lowest_um),
        bodies=tuple(Raised(body, lift_um(*body.centre_um[:2])) for body in scene.bodies),
        cells=cells,
        focus_height_um=focus_height_um(cells, otherwise_um=scene.focus_height_um + middle_um),
    )
