"""Micro-Manager's devices as Camera and FocusDrive."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus

from parfocal.errors import DeviceError, InputError


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
        with hardware("the camera"):
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
    def core(self) -> CMMCorePlus:
        """The Micro-Manager core that it belongs to."""
        return self._core

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
        with hardware("the camera"):
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
        with hardware("the focus drive"):
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
        with hardware("the focus drive"):
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
        with hardware("the focus drive"):
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
        with hardware("the focus drive"):
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
    with hardware(f"a device of {config}"):
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


@contextmanager
def hardware(what: str) -> Iterator[None]:
    """Turn what Micro-Manager raises into a DeviceError that says which device failed."""
    try:
        yield
    except DeviceError:
        raise
    except (RuntimeError, OSError, ValueError) as error:
        raise DeviceError(f"Expected {what} to answer, Micro-Manager says: {error}") from error
