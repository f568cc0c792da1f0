"""Camera and focus drive of the core that pycro-manager has, as Camera and FocusDrive."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.errors import DeviceError


class CoreCalls:
    """The methods of a Micro-Manager core, under the names that pycro-manager gives them: ``get_position``.

    Parameters
    ----------
    core : object
        Pycro-manager's ``Core()``, or any other: one that says ``getPosition`` will do as well.

    Examples
    --------
    >>> class Core:
    ...     def getXYStageDevice(self):
    ...         return "XY"
    >>> CoreCalls(Core()).get_xy_stage_device()
    'XY'
    """

    def __init__(self, core: Any) -> None:
        self._core = core
        self._is_snake_case = hasattr(core, "get_focus_device")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._core, name if self._is_snake_case else camel_case(name))
        return method


def camel_case(name: str) -> str:
    """What Micro-Manager itself calls a method; a name that is so already stays as it is.

    Examples
    --------
    >>> camel_case("get_xy_stage_device"), camel_case("logMessage")
    ('getXYStageDevice', 'logMessage')
    """
    first, *others = name.split("_")
    return first + "".join(
        "XY" if word == "xy" else "SLM" if word == "slm" else word.title() for word in others
    )


class PycroManagerCamera:
    """The camera of pycro-manager's core, as a `Camera`.

    Parameters
    ----------
    core : object
        See `CoreCalls`.
    pixel_size_um : float, optional
        Side of one pixel in the sample; by default what the configuration says.

    Raises
    ------
    DeviceError
        If there is no camera, or its pixel size is not known.
    """

    def __init__(self, core: Any, *, pixel_size_um: float | None = None) -> None:
        self._core = CoreCalls(core)
        with _answering("the camera"):
            if not self._core.get_camera_device():
                raise DeviceError("Expected a camera in Micro-Manager's configuration, it has none. Add one.")
            size_um = float(self._core.get_pixel_size_um() if pixel_size_um is None else pixel_size_um)
        if not (math.isfinite(size_um) and size_um > 0):
            raise DeviceError(
                f"Expected a pixel size above 0 um, got {size_um}. Calibrate it in Micro-Manager "
                "(Devices > Pixel Size Calibration), or give it."
            )
        self._pixel_size_um = size_um

    @property
    def pixel_size_um(self) -> float:
        """Side of one pixel in the sample, in um."""
        return self._pixel_size_um

    def snap(self) -> NDArray[Any]:
        """One new frame, shape (Y, X), uint8 or uint16.

        Raises
        ------
        DeviceError
            If the camera fails, is in live mode, or takes colour images.
        """
        core = self._core
        with _answering("the camera"):
            if core.is_sequence_running():
                raise DeviceError("Expected the camera to be free, it is in live mode. Stop live mode.")
            core.snap_image()
            grey = np.array(core.get_image())  # from Java it comes as one long row
            shape_yx = int(core.get_image_height()), int(core.get_image_width())
        if grey.size != math.prod(shape_yx) or grey.dtype not in (np.uint8, np.uint16):
            raise DeviceError(
                f"Expected a grey frame of 8 or 16 bit, got {grey.dtype} of shape {grey.shape}. "
                "Set the camera's pixel type."
            )
        return grey.reshape(shape_yx)


class PycroManagerFocusDrive:
    """The focus drive of pycro-manager's core, as a `FocusDrive`.

    Parameters
    ----------
    core : object
        See `CoreCalls`.

    Raises
    ------
    DeviceError
        If there is no focus drive.
    """

    def __init__(self, core: Any) -> None:
        self._core = CoreCalls(core)
        with _answering("the focus drive"):
            self._label = str(self._core.get_focus_device() or "")
        if not self._label:
            raise DeviceError(
                "Expected a focus drive in Micro-Manager's configuration, it has none. "
                "Set Core-Focus to the z stage."
            )

    @property
    def label(self) -> str:
        """What Micro-Manager calls it."""
        return self._label

    def position_um(self) -> float:
        """Position in um, as Micro-Manager shows it.

        Raises
        ------
        DeviceError
            If the drive does not answer.
        """
        with _answering("the focus drive"):
            return float(self._core.get_position(self._label))

    def move_to(self, z_um: float) -> None:
        """Go to a position in um and wait until the drive is no longer busy.

        Raises
        ------
        DeviceError
            If `z_um` is not finite, or the drive refuses or takes longer than the core's timeout.
        """
        if not math.isfinite(z_um):
            raise DeviceError(f"Expected a position in um, got {z_um}. Nothing was moved.")
        with _answering("the focus drive"):
            self._core.set_position(self._label, float(z_um))
            self._core.wait_for_device(self._label)

    def stop(self) -> None:
        """End any motion now.

        Raises
        ------
        DeviceError
            If the drive cannot be stopped and still moves. Many adapters know no stop: a drive at rest needs
            none.
        """
        with _answering("the focus drive"):
            try:
                self._core.stop(self._label)
            except Exception:
                if self._core.device_busy(self._label):
                    raise


@contextmanager
def _answering(what: str) -> Iterator[None]:
    """Turn whatever comes over the bridge, a plain Exception for the most part, into a DeviceError."""
    try:
        yield
    except DeviceError:
        raise
    except Exception as error:
        raise DeviceError(f"Expected {what} to answer, Micro-Manager says: {error}") from error
