"""Strange frames, which a model must not answer, made from those of its own training; they cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

Image = NDArray[np.float64]
Change = Callable[[Image, np.random.Generator], Image]

MAGNIFICATIONS = (1.2, 2.5)
"""Smallest and largest change, either way; the model file guards against smaller ones by the pixel size."""


def varied(frame_yx: NDArray[Any], *, generator: np.random.Generator) -> NDArray[np.float32]:
    """The same frame as it could look on another day: sharpness, contrast, light, noise, orientation.

    Parameters
    ----------
    frame_yx : array, shape (Y, X)
        Grey values.
    generator : numpy.random.Generator

    Notes
    -----
    Without it, 23 % of the frames of days that were not in the training data counted as strange; with it 2 to
    6 %.
    """
    frame = np.asarray(frame_yx, np.float64)
    mean, noise = frame.mean(), _noise_sd(frame)
    contrast = np.exp(generator.normal(0, 0.12))
    light = _light(
        frame.shape, slope=generator.uniform(0, 0.12), fall=generator.uniform(-0.1, 0.15), generator=generator
    )
    changed = (mean + contrast * _transferred(frame - mean, np.exp(generator.normal(0, 0.1, 6)))) * light
    if generator.random() < 0.5:
        changed = changed + generator.normal(0, noise * generator.uniform(0, 1.2), frame.shape)
    if generator.random() < 0.5:
        changed = changed[::-1]
    turned = np.rot90(changed, int(generator.integers(4)) if len(set(frame.shape)) == 1 else 0)
    return np.ascontiguousarray(turned.clip(0), np.float32)


def strange(
    frame_yx: NDArray[Any],
    far_from_it_yx: NDArray[Any] | None = None,
    *,
    kind: int,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """A frame as no microscope of the kind in use would show it, or of a field that has no one focus.

    Parameters
    ----------
    frame_yx : array, shape (Y, X)
        Grey values of a training frame.
    far_from_it_yx : array, shape (Y, X), optional
        One at quite another defocus, for a field of two layers.
    kind : int
        From 0 on: the kinds come in turns.
    generator : numpy.random.Generator
    """
    frame = np.asarray(frame_yx, np.float64)
    if kind % N_KINDS == 0 and far_from_it_yx is not None:
        changed = _two_layers(frame, np.asarray(far_from_it_yx, np.float64), generator)
    else:
        changed = _CHANGES[kind % len(_CHANGES)](frame, generator)
    return varied(changed.clip(0), generator=generator)


def _transferred(shade: Image, gains: Image) -> Image:
    """With its waves stronger or weaker by these gains, from the longest to the shortest."""
    y, x = np.fft.fftfreq(shade.shape[0]), np.fft.rfftfreq(shade.shape[1])
    knots = 1.5 * np.linspace(0, 1, len(gains)) ** 1.5
    transfer = np.interp(2 * np.hypot(y[:, None], x), knots, gains)
    return np.asarray(np.fft.irfft2(np.fft.rfft2(shade) * transfer, s=shade.shape))


def _noise_sd(frame: Image) -> float:
    y_px, x_px = (side - side % 2 for side in frame.shape)
    even, odd = frame[:y_px:2, :x_px], frame[1:y_px:2, :x_px]
    across = (even[:, ::2] - odd[:, ::2] - even[:, 1::2] + odd[:, 1::2]) / 2
    return float(np.median(np.abs(across))) / 0.6745


def _light(shape_yx: tuple[int, ...], *, slope: float, fall: float, generator: np.random.Generator) -> Image:
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape_yx), indexing="ij")
    towards = generator.uniform(0, 2 * np.pi)
    light: Image = 1 + slope * (y * np.sin(towards) + x * np.cos(towards)) - fall * (y**2 + x**2) / 2
    return light.clip(0.02)


def _as_noisy(changed: Image, frame: Image, generator: np.random.Generator) -> Image:
    """With the noise of the frame it was made from: smoothness must not give it away."""
    lacking = _noise_sd(frame) ** 2 - _noise_sd(changed) ** 2
    return changed + generator.normal(0, np.sqrt(max(lacking, 0.0)), changed.shape)


def _magnified(frame: Image, generator: np.random.Generator) -> Image:
    factor = float(np.exp(generator.uniform(*np.log(MAGNIFICATIONS))))
    if generator.random() < 0.5:
        return _as_noisy(_centre(zoom(frame, factor, order=1), frame.shape), frame, generator)
    smooth = gaussian_filter(frame, 0.35 * factor)
    beside = np.pad(smooth, [(side, side) for side in frame.shape], mode="symmetric")
    return _as_noisy(_centre(zoom(beside, 1 / factor, order=1), frame.shape), frame, generator)


def _centre(image: Image, shape_yx: tuple[int, ...]) -> Image:
    top, left = ((whole - part) // 2 for whole, part in zip(image.shape, shape_yx, strict=True))
    return image[top : top + shape_yx[0], left : left + shape_yx[1]]


def _inverted(frame: Image, _: np.random.Generator) -> Image:
    return np.asarray(2 * frame.mean() - frame)


def _unevenly_lit(frame: Image, generator: np.random.Generator) -> Image:
    slope, fall = generator.uniform(0.25, 0.8), generator.uniform(0, 0.6)
    return frame * _light(frame.shape, slope=slope, fall=fall, generator=generator)


def _nearly_empty(frame: Image, generator: np.random.Generator) -> Image:
    mean = frame.mean()
    shade = gaussian_filter(frame, generator.uniform(0.05, 0.12) * min(frame.shape)) - mean
    faint = np.exp(generator.uniform(np.log(0.002), np.log(0.08))) * (frame - mean)
    grain = generator.normal(0, _noise_sd(frame), frame.shape)
    return np.asarray(mean + generator.uniform(0, 0.5) * shade + faint + grain)


def _blank(frame: Image, generator: np.random.Generator) -> Image:
    grain = generator.normal(0, _noise_sd(frame) * generator.uniform(0, 3), frame.shape)
    return np.asarray(frame.mean() * generator.uniform(0.01, 2) + grain)


def _scrambled(frame: Image, generator: np.random.Generator) -> Image:
    """The powers of its waves, but no longer in step."""
    spectrum, noise = np.fft.rfft2(frame - frame.mean()), np.fft.rfft2(generator.normal(size=frame.shape))
    steps = noise / np.maximum(np.abs(noise), 1e-9)
    return np.asarray(frame.mean() + np.fft.irfft2(spectrum * steps, s=frame.shape))


def _refiltered(frame: Image, generator: np.random.Generator) -> Image:
    """Through another transfer function, which may turn contrast round at some frequencies."""
    gains = np.exp(generator.normal(0, 0.9, 7)) * generator.choice([-1, 1], 7)
    shade = _transferred(frame - frame.mean(), gains)
    shade *= frame.std() * generator.uniform(0.5, 2) / max(shade.std(), 1e-9)
    return _as_noisy(frame.mean() + shade, frame, generator)


def _rectified(frame: Image, generator: np.random.Generator) -> Image:
    shade = np.abs(frame - gaussian_filter(frame, 0.08 * min(frame.shape)))
    sign = generator.choice([-1, 1]) * generator.uniform(0.5, 2)
    return np.asarray(frame.mean() + sign * (shade - shade.mean()))


def _blurred(frame: Image, generator: np.random.Generator) -> Image:
    return _as_noisy(gaussian_filter(frame, generator.uniform(1.8, 5)), frame, generator)


def _clipped(frame: Image, generator: np.random.Generator) -> Image:
    if generator.random() < 0.7:
        return np.minimum(frame, np.quantile(frame, generator.uniform(0.3, 0.97)))
    return np.maximum(frame, np.quantile(frame, generator.uniform(0.03, 0.7)))


def _noisy(frame: Image, generator: np.random.Generator) -> Image:
    return frame + generator.normal(0, frame.std() * generator.uniform(1.5, 6), frame.shape)


def _two_layers(frame: Image, other: Image, generator: np.random.Generator) -> Image:
    """The shades of two frames at once, as thin layers cast them."""
    share = generator.uniform(0.35, 0.65)
    y_px, x_px = (min(sides) for sides in zip(frame.shape, other.shape, strict=True))
    frame, other = frame[:y_px, :x_px], other[:y_px, :x_px]
    mean = max(frame.mean(), 1e-9)
    shade = share * (frame / mean - 1) + (1 - share) * (other / max(other.mean(), 1e-9) - 1)
    return np.asarray(mean * (1 + 1.4 * shade))


_CHANGES: tuple[Change, ...] = (
    _magnified,
    _inverted,
    _nearly_empty,
    _unevenly_lit,
    _blank,
    _magnified,
    _scrambled,
    _refiltered,
    _rectified,
    _blurred,
    _magnified,
    _clipped,
    _noisy,
)
N_KINDS = len(_CHANGES) + 1
