"""Micro-Manager, both ways: its devices as Camera and FocusDrive, and a virtual microscope as its devices.

The only file that imports pymmcore-plus.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pymmcore_plus import CMMCorePlus, FocusDirection
from pymmcore_plus.experimental.unicore import SimpleCameraDevice, StageDevice, UniMMCore, XYStageDevice

from parfocal.control.devices import Microscope
from parfocal.errors import DeviceError, InputError

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


class MicroManagerCamera:
    """The camera of a Micro-Manager core, as a `Camera`.

    Parameters
    ----------
    core : CMMCorePlus
        With its configuration loaded.
    pixel_size_um : float, optional
        Side of one pixel in the sample; by default what the configuration says.

    Raises
    ------
    DeviceError
        If there is no camera, or its pixel size is not known.
    """

    def __init__(self, core: CMMCorePlus, *, pixel_size_um: float | None = None) -> None:
        self._core = core
        with _hardware("the camera"):
            if not core.getCameraDevice():
                raise DeviceError(
                    "Expected a camera in the Micro-Manager configuration, it has none. Add one."
                )
            size_um = core.getPixelSizeUm() if pixel_size_um is None else pixel_size_um
        if not (math.isfinite(size_um) and size_um > 0):
            raise DeviceError(
                f"Expected a pixel size above 0 um, got {size_um}. Calibrate it in Micro-Manager "
                "(Devices > Pixel Size Calibration), or give it."
            )
        self._pixel_size_um = float(size_um)

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
        with _hardware("the camera"):
            if self._core.isSequenceRunning():
                raise DeviceError("Expected the camera to be free, it is in live mode. Stop live mode.")
            frame = self._core.snap()
        if frame.ndim != 2 or frame.dtype not in (np.uint8, np.uint16):
            raise DeviceError(
                f"Expected a grey frame of 8 or 16 bit, got {frame.dtype} of shape {frame.shape}. "
                "Set the camera's pixel type."
            )
        return frame


class MicroManagerFocusDrive:
    """The focus drive of a Micro-Manager core, as a `FocusDrive`.

    Positions are the drive's own, as Micro-Manager shows them and writes them into z-stacks: a model that was
    trained on this microscope's stacks, and limits read off its screen, then mean the same thing. They are
    not turned round where Micro-Manager says that the drive counts away from the sample.

    Parameters
    ----------
    core : CMMCorePlus
        With its configuration loaded.

    Raises
    ------
    DeviceError
        If there is no focus drive.
    """

    def __init__(self, core: CMMCorePlus) -> None:
        self._core = core
        with _hardware("the focus drive"):
            self._label = core.getFocusDevice()
            if not self._label:
                raise DeviceError(
                    "Expected a focus drive in the Micro-Manager configuration, it has none. "
                    "Set Core-Focus to the z stage."
                )

    def position_um(self) -> float:
        """Position in um, as Micro-Manager shows it.

        Raises
        ------
        DeviceError
            If the drive does not answer.
        """
        with _hardware("the focus drive"):
            return float(self._core.getPosition(self._label))

    def move_to(self, z_um: float) -> None:
        """Go to a position in um and wait until the drive is no longer busy.

        Raises
        ------
        DeviceError
            If `z_um` is not finite, or the drive refuses or takes longer than the core's timeout.
        """
        if not math.isfinite(z_um):
            raise DeviceError(f"Expected a position in um, got {z_um}. Nothing was moved.")
        with _hardware("the focus drive"):
            self._core.setPosition(self._label, z_um)
            self._core.waitForDevice(self._label)

    def stop(self) -> None:
        """End any motion now.

        Raises
        ------
        DeviceError
            If the drive cannot be stopped and still moves. Many adapters know no stop: a drive at rest needs
            none.
        """
        with _hardware("the focus drive"):
            try:
                self._core.stop(self._label)
            except RuntimeError:
                if self._core.deviceBusy(self._label):
                    raise


def open_micromanager(
    config: Path, *, pixel_size_um: float | None = None
) -> tuple[MicroManagerCamera, MicroManagerFocusDrive]:
    """Camera and focus drive of a Micro-Manager configuration file.

    Parameters
    ----------
    config : Path
        The ``.cfg`` file that Micro-Manager's hardware wizard wrote.
    pixel_size_um : float, optional
        Side of one pixel in the sample; by default what the configuration says.

    Raises
    ------
    InputError
        If there is no such file.
        Or if it moves a stage while it is loaded, before any limit could apply.
    DeviceError
        If a device does not load, or camera, focus drive or pixel size are missing.
    """
    config = Path(config)
    if not config.is_file():
        raise InputError(f"{config}: there is no such file. Expected a Micro-Manager configuration (.cfg).")
    _refuse_moves_at_startup(config)
    core = CMMCorePlus()
    with _hardware(f"a device of {config}"):
        core.loadSystemConfiguration(str(config.resolve()))
    return MicroManagerCamera(core, pixel_size_um=pixel_size_um), MicroManagerFocusDrive(core)


def _refuse_moves_at_startup(config: Path) -> None:
    """Refuses a configuration whose start-up preset sends a stage somewhere."""
    for number, line in enumerate(config.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        words = [word.strip().lower() for word in line.split(",")]
        if words[:3] == ["configgroup", "system", "startup"] and "position" in words[4:5]:
            raise InputError(
                f"{config}, line {number}: the start-up preset moves '{line.split(',')[3]}' before any limit "
                "applies. Take that line out."
            )


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


@contextmanager
def _hardware(what: str) -> Iterator[None]:
    """Turn what Micro-Manager raises into a DeviceError that says which device failed."""
    try:
        yield
    except DeviceError:
        raise
    except (RuntimeError, OSError, ValueError) as error:
        raise DeviceError(f"Expected {what} to answer, Micro-Manager says: {error}") from error
