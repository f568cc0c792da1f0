"""Ranges that the sizes, numbers and places of specimens are drawn from."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import Field

from parfocal.optics.scene import Layer
from parfocal.settings import Settings

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[float, Field(ge=1.0, le=2.0)]


def check_order(settings: Settings, *names: str) -> None:
    """Refuse settings of which one is larger than the next.

    Raises
    ------
    ValueError
        Naming the settings and their values; pydantic makes it a `SettingsError`.
    """
    values = [getattr(settings, name) for name in names]
    if any(one > other for one, other in pairwise(values)):
        *came, last = (f"{value:g}" for value in values)
        raise ValueError(f"expected {' <= '.join(names)}, got {', '.join(came)} and {last}")


def check_layers(*, on_floor: float, under_ceiling: float) -> None:
    """Refuse shares of cells on the floor and under the ceiling that are more than all cells.

    Raises
    ------
    ValueError
        Naming the shares and their values.
    """
    if on_floor + under_ceiling > 1 + 1e-9:
        raise ValueError(f"expected on_floor + under_ceiling <= 1, got {on_floor:g} and {under_ceiling:g}")


def draw_count(fewest: int, most: int, *, generator: np.random.Generator) -> int:
    """A number from fewest to most, more often few: even in its logarithm."""
    logarithm = generator.uniform(np.log(fewest + 1), np.log(most + 1))
    return round(float(np.exp(logarithm)) - 1)


def draw_even(smallest: float, largest: float, *, generator: np.random.Generator) -> float:
    """A number from smallest to largest, each as likely."""
    return float(generator.uniform(smallest, largest))


def draw_layer(*, on_floor: float, under_ceiling: float, generator: np.random.Generator) -> Layer:
    """What a cell rests on."""
    place = generator.random()
    if place < on_floor:
        return "floor"
    return "ceiling" if place < on_floor + under_ceiling else "between"


def draw_height_um(
    layer: Layer, half_um: float, chamber_height_um: float, *, generator: np.random.Generator
) -> float:
    """Mid-height of something that reaches `half_um` up and down; it touches what it rests on."""
    lowest, highest = half_um, max(half_um, chamber_height_um - half_um)
    return {"floor": lowest, "ceiling": highest, "between": float(generator.uniform(lowest, highest))}[layer]
