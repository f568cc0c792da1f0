"""The camera: from light to grey values, with uneven light, dust, pixel gains, shot and read noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from parfocal.settings import Settings

STRIP_ROWS = 64
"""Rows exposed at a time, which stay in the processor's cache: a whole large frame takes 20 % longer."""
DIM_ELECTRONS = 50.0
"""From here on, shot noise is a normal draw: its skewness is 0.14 here and falls with more light."""


class CameraSettings(Settings):
    """A 12-bit camera whose pixels are binned to the working pixel (noise values *assumed*).

    Attributes
    ----------
    pixel_size_um : float
        Side of one (binned) pixel in the sample.
    height_px, width_px : int
    bit_depth : int
        8, 12 or 16 in most cameras; see `at_bit_depth`.
    background_electrons : float
        Electrons in one pixel of an empty field.
    electrons_per_count : float
        The gain.
    offset_counts, read_noise_electrons : float
        What a pixel shows in the dark, and its rms noise.
    prnu : float
        rms difference of the pixels in sensitivity, as a fraction.
    vignetting, light_tilt : float
        Light missing in the corners, and from one side to the middle, as fractions.
    dust_spots : int
    hot_pixels, hot_electrons : float
        Fraction of the pixels that are hot: one in 50 000, what is left after the maker's correction
        (*assumed*); and the mean of what such a pixel adds, exponentially distributed.
    pattern_seed : int
        Draws dust, sensitivities and hot pixels, which stay from frame to frame.
    """

    pixel_size_um: Annotated[float, Field(gt=0)] = 0.24
    height_px: Annotated[int, Field(ge=16)] = 256
    width_px: Annotated[int, Field(ge=16)] = 256
    bit_depth: Annotated[int, Field(ge=8, le=16)] = 12
    background_electrons: Annotated[float, Field(gt=0)] = 16_000.0
    electrons_per_count: Annotated[float, Field(gt=0)] = 8.9
    offset_counts: Annotated[float, Field(ge=0)] = 20.0
    read_noise_electrons: Annotated[float, Field(ge=0)] = 32.0
    prnu: Annotated[float, Field(ge=0)] = 0.01
    vignetting: Annotated[float, Field(ge=0, le=1)] = 0.12
    light_tilt: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.05
    dust_spots: Annotated[int, Field(ge=0)] = 4
    hot_pixels: Annotated[float, Field(ge=0, le=1)] = 2e-5
    hot_electrons: Annotated[float, Field(ge=0)] = 10_000.0
    pattern_seed: int = 0

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self.height_px, self.width_px

    @property
    def field_yx_um(self) -> tuple[float, float]:
        """Height and width of the field of view in um."""
        return self.pixel_size_um * self.height_px, self.pixel_size_um * self.width_px

    @property
    def largest_count(self) -> int:
        """The grey value at which light saturates."""
        return int(2**self.bit_depth - 1)

    def at_bit_depth(self, bit_depth: int) -> Self:
        """The same sensor read at another depth: as many electrons saturate it, in more or fewer steps.

        Examples
        --------
        >>> round(CameraSettings().at_bit_depth(8).electrons_per_count)
        143
        """
        steps = (2**bit_depth - 1) / self.largest_count
        return self.replace(
            bit_depth=bit_depth,
            electrons_per_count=self.electrons_per_count / steps,
            offset_counts=self.offset_counts * steps,
        )


@dataclass(frozen=True, eq=False)
class _Pattern:
    """What stays from frame to frame: arrays (Y, X), and where it is hot (rows, columns), and how much."""

    light: NDArray[np.float32]
    gain: NDArray[np.float32]
    hot: tuple[NDArray[np.intp], ...]
    hot_electrons: NDArray[np.float64]


