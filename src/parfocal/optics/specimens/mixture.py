"""A scene of one or several specimens in a chamber, from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from parfocal.errors import InputError
from parfocal.optics.chamber import ChamberSettings
from parfocal.optics.scene import Scene, focus_height_um, tilted
from parfocal.optics.specimens.adherent import AdherentSettings, adherent_population
from parfocal.optics.specimens.beads import BeadSettings, bead_population
from parfocal.optics.specimens.debris import DebrisSettings, debris_population
from parfocal.optics.specimens.euglena import EuglenaSettings, euglena_population
from parfocal.optics.specimens.pillars import pillars_of
from parfocal.optics.specimens.placing import Crowd, Population
from parfocal.optics.specimens.ranges import draw_count
from parfocal.optics.specimens.rods import RodSettings, rod_population
from parfocal.optics.specimens.yeast import YeastSettings, yeast_population

SpecimenSettings = Annotated[
    YeastSettings | RodSettings | AdherentSettings | EuglenaSettings | BeadSettings | DebrisSettings,
    Field(discriminator="kind"),
]
"""Settings of any specimen, told apart by their kind."""


def scene_of(
    specimens: tuple[SpecimenSettings, ...],
    chamber: ChamberSettings,
    field_yx_um: tuple[float, float],
    *,
    seed: int,
    n_cells: int | None = None,
) -> Scene:
    """What lies in one field of view: pillars, and specimens that share the room between them.

    Parameters
    ----------
    specimens : tuple of SpecimenSettings
        None for an empty field, several for a mixture.
    chamber : ChamberSettings
    field_yx_um : tuple of float
        Height and width of the field.
    seed : int
        The same seed gives nested scenes: what is there stays where it is as `n_cells` grows.
    n_cells : int, optional
        How many of the first specimen to place; a full chamber takes fewer. By default a random number
        between its fewest and most, more often few, as for the other specimens.

    Returns
    -------
    Scene
        Where no cell lies on the floor, it is in focus where a typical one of the first specimen would be if
        it lay there. An empty field, and one of debris only, is in focus at the face of the coverslip, where
        scratches are and grains stand.

    Raises
    ------
    InputError
        If a specimen can be larger than the field.

    Examples
    --------
    >>> scene = scene_of((YeastSettings(budded=0.0),), ChamberSettings(), (61.4, 61.4), seed=0, n_cells=5)
    >>> len(scene.cells), scene.cells[0].kind
    (5, 'yeast')
    """
    _check_size(specimens, field_yx_um)
    pillars = pillars_of(chamber, field_yx_um, generator=np.random.default_rng([seed, 0]))
    crowd = Crowd(field_yx_um, chamber.height_um, chamber.medium_index, pillars)
    numbers = _numbers(specimens, seed=seed, n_cells=n_cells)
    # The first specimen comes last: the others are the same however many there are of it.
    populations = [
        _population(specimens[k], crowd, seed=(seed, 1 + k), n=numbers[k])
        for k in [*range(1, len(specimens)), *range(min(1, len(specimens)))]
    ]
    cells = tuple(cell for population in populations for cell in population.cells)
    resting_um = [s.resting_height_um for s in specimens if not isinstance(s, DebrisSettings)]
    level = Scene(
        field_yx_um=field_yx_um,
        height_um=chamber.height_um,
        medium_index=chamber.medium_index,
        bodies=(*pillars, *(body for population in populations for body in population.bodies)),
        cells=cells,
        focus_height_um=focus_height_um(cells, otherwise_um=resting_um[0] if resting_um else 0.0),
    )
    return tilted(level, tilt_mrad=chamber.tilt_mrad, towards_deg=chamber.tilt_towards_deg)


def _check_size(specimens: tuple[SpecimenSettings, ...], field_yx_um: tuple[float, float]) -> None:
    for specimen in specimens:
        if specimen.largest_um >= min(field_yx_um):
            raise InputError(
                f"Expected a field wider than the largest {specimen.kind}, {specimen.largest_um:g} um, got "
                f"{field_yx_um[0]:g} x {field_yx_um[1]:g} um: use a larger field or smaller specimens."
            )


def _numbers(specimens: tuple[SpecimenSettings, ...], *, seed: int, n_cells: int | None) -> Sequence[int]:
    drawn = [
        draw_count(*specimen.count_range, generator=np.random.default_rng([seed, 0, 1 + k]))
        for k, specimen in enumerate(specimens)
    ]
    return drawn if n_cells is None else [n_cells, *drawn[1:]]


def _population(specimen: SpecimenSettings, crowd: Crowd, *, seed: tuple[int, ...], n: int) -> Population:
    match specimen:
        case YeastSettings():
            return yeast_population(specimen, crowd, seed=seed, n_cells=n)
        case RodSettings():
            return rod_population(specimen, crowd, seed=seed, n_cells=n)
        case AdherentSettings():
            return adherent_population(specimen, crowd, seed=seed, n_cells=n)
        case EuglenaSettings():
            return euglena_population(specimen, crowd, seed=seed, n_cells=n)
        case BeadSettings():
            return bead_population(specimen, crowd, seed=seed, n_beads=n)
        case DebrisSettings():
            return debris_population(specimen, crowd, seed=seed, n_grains=n)
