"""Adherent cells: thin and spread on the floor, thickest over the nucleus; a few round up to divide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from parfocal.optics.bodies import Body, Ellipsoid, Mound
from parfocal.optics.scene import Cell
from parfocal.optics.specimens.placing import TRIES, Crowd, Population, generators
from parfocal.optics.specimens.ranges import Count, Fraction, Index, Positive, check_order, draw_even
from parfocal.settings import Settings

Array = NDArray[np.float64]

LARGEST_WAVES = (0.12, 0.32, 0.18, 0.10, 0.07, 0.05)
"""Of the outline, once round and twice round and so on: off-centre, long, three-cornered, ..."""

NUCLEUS_HEIGHT = 0.38
"""Half the height of the nucleus in parts of the cell's, which leaves cytoplasm above and below."""


class AdherentSettings(Settings):
    """Cells of a mammalian culture, 30 to 60 um across and 4 to 7 um high on a brim of 1 to 2 um.

    The nucleus has a lower index than the cytoplasm (Schuermann et al. 2016, Steelman et al. 2017), nucleoli
    a higher one; the values within the published ranges, and those of the granules, are *assumed*. Cells are
    counted in the field; the numbers suit a field of 150 to 200 um.
    """

    kind: Literal["adherent"] = "adherent"
    fewest_cells: Count = 2
    most_cells: Count = 14
    smallest_across_um: Positive = 30.0
    largest_across_um: Positive = 60.0
    thinnest_brim_um: Positive = 1.0
    thickest_brim_um: Positive = 2.0
    lowest_peak_um: Positive = 4.0
    highest_peak_um: Positive = 7.0
    shortest_nucleus_um: Positive = 11.0
    longest_nucleus_um: Positive = 17.0
    mitotic: Fraction = 0.06
    smallest_mitotic_um: Positive = 14.0
    largest_mitotic_um: Positive = 18.0
    most_granules: Count = 60
    cytoplasm_index: Index = 1.370
    nucleus_index: Index = 1.362
    nucleolus_index: Index = 1.378
    granule_index: Index = 1.42

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        check_order(self, "fewest_cells", "most_cells")
        check_order(self, "smallest_across_um", "largest_across_um")
        check_order(self, "thinnest_brim_um", "thickest_brim_um", "lowest_peak_um", "highest_peak_um")
        check_order(self, "shortest_nucleus_um", "longest_nucleus_um", "smallest_across_um")
        check_order(self, "smallest_mitotic_um", "largest_mitotic_um", "largest_across_um")
        return self

    @property
    def count_range(self) -> tuple[int, int]:
        """Fewest and most cells in the field."""
        return self.fewest_cells, self.most_cells

    @property
    def largest_um(self) -> float:
        """Longest that a cell can be."""
        return self.largest_across_um

    @property
    def resting_height_um(self) -> float:
        """Mid-height of the nucleus of a typical cell."""
        return (self.lowest_peak_um + self.highest_peak_um) / 4


def adherent_population(
    settings: AdherentSettings, crowd: Crowd, *, seed: tuple[int, ...], n_cells: int
) -> Population:
    """Cells on the floor that do not overlap; a full floor takes fewer.

    The mid-height of a spread cell is that of its nucleus.
    """
    cells: list[Cell] = []
    bodies: list[Body] = []
    for generator in generators(seed, n_cells):
        place = _round_cell if generator.random() < settings.mitotic else _spread_cell
        grown = place(settings, crowd, generator=generator)
        if grown is not None:
            cells.append(grown[0])
            bodies += grown[1]
    return Population(tuple(cells), tuple(bodies))