def expose(
    intensity_yx: NDArray[np.float32], camera: CameraSettings, *, generator: np.random.Generator
) -> NDArray[np.uint16]:
    """One camera frame of an image.

    Parameters
    ----------
    intensity_yx : array, shape (Y, X)
        Light on the sensor, where an empty, evenly lit field is 1.
    camera : CameraSettings
    generator : numpy.random.Generator
        Draws shot noise and read noise.

    Returns
    -------
    array, shape (Y, X), uint16
        Grey values, at most ``2**bit_depth - 1``.

    Notes
    -----
    Shot and read noise are one normal draw of the sum of their variances where light is plenty; below
    `DIM_ELECTRONS` shot noise is Poisson's.
    """
    height_px, width_px = intensity_yx.shape
    pattern = _pattern(camera, height_px, width_px)
    frame = np.empty((height_px, width_px), np.uint16)
    for first in range(0, height_px, STRIP_ROWS):
        strip = slice(first, first + STRIP_ROWS)
        electrons = intensity_yx[strip] * pattern.light[strip]
        _read_out(electrons, pattern.gain[strip], camera, generator=generator)
        frame[strip] = _counts(electrons, camera)
    if len(pattern.hot_electrons):
        added = generator.poisson(pattern.hot_electrons) / camera.electrons_per_count
        frame[pattern.hot] = np.minimum(np.rint(frame[pattern.hot] + added), camera.largest_count)
    return frame


def _read_out(
    electrons: NDArray[np.float32],
    gain: NDArray[np.float32],
    camera: CameraSettings,
    *,
    generator: np.random.Generator,
) -> None:
    """Turn expected electrons, in place, into those that are read out of one exposure."""
    np.maximum(electrons, 0, out=electrons)
    noise = generator.standard_normal(electrons.shape, dtype=np.float32)
    dim = np.nonzero(electrons < DIM_ELECTRONS) if electrons.min() < DIM_ELECTRONS else None
    if dim is not None:
        counted = generator.poisson(electrons[dim]) * gain[dim]
        counted += camera.read_noise_electrons * noise[dim]
    electrons *= gain
    variance = electrons * gain
    variance += camera.read_noise_electrons**2
    noise *= np.sqrt(variance, out=variance)
    electrons += noise
    if dim is not None:
        electrons[dim] = counted


def _counts(electrons: NDArray[np.float32], camera: CameraSettings) -> NDArray[np.float32]:
    """Grey values of electrons, which are written over; whole once they are cut off."""
    electrons *= 1 / camera.electrons_per_count
    electrons += camera.offset_counts + 0.5
    return np.clip(electrons, 0, camera.largest_count, out=electrons)


@lru_cache(maxsize=8)
def _pattern(camera: CameraSettings, height_px: int, width_px: int) -> _Pattern:
    generator = np.random.default_rng([camera.pattern_seed, 7])
    y = np.linspace(-1, 1, height_px)[:, None]
    x = np.linspace(-1, 1, width_px)[None, :]
    light = 1 - camera.vignetting * (x**2 + y**2) / 2
    angle = generator.uniform(0, 2 * np.pi)
    light = light * (1 + camera.light_tilt * (np.cos(angle) * x + np.sin(angle) * y))
    for _ in range(camera.dust_spots):
        light = light * _dust_spot(x, y, generator=generator)
    light *= camera.background_electrons / light.mean()
    gain = 1 + camera.prnu * generator.standard_normal((height_px, width_px))
    hot = np.nonzero(generator.random((height_px, width_px)) < camera.hot_pixels)
    hot_electrons = generator.exponential(camera.hot_electrons, len(hot[0]))
    return _Pattern(light.astype(np.float32), gain.astype(np.float32), hot, hot_electrons)


def _dust_spot(
    x: NDArray[np.float64], y: NDArray[np.float64], *, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Dust far from the sample: a soft ring of shadow that stays with the camera."""
    cx, cy = generator.uniform(-1, 1, 2)
    radius, depth = generator.uniform(0.03, 0.12), generator.uniform(0.02, 0.06)
    distance = np.hypot(x - cx, y - cy)
    shadow = np.exp(-(((distance - radius) / (0.4 * radius)) ** 2))
    shadow_filled = depth * (0.6 * shadow + 0.4 * (distance < radius))
    return np.asarray(1 - shadow_filled)
