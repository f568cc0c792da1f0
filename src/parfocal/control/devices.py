"""Camera and FocusDrive: what parfocal asks of hardware, and all that it asks."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray


@runtime_checkable
class Camera(Protocol):
    """A camera that gives one frame when asked."""

    @property
    def pixel_size_um(self) -> float:
        """Side of one pixel in the sample, in um, above 0."""
        ...

    def snap(self) -> NDArray[Any]:
        """One new frame of shape (Y, X), uint8 or uint16, exposed after the call.

        Never a frame from before the call: one from before a move would send the drive the same way twice.
        The caller may keep the array; the camera does not write into it again.

        Raises
        ------
        DeviceError
            If no frame comes.
        """
        ...


@runtime_checkable
class FocusDrive(Protocol):
    """A motor that moves the objective along the optical axis, or the stage against it.

    Positive z moves the focal plane deeper into the sample, away from the coverslip: the objective travels
    toward the sample, which is the direction of danger. An adapter to a drive that counts the other way turns
    the sign.
    """

    def position_um(self) -> float:
        """Position in um, as the drive itself reads it.

        Raises
        ------
        DeviceError
            If the drive does not answer.
        """
        ...

    def move_to(self, z_um: float) -> None:
        """Go to an absolute position in um, and return when it is reached.

        Raises
        ------
        DeviceError
            If `z_um` is not a finite number, out of the drive's reach, or not reached. The drive then stands
            still.
        """
        ...

    def stop(self) -> None:
        """End any motion now. Safe to call at any time, also when nothing moves, and more than once."""
        ...


@runtime_checkable
class Microscope(Camera, FocusDrive, Protocol):
    """A camera and its focus drive in one object."""