def _spread_cell(
    settings: AdherentSettings, crowd: Crowd, *, generator: np.random.Generator
) -> tuple[Cell, list[Body]] | None:
    """A spread cell where there is room for it, or none if no room was found."""
    mound = _shape(settings, crowd, generator=generator)
    nucleus_um = _nucleus_um(settings, mound, generator=generator)
    mound = replace(mound, steepness=_steepness(mound, nucleus_um))
    yaw = _longest_direction(mound)
    for _ in range(TRIES):
        x_um, y_um = crowd.anywhere_um(generator)
        mound = replace(mound, x_um=x_um, y_um=y_um)
        balls = _balls(mound)
        if crowd.has_room_for(balls):
            crowd.add(balls)
            radius_um = float(np.sqrt(mound.outline_area_um2 / np.pi))
            cell = Cell("adherent", x_um, y_um, mound.peak_um / 2, radius_um, "floor")
            nucleus = _nucleus(settings, mound, nucleus_um, yaw, generator=generator)
            return cell, [mound, *nucleus, *_granules(settings, mound, nucleus_um, generator=generator)]
    return None


def _shape(settings: AdherentSettings, crowd: Crowd, *, generator: np.random.Generator) -> Mound:
    """The outer body, not yet placed, as far across as it shall be."""
    mound = Mound(
        x_um=0.0,
        y_um=0.0,
        radius_um=1.0,
        amplitudes=tuple(float(largest * generator.random()) for largest in LARGEST_WAVES),
        phases_rad=tuple(generator.uniform(0, 2 * np.pi, len(LARGEST_WAVES)).tolist()),
        brim_um=draw_even(settings.thinnest_brim_um, settings.thickest_brim_um, generator=generator),
        peak_um=draw_even(settings.lowest_peak_um, settings.highest_peak_um, generator=generator),
        delta_index=settings.cytoplasm_index - crowd.medium_index,
    )
    across_um = draw_even(settings.smallest_across_um, settings.largest_across_um, generator=generator)
    return replace(
        mound,
        radius_um=across_um / (2 * float(mound.reach_um[:2].max())),
        brim_um=min(mound.brim_um, crowd.height_um / 2),
        peak_um=min(mound.peak_um, crowd.height_um),
    )


def _nucleus_um(
    settings: AdherentSettings, mound: Mound, *, generator: np.random.Generator
) -> tuple[float, float, float]:
    """Semi-axes of a nucleus that fits into the narrowest part of the outline."""
    nearest_um = float(mound.outline_um(np.linspace(0, 2 * np.pi, 181)).min())
    length_um = draw_even(settings.shortest_nucleus_um, settings.longest_nucleus_um, generator=generator)
    half_um = min(length_um / 2, 0.75 * nearest_um)
    return half_um, half_um * draw_even(0.65, 0.9, generator=generator), NUCLEUS_HEIGHT * mound.peak_um


def _steepness(mound: Mound, nucleus_um: tuple[float, float, float]) -> float:
    """A peak broad enough for the nucleus: half of its height is left where the nucleus ends."""
    nearest_um = float(mound.outline_um(np.linspace(0, 2 * np.pi, 181)).min())
    return float(np.log(0.5) / np.log(1 - (nucleus_um[0] / nearest_um) ** 2))


def _longest_direction(mound: Mound) -> float:
    angle = np.linspace(0, np.pi, 90, endpoint=False)
    across_um = mound.outline_um(angle) + mound.outline_um(angle + np.pi)
    return float(angle[int(across_um.argmax())])


def _balls(mound: Mound) -> Array:
    """The room that it takes: small balls along the outline, larger ones within."""
    n = int(np.ceil(2 * np.pi * mound.radius_um / 1.5))
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    rows = [_ring(mound, angle, mound.outline_um(angle) - 1.5, 1.5)]
    for q in np.arange(0.85, 0.0, -5 / mound.radius_um):
        angle = np.linspace(0, 2 * np.pi, max(1, int(np.ceil(2 * np.pi * q * mound.radius_um / 5))))
        rows.append(_ring(mound, angle, q * mound.outline_um(angle), 2.9))
    return np.concatenate(rows)


def _ring(mound: Mound, angle: Array, away_um: Array, radius_um: float) -> Array:
    x_um, y_um = mound.x_um + away_um * np.cos(angle), mound.y_um + away_um * np.sin(angle)
    middle_um = mound.height_at(away_um / mound.outline_um(angle)) / 2
    return np.column_stack([x_um, y_um, middle_um, np.full(len(angle), radius_um)])


