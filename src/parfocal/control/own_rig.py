"""RigMicroscope: a microscope of one's own, three plain methods, as Camera and FocusDrive."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from parfocal.errors import DeviceError


@runtime_checkable
class OwnRig(Protocol):
    """What a microscope without Micro-Manager has to offer: these three methods, and ``stop()`` if it can.

    Any error that they raise counts as a failure of the hardware.
    """

    def snap(self) -> NDArray[Any]:
        """One new grey frame of shape (Y, X), uint8 or uint16, exposed after the call."""
        ...

    def position_um(self) -> float:
        """Where the focus drive stands, in um.

        Positive goes deeper into the sample, away from the coverslip. A model that learned from stacks of
        this rig knows no other sign than the one that it saw.
        """
        ...

    def move_to(self, z_um: float) -> None:
        """Go to a position in um, return when it is reached, and raise where it cannot be."""
        ...


class RigMicroscope:
    """A rig of one's own, as a `Camera` and a `FocusDrive` in one.

    Parameters
    ----------
    rig : OwnRig
    pixel_size_um : float
        Side of one pixel in the sample: that of the camera's sensor over the magnification.

    Raises
    ------
    DeviceError
        If the pixel size is not above 0.

    Notes
    -----
    What comes from the rig is checked here and nowhere else: frames are copied, as many cameras write the
    next one into the same buffer; a number that is none, and any error, becomes a `DeviceError`, before which
    the focus routine and the lock stop the drive.

    Examples
    --------
    >>> class Toy:
    ...     z_um = 3.0
    ...
    ...     def snap(self):
    ...         return np.full((4, 4), 100, np.uint16)
    ...
    ...     def position_um(self):
    ...         return self.z_um
    ...
    ...     def move_to(self, z_um):
    ...         self.z_um = z_um
    >>> microscope = RigMicroscope(Toy(), pixel_size_um=0.24)
    >>> microscope.move_to(4.5)
    >>> microscope.position_um(), microscope.snap().shape
    (4.5, (4, 4))
    """

    def __init__(self, rig: OwnRig, *, pixel_size_um: float) -> None:
        if not (math.isfinite(pixel_size_um) and pixel_size_um > 0):
            raise DeviceError(f"Expected a pixel size above 0 um, got {pixel_size_um}.")
        self._rig = rig
        self._pixel_size_um = float(pixel_size_um)

    @property
    def pixel_size_um(self) -> float:
        """Side of one pixel in the sample, in um."""
        return self._pixel_size_um

    def snap(self) -> NDArray[Any]:
        """One new frame, shape (Y, X), uint8 or uint16.

        Raises
        ------
        DeviceError
            If the camera fails, or what comes is no grey frame of 8 or 16 bit.
        """
        with _answering("the camera"):
            frame_yx = np.array(self._rig.snap())
        if frame_yx.ndim != 2 or frame_yx.dtype not in (np.uint8, np.uint16):
            raise DeviceError(
                f"Expected a grey frame (Y, X) of uint8 or uint16, got {frame_yx.dtype} of shape "
                f"{frame_yx.shape}. Let snap() convert it."
            )
        return frame_yx

    def position_um(self) -> float:
        """Position in um.

        Raises
        ------
        DeviceError
            If the drive does not answer with a finite number.
        """
        with _answering("the focus drive"):
            z_um = float(self._rig.position_um())
        if not math.isfinite(z_um):
            raise DeviceError(f"Expected the focus drive to stand somewhere, it says {z_um} um.")
        return z_um

    def move_to(self, z_um: float) -> None:
        """Go to a position in um, and return when it is reached.

        Raises
        ------
        DeviceError
            If `z_um` is not finite, or the drive fails.
        """
        if not math.isfinite(z_um):
            raise DeviceError(f"Expected a position in um, got {z_um}. Nothing was moved.")
        with _answering("the focus drive"):
            self._rig.move_to(float(z_um))

    def stop(self) -> None:
        """End any motion now; nothing where the rig has no `stop`, as its moves end before they return.

        Raises
        ------
        DeviceError
            If it has one, and that fails.
        """
        stop = getattr(self._rig, "stop", None)
        if callable(stop):
            with _answering("the focus drive"):
                stop()


@contextmanager
def _answering(what: str) -> Iterator[None]:
    """Turn whatever the rig raises into a DeviceError: nobody knows what its libraries raise."""
    try:
        yield
    except DeviceError:
        raise
    except Exception as error:
        said = str(error) or type(error).__name__
        raise DeviceError(f"Expected {what} to answer, the rig says: {said}") from error
