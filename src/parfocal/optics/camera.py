"""The camera: from light to grey values, with uneven light, dust, pixel gains, shot and read noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from parfocal.optics.instrument import CameraSettings


@dataclass(frozen=True, eq=False)
class _Pattern:
    """What stays the same from frame to frame, each of shape (Y, X)."""

    light: NDArray[np.float64]
    gain: NDArray[np.float64]


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
    """
    pattern = _pattern(camera, intensity_yx.shape[0], intensity_yx.shape[1])
    expected = camera.background_electrons * pattern.light * np.maximum(intensity_yx, 0)
    electrons = generator.poisson(expected) * pattern.gain
    electrons += generator.normal(0, camera.read_noise_electrons, expected.shape)
    counts = np.rint(electrons / camera.electrons_per_count + camera.offset_counts)
    return np.clip(counts, 0, 2**camera.bit_depth - 1).astype(np.uint16)


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
    gain = 1 + camera.prnu * generator.standard_normal((height_px, width_px))
    return _Pattern(light / light.mean(), gain)


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
