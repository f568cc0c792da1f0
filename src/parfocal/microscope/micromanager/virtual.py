"""A virtual microscope as Micro-Manager's devices: any program that drives pymmcore-plus can drive it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from numpy.typing import DTypeLike, NDArray
from pymmcore_plus import FocusDirection
from pymmcore_plus.experimental.unicore import SimpleCameraDevice, StageDevice, UniMMCore, XYStageDevice

from parfocal.control.devices import Microscope
from parfocal.errors import DeviceError

CAMERA_LABEL = "Camera"
STAGE_LABEL = "Z"
XY_LABEL = "XY"


@runtime_checkable
class Scanning(Protocol):
    """A microscope whose stage moves in x and y."""

    def xy_um(self) -> tuple[float, float]:
        """Position (x, y) of the stage in um."""
        ...

    def move_xy_to(self, x_um: float, y_um: float) -> None:
        """Go to a position in um, and return when it is reached.

        Raises
        ------
        DeviceError
            If it is out of the stage's reach.
        """
        ...


class VirtualCamera(SimpleCameraDevice):
    """A microscope's camera as a Micro-Manager device."""

    def __init__(self, microscope: Microscope) -> None:
        super().__init__()
        self._microscope = microscope
        self._first = microscope.snap()
        self._exposure_ms = 10.0

    def sensor_shape(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self._first.shape[0], self._first.shape[1]

    def dtype(self) -> DTypeLike:
        """Type of the grey values."""
        return self._first.dtype

    def get_exposure(self) -> float:
        """Exposure in ms."""
        return self._exposure_ms

    def set_exposure(self, exposure: float) -> None:
        """Keep an exposure in ms; the virtual light does not change with it."""
        self._exposure_ms = exposure

    def snap(self, buffer: NDArray[Any]) -> Mapping[str, Any]:
        """Fill the buffer with one new frame."""
        buffer[:] = self._microscope.snap()
        return {}


class VirtualStage(StageDevice):
    """A microscope's focus drive as a Micro-Manager device."""

    def __init__(self, microscope: Microscope) -> None:
        super().__init__()
        self._microscope = microscope

    def get_position_um(self) -> float:
        """Position in um."""
        return self._microscope.position_um()

    def set_position_um(self, val: float) -> None:
        """Go to a position in um."""
        self._microscope.move_to(val)

    def get_focus_direction(self) -> FocusDirection:
        """Positive z goes toward the sample."""
        return FocusDirection.TowardSample

    def stop(self) -> None:
        """End any motion now."""
        self._microscope.stop()

    def home(self) -> None:
        """Refuse: a virtual stage has no end switches.

        Raises
        ------
        DeviceError
            Always.
        """
        raise DeviceError("Expected a move to a position; this virtual stage has no home.")

    def set_origin(self) -> None:
        """Refuse: moving the origin would move the limits with it.

        Raises
        ------
        DeviceError
            Always.
        """
        raise DeviceError("Expected a fixed origin; this virtual stage keeps its own.")


class VirtualXYStage(XYStageDevice):
    """A microscope's stage as a Micro-Manager device."""

    def __init__(self, microscope: Scanning) -> None:
        super().__init__()
        self._microscope = microscope

    def get_position_um(self) -> tuple[float, float]:
        """Position (x, y) in um."""
        return self._microscope.xy_um()

    def set_position_um(self, x: float, y: float) -> None:
        """Go to a position in um."""
        self._microscope.move_xy_to(x, y)

    def stop(self) -> None:
        """Nothing to do: every move has ended when it returns."""

    def home(self) -> None:
        """Refuse: a virtual stage has no end switches.

        Raises
        ------
        DeviceError
            Always.
        """
        raise DeviceError("Expected a move to a position; this virtual stage has no home.")

    def set_origin_x(self) -> None:
        """Refuse: the focus surface is counted from the origin.

        Raises
        ------
        DeviceError
            Always.
        """
        raise DeviceError("Expected a fixed origin; this virtual stage keeps its own.")

    def set_origin_y(self) -> None:
        """Refuse, as `set_origin_x` does.

        Raises
        ------
        DeviceError
            Always.
        """
        self.set_origin_x()


def virtual_core(microscope: Microscope) -> UniMMCore:
    """A Micro-Manager core whose devices are those of a microscope that parfocal knows.

    Any program that drives pymmcore-plus can drive it. It has a camera and a focus drive, and an XY stage if
    the microscope is `Scanning`. Takes one frame, to learn the camera's size.
    """
    core = UniMMCore()
    core.loadPyDevice(CAMERA_LABEL, VirtualCamera(microscope))
    core.loadPyDevice(STAGE_LABEL, VirtualStage(microscope))
    if isinstance(microscope, Scanning):
        core.loadPyDevice(XY_LABEL, VirtualXYStage(microscope))
    core.initializeAllDevices()
    core.setCameraDevice(CAMERA_LABEL)
    core.setFocusDevice(STAGE_LABEL)
    if isinstance(microscope, Scanning):
        core.setXYStageDevice(XY_LABEL)
    core.setAutoShutter(False)  # without a shutter, snapping fails with 'No device with label ""'
    core.definePixelSizeConfig("virtual")
    core.setPixelSizeUm("virtual", microscope.pixel_size_um)
    core.setPixelSizeConfig("virtual")
    return core
