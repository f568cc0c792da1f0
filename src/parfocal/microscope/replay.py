"""ReplayMicroscope: a recorded z-stack that answers like a camera on a focus drive."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.errors import DeviceError
from parfocal.zstack import ZStack


class ReplayMicroscope:
    """A `Camera` and `FocusDrive` over a z-stack.

    The camera gives the plane nearest to the stage, so the picture is off by up to half a z step; the stage
    itself goes anywhere between the stack's ends. Planes come again as they were, without new noise: a lock
    must not take that for a frozen camera (`parfocal.control.FrameWatchSettings`).

    Parameters
    ----------
    stack : ZStack
    start_z_um : float, optional
        Where the stage starts; by default in the middle of the stack.

    Raises
    ------
    DeviceError
        If `start_z_um` is outside the stack.

    Examples
    --------
    >>> planes = np.arange(3, dtype=np.uint16)[:, None, None] * np.ones((1, 2, 2), np.uint16)
    >>> microscope = ReplayMicroscope(ZStack(planes, z_um=[10.0, 11.0, 12.0], pixel_size_um=0.24))
    >>> microscope.move_to(11.7)
    >>> int(microscope.snap()[0, 0])
    2
    """

    def __init__(self, stack: ZStack, *, start_z_um: float | None = None) -> None:
        self._stack = stack
        self._z_um = float(stack.z_um.mean())
        if start_z_um is not None:
            self.move_to(start_z_um)

    @property
    def pixel_size_um(self) -> float:
        """Side of one pixel in the sample, in um."""
        return self._stack.pixel_size_um

    @property
    def frame_shape_yx(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self._stack.frame_shape_yx

    def snap(self) -> NDArray[Any]:
        """The plane nearest to the stage, shape (Y, X); float32 where the stack is."""
        nearest = int(np.argmin(np.abs(self._stack.z_um - self._z_um)))
        frame_yx: NDArray[Any] = self._stack.frames_zyx[nearest]
        return frame_yx

    def position_um(self) -> float:
        """Position of the stage in um."""
        return self._z_um

    def move_to(self, z_um: float) -> None:
        """Go to a position in um.

        Raises
        ------
        DeviceError
            If it is outside the stack.
        """
        lowest_um, highest_um = float(self._stack.z_um[0]), float(self._stack.z_um[-1])
        if not lowest_um <= z_um <= highest_um:
            raise DeviceError(
                f"Expected a position within the recorded stack, {lowest_um} to {highest_um} um, got {z_um}."
            )
        self._z_um = float(z_um)

    def stop(self) -> None:
        """Nothing to do: a replayed stage never moves by itself."""
