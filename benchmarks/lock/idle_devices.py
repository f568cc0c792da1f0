"""Devices and answers that cost next to nothing, so that what is left is the loop's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from holders import Spent
from numpy.typing import NDArray

from parfocal.control import Camera
from parfocal.estimate import Estimator, FocusEstimate

N_FRAMES = 4
"""Of noise, in turns: no two in a row are equal, as with a real camera."""
PERIOD, AMPLITUDE_UM = 2000, 3.0
"""In frames: slow enough to be followed, with a move every now and then."""


class NoiseCamera:
    """Gives a few frames of noise in turns."""

    def __init__(self, shape_yx: tuple[int, int], *, pixel_size_um: float) -> None:
        self.pixel_size_um = pixel_size_um
        noise = np.random.default_rng(0).normal(1800, 200, (N_FRAMES, *shape_yx))
        self._frames = noise.clip(0, 4095).astype(np.uint16)
        self._next = 0

    def snap(self) -> NDArray[Any]:
        """The next frame, shape (Y, X)."""
        self._next = (self._next + 1) % N_FRAMES
        frame_yx: NDArray[Any] = self._frames[self._next]
        return frame_yx


class NumberDrive:
    """A drive that is nothing but its position."""

    def __init__(self) -> None:
        self._z_um = 0.0

    def position_um(self) -> float:
        """Position in um."""
        return self._z_um

    def move_to(self, z_um: float) -> None:
        """Be at a position in um, at once."""
        self._z_um = z_um

    def stop(self) -> None:
        """Nothing ever moves."""


class SwayingFocus:
    """An estimator that knows where a drive stands, and tells of a focus that sways slowly."""

    fingerprint = "swaying"
    z_range_um = (-15.0, 15.0)

    def __init__(self, drive: NumberDrive) -> None:
        self._drive = drive
        self._centres_um = np.arange(-20.0, 21.0)
        self._probabilities = np.full(41, 1 / 41)
        self._n = 0

    def estimate(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> FocusEstimate:
        """The defocus in um, with an interval as a good model has it."""
        self._n += 1
        um = self._drive.position_um() - AMPLITUDE_UM * math.sin(2 * math.pi * self._n / PERIOD)
        ends_um = (um - 0.5, um + 0.5)
        return FocusEstimate(um, 0.3, ends_um, self._probabilities, self._centres_um, 1.0, True, (um,), 0.0)


class Timed:
    """A camera and an estimator in one, which add up what is spent in both."""

    def __init__(self, camera: Camera, estimator: Estimator) -> None:
        self._camera, self._estimator = camera, estimator
        self.spent = Spent()

    @property
    def pixel_size_um(self) -> float:
        """Side of one pixel in the sample, in um."""
        return self._camera.pixel_size_um

    @property
    def fingerprint(self) -> str:
        """That of the estimator."""
        return self._estimator.fingerprint

    @property
    def z_range_um(self) -> tuple[float, float]:
        """That of the estimator."""
        return self._estimator.z_range_um

    def snap(self) -> NDArray[Any]:
        """One new frame of shape (Y, X)."""
        start = Spent.now()
        frame_yx = self._camera.snap()
        self.spent += Spent.now() - start
        return frame_yx

    def estimate(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> FocusEstimate:
        """The defocus of one frame."""
        start = Spent.now()
        estimate = self._estimator.estimate(frame_yx, pixel_size_um=pixel_size_um)
        self.spent += Spent.now() - start
        return estimate
