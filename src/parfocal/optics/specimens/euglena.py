"""Euglena: long, spindle-shaped cells full of grains, fixed and stained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from parfocal.optics.bodies import Body, Ellipsoid, Spindle
from parfocal.optics.scene import Cell, Layer
from parfocal.optics.specimens.placing import TRIES, Crowd, Population, generators
from parfocal.optics.specimens.ranges import (
    Count,
    Fraction,
    Index,
    NotNegative,
    Positive,
    check_layers,
    check_order,
    draw_even,
    draw_height_um,
    draw_layer,
)
from parfocal.settings import Settings

Array = NDArray[np.float64]

STAIN_WAVELENGTH_UM = 0.55
STAIN_THICKNESS_UM = 10.0


class EuglenaSettings(Settings):
    """Fixed and stained Euglena, 30 to 50 um long and 8 to 12 um wide.

    A stained cell 10 um thick transmits a share of green light (0.55 um) drawn between least and most
    transmission; 1 leaves it unstained. There are 6 to 12 chloroplasts 2 to 5 um across and a nucleus 6 um
    wide, as in *E. gracilis* and its kin. Indices are *assumed*: paramylon, a crystalline glucan, like other
    dry sugars. Cells are counted in the field; the numbers suit a field of 330 um.
    """

    kind: Literal["euglena"] = "euglena"
    fewest_cells: Count = 8
    most_cells: Count = 60
    shortest_um: Positive = 30.0
    longest_um: Positive = 50.0
    narrowest_um: Positive = 8.0
    widest_um: Positive = 12.0
    largest_tilt_deg: NotNegative = 5.0
    largest_bend_um: NotNegative = 2.0
    on_floor: Fraction = 0.8
    under_ceiling: Fraction = 0.0
    least_transmission: Fraction = 0.3
    most_transmission: Fraction = 0.6
    most_paramylon: Count = 20
    cytoplasm_index: Index = 1.365
    nucleus_index: Index = 1.375
    chloroplast_index: Index = 1.385
    paramylon_index: Index = 1.50
    reservoir_index: Index = 1.340
    eyespot_index: Index = 1.42

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        check_order(self, "fewest_cells", "most_cells")
        check_order(self, "narrowest_um", "widest_um", "shortest_um", "longest_um")
        check_order(self, "least_transmission", "most_transmission")
        check_layers(on_floor=self.on_floor, under_ceiling=self.under_ceiling)
        if self.largest_tilt_deg > 45:
            raise ValueError(f"expected largest_tilt_deg <= 45, got {self.largest_tilt_deg:g}")
        if self.least_transmission == 0:
            raise ValueError("expected least_transmission > 0, got 0")
        return self

    @property
    def count_range(self) -> tuple[int, int]:
        """Fewest and most cells in the field."""
        return self.fewest_cells, self.most_cells

    @property
    def largest_um(self) -> float:
        """Longest that a cell can be."""
        return self.longest_um

    @property
    def resting_height_um(self) -> float:
        """Mid-height of a typical cell on the floor."""
        return (self.narrowest_um + self.widest_um) / 4


def euglena_population(
    settings: EuglenaSettings, crowd: Crowd, *, seed: tuple[int, ...], n_cells: int
) -> Population:
    """Cells settled on the floor or at any height; a full chamber takes fewer."""
    cells: list[Cell] = []
    bodies: list[Body] = []
    for generator in generators(seed, n_cells):
        layer = draw_layer(
            on_floor=settings.on_floor, under_ceiling=settings.under_ceiling, generator=generator
        )
        shape = _shape(settings, layer, crowd, generator=generator)
        spindle = _placed(shape, crowd, generator=generator)
        if spindle is not None:
            crowd.add(_balls(spindle))
            cells.append(_as_cell(spindle, layer))
            bodies += [spindle, *_organelles(spindle, settings, generator=generator)]
    return Population(tuple(cells), tuple(bodies))


def _shape(
    settings: EuglenaSettings, layer: Layer, crowd: Crowd, *, generator: np.random.Generator
) -> Spindle:
    """The outer body, not yet placed: blunt ahead, tapering behind, a little bent and tilted."""
    width_um = draw_even(settings.narrowest_um, settings.widest_um, generator=generator)
    length_um = draw_even(settings.shortest_um, settings.longest_um, generator=generator)
    transmission = draw_even(settings.least_transmission, settings.most_transmission, generator=generator)
    absorption = absorption_index(transmission, STAIN_THICKNESS_UM, wavelength_um=STAIN_WAVELENGTH_UM)
    spindle = Spindle(
        at_um=(0.0, 0.0, 0.0),
        half_length_um=length_um / 2,
        radius_um=min(width_um, crowd.height_um) / 2,
        yaw_rad=float(generator.uniform(0, 2 * np.pi)),
        delta_index=settings.cytoplasm_index - crowd.medium_index + 1j * absorption,
        rise=float(np.tan(np.deg2rad(settings.largest_tilt_deg) * generator.uniform(-1, 1))),
        bend_um=settings.largest_bend_um * float(generator.uniform(-1, 1)),
        taper=float(generator.uniform(0.1, 0.3)),
        sharpness=0.75,
    )
    widest = float(spindle.radius_at(np.linspace(-1, 1, 201)).max())
    spindle = replace(spindle, radius_um=spindle.radius_um**2 / widest)
    if spindle.reach_um[2] > crowd.height_um / 2:  # no room to tilt in so low a chamber
        spindle = replace(spindle, rise=0.0)
    height_um = draw_height_um(layer, float(spindle.reach_um[2]), crowd.height_um, generator=generator)
    return replace(spindle, at_um=(0.0, 0.0, height_um - float(spindle.centre_um[2])))


def absorption_index(transmission: float, thickness_um: float, *, wavelength_um: float) -> float:
    """Imaginary part of the index of a layer that transmits this share of the light's intensity.

    Examples
    --------
    >>> round(absorption_index(0.5, 10.0, wavelength_um=0.55), 5)
    0.00303
    """
    return float(-np.log(transmission) * wavelength_um / (4 * np.pi * thickness_um))


def _placed(spindle: Spindle, crowd: Crowd, *, generator: np.random.Generator) -> Spindle | None:
    """The cell where there is room for it, or none if no room was found."""
    for _ in range(TRIES):
        spindle = replace(spindle, at_um=(*crowd.anywhere_um(generator), spindle.at_um[2]))
        if crowd.has_room_for(_balls(spindle)):
            return spindle
    return None


def _balls(spindle: Spindle) -> Array:
    """The room that it takes: a string of balls along its axis."""
    u = np.linspace(-0.97, 0.97, 17)
    return np.column_stack([spindle.axis_at(u), spindle.radius_at(u)])


def _as_cell(spindle: Spindle, layer: Layer) -> Cell:
    u = np.linspace(-1, 1, 201)
    area_um2 = 2 * spindle.half_length_um * float(np.trapezoid(spindle.radius_at(u), u))
    x_um, y_um, _ = spindle.at_um
    return Cell("euglena", x_um, y_um, float(spindle.centre_um[2]), float(np.sqrt(area_um2 / np.pi)), layer)


def _organelles(
    spindle: Spindle, settings: EuglenaSettings, *, generator: np.random.Generator
) -> Iterator[Body]:
    """Nucleus behind the middle, reservoir and eyespot ahead, chloroplasts under the skin, and grains."""
    nucleus = settings.nucleus_index - settings.cytoplasm_index + 0.5j * spindle.delta_index.imag
    yield _ball(spindle, generator.uniform(-0.35, -0.05), 0.1, 3.0, nucleus, generator=generator)
    reservoir = settings.reservoir_index - settings.cytoplasm_index
    yield _ball(spindle, 0.72, 0.1, 1.6, reservoir, generator=generator)
    eyespot = settings.eyespot_index - settings.cytoplasm_index + 0.02j
    yield _ball(spindle, 0.62, 0.9, 0.9, eyespot, generator=generator)
    chloroplast = settings.chloroplast_index - settings.cytoplasm_index + 0.002j
    for _ in range(int(generator.integers(6, 13))):
        yield _disc(spindle, generator.uniform(-0.75, 0.6), chloroplast, generator=generator)
    grain = settings.paramylon_index - settings.cytoplasm_index
    for _ in range(int(generator.integers(settings.most_paramylon + 1))):
        radius_um = generator.uniform(0.3, 1.0)
        yield _ball(spindle, generator.uniform(-0.8, 0.7), 0.8, radius_um, grain, generator=generator)


def _ball(
    spindle: Spindle,
    u: float,
    farthest: float,
    radius_um: float,
    delta_index: complex,
    *,
    generator: np.random.Generator,
) -> Ellipsoid:
    """A ball at u along the axis, at most the given fraction of the way to the skin beside it."""
    radius_um = min(radius_um, 0.6 * float(spindle.radius_at(np.array(u))))
    room_um = max(0.0, _room_um(spindle, u, radius_um) - radius_um)
    away_um = room_um * farthest * np.sqrt(generator.random())
    where = _beside_axis(spindle, u, away_um, generator.uniform(0, 2 * np.pi))
    return Ellipsoid.ball(where, radius_um, delta_index)


def _disc(spindle: Spindle, u: float, delta_index: complex, *, generator: np.random.Generator) -> Ellipsoid:
    """A disc just under the skin, parallel to it."""
    broad_um = min(generator.uniform(1.0, 2.3), 0.55 * float(spindle.radius_at(np.array(u))))
    thin_um, angle = 0.35 * broad_um, generator.uniform(0, 2 * np.pi)
    room_um = _room_um(spindle, u, broad_um)
    # farthest from the axis that an ellipse broad along the skin stays within a circle
    away_um = np.sqrt(max(0.0, room_um**2 - broad_um**2) * (1 - (thin_um / broad_um) ** 2))
    away_um = max(0.0, min(away_um, room_um - thin_um))
    return Ellipsoid.turned(
        _beside_axis(spindle, u, away_um, angle),
        (thin_um, broad_um, broad_um),
        delta_index,
        yaw_rad=spindle.yaw_rad + np.pi / 2,
        pitch_rad=angle,
    )


def _room_um(spindle: Spindle, u: float, size_um: float) -> float:
    """Distance from the axis to the skin all along a part of this size, whose neighbourhood may bend away."""
    ends = u + np.array([-1, 1]) * size_um / spindle.half_length_um
    aside_um = np.abs(spindle.bend_um * (ends**2 - u**2)) + abs(spindle.rise) * size_um
    return float(np.min(spindle.radius_at(np.clip(ends, -1, 1)) - aside_um)) * 0.95


def _beside_axis(spindle: Spindle, u: float, away_um: float, angle_rad: float) -> tuple[float, float, float]:
    x_um, y_um, h_um = spindle.axis_at(np.array(u)).tolist()
    aside_um, up_um = away_um * np.cos(angle_rad), away_um * np.sin(angle_rad)
    return (
        float(x_um - aside_um * np.sin(spindle.yaw_rad)),
        float(y_um + aside_um * np.cos(spindle.yaw_rad)),
        float(h_um + up_um),
    )
