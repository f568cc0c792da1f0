"""Bodies of refractive index, each cut by vertical lines in closed form.

Every body is vertically convex: a vertical line meets it in one segment at most. Positions are (x, y, height
above the coverslip) in um. A body *adds* `delta_index` to whatever else is where it is, so a wall holds a
cytoplasm of the difference. A positive imaginary part absorbs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Segment = tuple[Array, Array]
Point = tuple[float, float, float]


class Body(Protocol):
    """Something that adds an amount of refractive index where it is."""

    @property
    def delta_index(self) -> complex:
        """Index added inside."""
        ...

    @property
    def centre_um(self) -> Array:
        """Middle of the upright box around the body, shape (3,)."""
        ...

    @property
    def reach_um(self) -> Array:
        """Half the sides of the upright box around the body, shape (3,)."""
        ...

    def vertical_cut(self, x_um: Array, y_um: Array) -> Segment:
        """Lowest and highest height of the body on vertical lines; equal where a line misses it.

        Parameters
        ----------
        x_um, y_um : array
            Where the lines stand; the two broadcast against each other.
        """
        ...


def box_between(lowest_um: Array, highest_um: Array) -> tuple[Array, Array]:
    """Middle and half the sides of the upright box between two corners, shape (3,) each."""
    return (lowest_um + highest_um) / 2, (highest_um - lowest_um) / 2


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """Points r with ``(r - centre)^T shape (r - centre) <= 1``; shape (3, 3) in 1/um**2.

    Examples
    --------
    >>> ball = Ellipsoid.turned((0, 0, 2), (1.5, 1.5, 1.5), 0.05)
    >>> [float(h) for h in ball.vertical_cut(np.array(0.0), np.array(0.0))]
    [0.5, 3.5]
    """

    centre_um: Array
    shape: Array
    delta_index: complex

    @classmethod
    def turned(
        cls,
        centre_um: Point,
        semi_axes_um: Point,
        delta_index: complex,
        *,
        yaw_rad: float = 0.0,
        pitch_rad: float = 0.0,
    ) -> Self:
        """An ellipsoid, its first axis raised by `pitch_rad` and turned about the vertical by `yaw_rad`."""
        a, b, c = (axis**-2 for axis in semi_axes_um)
        cy, sy, cp, sp = np.cos(yaw_rad), np.sin(yaw_rad), np.cos(pitch_rad), np.sin(pitch_rad)
        turn = np.array([[cy * cp, -sy, -cy * sp], [sy * cp, cy, -sy * sp], [sp, 0.0, cp]])
        return cls(np.array(centre_um, np.float64), (turn * (a, b, c)) @ turn.T, delta_index)

    @classmethod
    def ball(cls, centre_um: Point, radius_um: float, delta_index: complex) -> Self:
        """A ball."""
        return cls(np.array(centre_um, np.float64), np.eye(3) / radius_um**2, delta_index)

    @cached_property
    def reach_um(self) -> Array:
        """Half the sides of the upright box around the body, shape (3,)."""
        reach: Array = np.sqrt(np.diag(np.linalg.inv(self.shape)))
        return reach

    def vertical_cut(self, x_um: Array, y_um: Array) -> Segment:
        """Lowest and highest height on vertical lines; equal where a line misses the body."""
        A, x, y = self.shape, x_um - self.centre_um[0], y_um - self.centre_um[1]
        # a h**2 + 2 b h + c = 0 along the vertical through (x, y)
        a, b = A[2, 2], A[0, 2] * x + A[1, 2] * y
        c = A[0, 0] * x**2 + 2 * A[0, 1] * x * y + A[1, 1] * y**2 - 1
        half_um = np.sqrt(np.maximum(b**2 - a * c, 0)) / a
        middle_um = self.centre_um[2] - b / a
        return middle_um - half_um, middle_um + half_um


@dataclass(frozen=True)
class Cylinder:
    """An upright cylinder, such as a pillar."""

    x_um: float
    y_um: float
    radius_um: float
    low_um: float
    high_um: float
    delta_index: complex

    @property
    def centre_um(self) -> Array:
        """Middle of the cylinder, shape (3,)."""
        return np.array([self.x_um, self.y_um, (self.low_um + self.high_um) / 2])

    @property
    def reach_um(self) -> Array:
        """Half the sides of the upright box around the body, shape (3,)."""
        return np.array([self.radius_um, self.radius_um, (self.high_um - self.low_um) / 2])

    def vertical_cut(self, x_um: Array, y_um: Array) -> Segment:
        """Lowest and highest height on vertical lines; equal where a line misses the body."""
        inside = (x_um - self.x_um) ** 2 + (y_um - self.y_um) ** 2 < self.radius_um**2
        return np.full(inside.shape, self.low_um), np.where(inside, self.high_um, self.low_um)


@dataclass(frozen=True, eq=False)
class Capsule:
    """A rod with round ends: all points within `radius_um` of the line from start to end, shape (3,) each."""

    start_um: Array
    end_um: Array
    radius_um: float
    delta_index: complex

    @cached_property
    def centre_um(self) -> Array:
        """Middle of the rod, shape (3,)."""
        middle: Array = (self.start_um + self.end_um) / 2
        return middle

    @cached_property
    def reach_um(self) -> Array:
        """Half the sides of the upright box around the body, shape (3,)."""
        reach: Array = np.abs(self.end_um - self.start_um) / 2 + self.radius_um
        return reach

    def vertical_cut(self, x_um: Array, y_um: Array) -> Segment:
        """Lowest and highest height on vertical lines; equal where a line misses the body."""
        # The rod is convex: its cut spans the cuts of its two balls and of the trunk between them.
        pieces = [self._ball_cut(end, x_um, y_um) for end in (self.start_um, self.end_um)]
        pieces.append(self._trunk_cut(x_um, y_um))
        low_um = np.minimum.reduce([low for low, _ in pieces])
        high_um = np.maximum.reduce([high for _, high in pieces])
        missed = high_um <= low_um
        return np.where(missed, self.centre_um[2], low_um), np.where(missed, self.centre_um[2], high_um)

    def _ball_cut(self, end_um: Array, x_um: Array, y_um: Array) -> Segment:
        half_um = np.sqrt(
            np.maximum(self.radius_um**2 - (x_um - end_um[0]) ** 2 - (y_um - end_um[1]) ** 2, 0)
        )
        return _where(half_um > 0, end_um[2] - half_um, end_um[2] + half_um)

    def _trunk_cut(self, x_um: Array, y_um: Array) -> Segment:
        """The cut of the cylinder about the axis, between the planes that end it."""
        x, y = x_um - self.centre_um[0], y_um - self.centre_um[1]
        half_um = float(np.linalg.norm(self.end_um - self.start_um)) / 2
        if half_um == 0:
            return _where(np.zeros(np.broadcast(x, y).shape, bool), x + y, x + y)
        ux, uy, uh = (self.end_um - self.start_um) / (2 * half_um)
        along = ux * x + uy * y
        low_um, high_um = _between_planes(along, uh, half_um)
        # a h**2 - 2 b h + c = 0 where the vertical through (x, y) pierces the endless cylinder
        a, b, c = 1 - uh**2, along * uh, x**2 + y**2 - along**2 - self.radius_um**2
        if a > 1e-12:
            root = np.sqrt(np.maximum(b**2 - a * c, 0))
            low_um, high_um = np.maximum(low_um, (b - root) / a), np.minimum(high_um, (b + root) / a)
        inside = (b**2 - a * c > 0 if a > 1e-12 else c < 0) & (high_um > low_um)
        return _where(inside, self.centre_um[2] + low_um, self.centre_um[2] + high_um)


def _between_planes(along_um: Array, uh: float, half_um: float) -> Segment:
    """Heights h with ``|along + uh h| <= half``."""
    if abs(uh) < 1e-12:
        return _where(np.abs(along_um) <= half_um, np.full_like(along_um, -1e9), np.full_like(along_um, 1e9))
    one, other = (-half_um - along_um) / uh, (half_um - along_um) / uh
    return np.minimum(one, other), np.maximum(one, other)


def _where(inside: NDArray[np.bool_], low_um: Array, high_um: Array) -> Segment:
    """The segment where a line is inside, and one that never counts elsewhere."""
    return np.where(inside, low_um, np.inf), np.where(inside, high_um, -np.inf)


@dataclass(frozen=True)
class Spindle:
    """A body round about a long axis, thick in the middle and pointed at both ends.

    Along the axis, u from -1 to 1, its radius is ``radius_um (1 - u**2)**sharpness (1 + taper u)``.

    Attributes
    ----------
    at_um : tuple of float
        Middle of its axis.
    half_length_um, radius_um : float
    yaw_rad : float
        Turn of the axis about the vertical.
    rise : float
        Height gained per um along the axis. The cross-sections stay upright.
    bend_um : float
        How far the tips lie to the side of the middle.
    taper : float
        -1 to 1; where positive, the blunt end is ahead.
    sharpness : float
        0.5 for the round ends of an ellipsoid, 1 for the points of a lemon.
    delta_index : complex
    """

    at_um: Point
    half_length_um: float
    radius_um: float
    yaw_rad: float
    delta_index: complex
    rise: float = 0.0
    bend_um: float = 0.0
    taper: float = 0.0
    sharpness: float = 1.0

    def radius_at(self, u: Array) -> Array:
        """Radius at u from -1 to 1 along the axis, in um; 0 beyond."""
        radius: Array = self.radius_um * np.maximum(1 - u**2, 0) ** self.sharpness * (1 + self.taper * u)
        return radius

    def axis_at(self, u: Array) -> Array:
        """Points of the axis at u from -1 to 1, shape (..., 3)."""
        along, aside = self.half_length_um * u, self.bend_um * u**2
        c, s = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        offset = [along * c - aside * s, along * s + aside * c, self.rise * along]
        axis: Array = np.array(self.at_um) + np.stack(offset, axis=-1)
        return axis

    @cached_property
    def _box_um(self) -> tuple[Array, Array]:
        u = np.linspace(-1, 1, 201)
        sides = np.array([abs(np.sin(self.yaw_rad)), abs(np.cos(self.yaw_rad)), 1.0])
        axis, half = self.axis_at(u), self.radius_at(u)[:, None] * sides
        return box_between((axis - half).min(axis=0), (axis + half).max(axis=0))

    @property
    def centre_um(self) -> Array:
        """Middle of the upright box around the body, shape (3,)."""
        return self._box_um[0]

    @property
    def reach_um(self) -> Array:
        """Half the sides of the upright box around the body, shape (3,)."""
        return self._box_um[1]

    def vertical_cut(self, x_um: Array, y_um: Array) -> Segment:
        """Lowest and highest height on vertical lines; equal where a line misses the body."""
        c, s = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        x, y = x_um - self.at_um[0], y_um - self.at_um[1]
        along, aside = x * c + y * s, y * c - x * s
        u = along / self.half_length_um
        half_um = np.sqrt(np.maximum(self.radius_at(u) ** 2 - (aside - self.bend_um * u**2) ** 2, 0))
        middle_um = self.at_um[2] + self.rise * along
        return middle_um - half_um, middle_um + half_um


@dataclass(frozen=True)
class Mound:
    """A thin spread body on the floor: a flat brim of irregular outline that rises to a peak.

    Its outline lies ``radius_um (1 + sum_k amplitudes[k - 1] cos(k angle - phases_rad[k - 1]))`` away from
    where it is highest. At the fraction q of the way there it is ``brim_um (1 - q**8) + (peak_um - brim_um)
    (1 - q**2)**steepness`` high.

    Attributes
    ----------
    x_um, y_um : float
        Where it is highest.
    radius_um : float
        Mean distance of the outline from there.
    amplitudes, phases_rad : tuple of float
        Waves of the outline, once round, twice round and so on; the amplitudes add up to less than 1.
    brim_um, peak_um : float
        Height of the brim and of the peak.
    delta_index : complex
    steepness : float
        How narrow the peak is.
    """

    x_um: float
    y_um: float
    radius_um: float
    amplitudes: tuple[float, ...]
    phases_rad: tuple[float, ...]
    brim_um: float
    peak_um: float
    delta_index: complex
    steepness: float = 3.0

    @property
    def outline_area_um2(self) -> float:
        """Area of its outline seen from above."""
        return float(np.pi * self.radius_um**2 * (1 + np.sum(np.square(self.amplitudes)) / 2))

    def outline_um(self, angle_rad: Array) -> Array:
        """Distance of the outline from where the mound is highest."""
        waves = np.ones_like(angle_rad)
        for k, (amplitude, phase) in enumerate(zip(self.amplitudes, self.phases_rad, strict=True), start=1):
            waves = waves + amplitude * np.cos(k * angle_rad - phase)
        outline: Array = self.radius_um * waves
        return outline

    @cached_property
    def _box_um(self) -> tuple[Array, Array]:
        angle = np.linspace(0, 2 * np.pi, 721)
        outline = self.outline_um(angle)
        x, y = self.x_um + outline * np.cos(angle), self.y_um + outline * np.sin(angle)
        return box_between(np.array([x.min(), y.min(), 0.0]), np.array([x.max(), y.max(), self.peak_um]))

    @property
    def centre_um(self) -> Array:
        """Middle of the upright box around the body, shape (3,)."""
        return self._box_um[0]

    @property
    def reach_um(self) -> Array:
        """Half the sides of the upright box around the body, shape (3,)."""
        return self._box_um[1]

    def vertical_cut(self, x_um: Array, y_um: Array) -> Segment:
        """Lowest and highest height on vertical lines; equal where a line misses the body."""
        x, y = x_um - self.x_um, y_um - self.y_um
        high_um = self.height_at(np.hypot(x, y) / self.outline_um(np.arctan2(y, x)))
        return np.zeros_like(high_um), high_um

    def height_at(self, q: Array) -> Array:
        """Height at the fraction q of the way from the peak to the outline; 0 beyond."""
        dome = np.maximum(1 - q**2, 0) ** self.steepness
        height: Array = np.maximum(self.brim_um * (1 - q**8) + (self.peak_um - self.brim_um) * dome, 0)
        return height


@dataclass(frozen=True, eq=False)
class Raised:
    """A body lifted by some height.

    Examples
    --------
    >>> ball = Raised(Ellipsoid.ball((0.0, 0.0, 2.0), 1.5, 0.05), by_um=0.5)
    >>> [float(h) for h in ball.vertical_cut(np.array(0.0), np.array(0.0))]
    [1.0, 4.0]
    """

    body: Body
    by_um: float

    @property
    def delta_index(self) -> complex:
        """Index added inside."""
        return self.body.delta_index

    @property
    def centre_um(self) -> Array:
        """Middle of the upright box around the body, shape (3,)."""
        raised: Array = self.body.centre_um + np.array([0.0, 0.0, self.by_um])
        return raised

    @property
    def reach_um(self) -> Array:
        """Half the sides of the upright box around the body, shape (3,)."""
        return self.body.reach_um

    def vertical_cut(self, x_um: Array, y_um: Array) -> Segment:
        """Lowest and highest height on vertical lines; equal where a line misses the body."""
        low_um, high_um = self.body.vertical_cut(x_um, y_um)
        return low_um + self.by_um, high_um + self.by_um