def _nucleus(
    settings: AdherentSettings,
    mound: Mound,
    semi_axes_um: tuple[float, float, float],
    yaw_rad: float,
    *,
    generator: np.random.Generator,
) -> Iterator[Ellipsoid]:
    """A nucleus under the peak, with one to four nucleoli in it."""
    middle_um = np.array([mound.x_um, mound.y_um, mound.peak_um / 2])
    delta_index = settings.nucleus_index - settings.cytoplasm_index
    yield Ellipsoid.turned(tuple(middle_um.tolist()), semi_axes_um, delta_index, yaw_rad=yaw_rad)
    a, b, c = semi_axes_um
    for _ in range(int(generator.integers(1, 5))):
        radius_um = min(generator.uniform(0.7, 1.5), 0.5 * c)
        away = generator.normal(size=3)
        away *= 0.85 * generator.random() ** (1 / 3) / np.linalg.norm(away)
        x, y, h = away * (a - radius_um, b - radius_um, c - radius_um)
        turned = (x * np.cos(yaw_rad) - y * np.sin(yaw_rad), x * np.sin(yaw_rad) + y * np.cos(yaw_rad), h)
        where = tuple((middle_um + turned).tolist())
        yield Ellipsoid.ball(where, radius_um, settings.nucleolus_index - settings.nucleus_index)


def _granules(
    settings: AdherentSettings,
    mound: Mound,
    nucleus_um: tuple[float, float, float],
    *,
    generator: np.random.Generator,
) -> Iterator[Ellipsoid]:
    """Vesicles, lysosomes, lipid drops: around the nucleus, fewer towards the edge."""
    delta_index = settings.granule_index - settings.cytoplasm_index
    for _ in range(int(generator.integers(settings.most_granules // 3, settings.most_granules + 1))):
        angle = np.array(generator.uniform(0, 2 * np.pi))
        outline_um = float(mound.outline_um(angle))
        nearest = min(0.85, (nucleus_um[0] + 0.6) / outline_um)
        q = nearest + (0.88 - nearest) * generator.random() ** 2
        height_um = float(mound.height_at(np.array(min(q + 0.5 / outline_um, 1.0))))
        radius_um = min(generator.uniform(0.2, 0.5), 0.3 * height_um)
        where = (
            float(mound.x_um + q * outline_um * np.cos(angle)),
            float(mound.y_um + q * outline_um * np.sin(angle)),
            float(generator.uniform(1.1 * radius_um, height_um - 1.1 * radius_um)),
        )
        if radius_um > 0:  # at the very edge of a small cell there is no room
            yield Ellipsoid.ball(where, radius_um, delta_index)


def _round_cell(
    settings: AdherentSettings, crowd: Crowd, *, generator: np.random.Generator
) -> tuple[Cell, list[Body]] | None:
    """A dividing cell: a ball with a plate of chromosomes, where there is room for it."""
    diameter_um = draw_even(settings.smallest_mitotic_um, settings.largest_mitotic_um, generator=generator)
    radius_um, half_um = diameter_um / 2, min(diameter_um, crowd.height_um) / 2
    yaw = float(generator.uniform(0, np.pi))
    for _ in range(TRIES):
        middle_um = (*crowd.anywhere_um(generator), half_um)
        balls = np.array([[*middle_um, radius_um]])
        if crowd.has_room_for(balls):
            crowd.add(balls)
            body = Ellipsoid.turned(
                middle_um, (radius_um, radius_um, half_um), settings.cytoplasm_index - crowd.medium_index
            )
            plate = Ellipsoid.turned(
                middle_um,
                (1.2, 0.55 * radius_um, 0.55 * half_um),
                settings.nucleolus_index - settings.cytoplasm_index,
                yaw_rad=yaw,
            )
            return Cell("adherent", *middle_um, radius_um, "floor"), [body, plate]
    return None
