"""What every camera and focus drive must do, whatever is behind it."""

from pathlib import Path

import mm_test_adapters
import numpy as np
import pytest

from parfocal.control import Camera, FocusDrive, RigMicroscope, SimulatedClock
from parfocal.errors import DeviceError
from parfocal.microscope import (
    MicroManagerCamera,
    MicroManagerFocusDrive,
    PycroManagerCamera,
    PycroManagerCore,
    PycroManagerFocusDrive,
    ReplayMicroscope,
    SimulatedMicroscope,
    open_micromanager,
    virtual_core,
)
from parfocal.zstack import ZStack
from tiny_microscope import TINY

DEMO_CONFIG = Path(mm_test_adapters.device_adapter_path()) / "MMConfig_demo.cfg"


def simulated():
    microscope = SimulatedMicroscope(TINY, seed=3, clock=SimulatedClock(paced=False))
    return microscope, microscope


def replayed():
    frames = np.arange(11 * 8 * 8, dtype=np.uint16).reshape(11, 8, 8)
    microscope = ReplayMicroscope(ZStack(frames, z_um=np.arange(95.0, 106.0), pixel_size_um=0.24))
    return microscope, microscope


def rig_of_ones_own():
    microscope = RigMicroscope(simulated()[0], pixel_size_um=0.24)
    return microscope, microscope


def through_micromanager():
    core = virtual_core(simulated()[0])
    return MicroManagerCamera(core), MicroManagerFocusDrive(core)


def through_pycro_manager():
    core = PycroManagerCore(virtual_core(simulated()[0]))
    return PycroManagerCamera(core), PycroManagerFocusDrive(core)


def demo_camera():
    camera, drive = open_micromanager(DEMO_CONFIG)
    drive.move_to(100.0)
    return camera, drive


@pytest.fixture(
    scope="module",
    params=[
        simulated,
        replayed,
        rig_of_ones_own,
        through_micromanager,
        through_pycro_manager,
        demo_camera,
    ],
    ids=lambda make: make.__name__,
)
def devices(request):
    return request.param()


def test_it_is_a_camera_and_a_focus_drive(devices):
    camera, drive = devices
    assert isinstance(camera, Camera)
    assert isinstance(drive, FocusDrive)


def test_frames_are_grey_and_of_one_shape(devices):
    camera, _ = devices
    first, second = camera.snap(), camera.snap()
    assert first.ndim == 2
    assert first.dtype in (np.uint8, np.uint16)
    assert (first.shape, first.dtype) == (second.shape, second.dtype)
    assert camera.pixel_size_um > 0


def test_a_frame_is_kept_as_it_was(devices):
    camera, _ = devices
    first = camera.snap()
    copy = first.copy()
    camera.snap()
    np.testing.assert_array_equal(first, copy)


def test_the_drive_is_where_it_was_sent_when_the_move_returns(devices):
    _, drive = devices
    for z_um in (103.2, 98.7, 100.0):
        drive.move_to(z_um)
        assert drive.position_um() == pytest.approx(z_um, abs=0.05)


@pytest.mark.parametrize("z_um", [np.nan, np.inf, -np.inf, 1e6, -1e6])
def test_a_position_out_of_reach_is_refused_and_nothing_moves(devices, z_um):
    _, drive = devices
    before_um = drive.position_um()
    with pytest.raises(DeviceError):
        drive.move_to(z_um)
    assert drive.position_um() == before_um


def test_stopping_is_always_allowed_and_moves_nothing(devices):
    _, drive = devices
    before_um = drive.position_um()
    drive.stop()
    drive.stop()
    assert drive.position_um() == before_um
