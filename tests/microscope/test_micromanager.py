from pathlib import Path

import mm_test_adapters
import numpy as np
import pytest
from pymmcore_plus import CMMCorePlus
from useq import MDASequence

from parfocal.errors import DeviceError, InputError
from parfocal.microscope import (
    MicroManagerCamera,
    MicroManagerFocusDrive,
    ReplayMicroscope,
    open_micromanager,
    virtual_core,
)
from parfocal.zstack import ZStack

DEMO_CONFIG = Path(mm_test_adapters.device_adapter_path()) / "MMConfig_demo.cfg"


@pytest.fixture
def microscope() -> ReplayMicroscope:
    frames = np.random.default_rng(0).integers(0, 4095, (5, 12, 16)).astype(np.uint16)
    return ReplayMicroscope(ZStack(frames, z_um=np.arange(5.0), pixel_size_um=0.24))


@pytest.fixture
def demo_core() -> CMMCorePlus:
    core = CMMCorePlus()
    core.loadSystemConfiguration(str(DEMO_CONFIG))
    return core


def test_a_virtual_core_shows_the_microscopes_own_picture(microscope):
    core = virtual_core(microscope)
    np.testing.assert_array_equal(core.snap(), microscope.snap())
    assert core.getPixelSizeUm() == pytest.approx(0.24)


def test_moving_the_cores_stage_moves_the_microscope_and_changes_the_picture(microscope):
    core = virtual_core(microscope)
    before = core.snap()
    core.setPosition(4.0)
    core.waitForDevice(core.getFocusDevice())
    assert microscope.position_um() == core.getPosition() == 4.0
    assert np.any(core.snap() != before)


def test_a_virtual_core_takes_a_z_stack(microscope):
    core = virtual_core(microscope)
    frames = []
    core.mda.events.frameReady.connect(lambda frame, event: frames.append(frame.copy()))
    core.mda.run(MDASequence(z_plan={"absolute": [0.0, 1.0, 2.0]}))
    assert len(frames) == 3
    assert np.any(frames[0] != frames[1])


@pytest.mark.parametrize("direction", [-1, 0, 1])
def test_positions_are_those_that_micro_manager_shows(demo_core, direction):
    demo_core.setFocusDirection("Z", direction)
    drive = MicroManagerFocusDrive(demo_core)
    drive.move_to(12.0)
    assert drive.position_um() == demo_core.getPosition() == pytest.approx(12.0)


def test_a_configuration_that_moves_a_stage_at_startup_is_refused(tmp_path):
    config = tmp_path / "moves.cfg"
    text = DEMO_CONFIG.read_text(encoding="utf-8")
    config.write_text(f"{text}\nConfigGroup,System,Startup,Z,Position,50\n", encoding="utf-8")
    with pytest.raises(InputError, match="the start-up preset moves 'Z'"):
        open_micromanager(config)


class _NoStop(CMMCorePlus):
    """A core whose stage knows no stop, like that of many adapters."""

    is_moving = False

    def stop(self, _label):
        raise RuntimeError("Operation not supported")

    def deviceBusy(self, _label):  # noqa: N802 (Micro-Manager's name)
        return self.is_moving


def test_a_drive_without_a_stop_is_stopped_when_it_stands_still():
    core = _NoStop()
    core.loadSystemConfiguration(str(DEMO_CONFIG))
    drive = MicroManagerFocusDrive(core)
    drive.stop()
    core.is_moving = True
    with pytest.raises(DeviceError, match="not supported"):
        drive.stop()


def test_a_camera_in_live_mode_is_not_asked_for_a_frame(demo_core):
    camera = MicroManagerCamera(demo_core)
    demo_core.startContinuousSequenceAcquisition()
    try:
        with pytest.raises(DeviceError, match="live mode"):
            camera.snap()
    finally:
        demo_core.stopSequenceAcquisition()


def test_colour_images_are_refused(demo_core):
    demo_core.setProperty("Camera", "PixelType", "32bitRGB")
    with pytest.raises(DeviceError, match="grey frame"):
        MicroManagerCamera(demo_core).snap()


def test_a_device_that_went_away_is_a_device_error(demo_core):
    camera, drive = MicroManagerCamera(demo_core), MicroManagerFocusDrive(demo_core)
    demo_core.unloadAllDevices()
    for ask in (camera.snap, drive.position_um, drive.stop, lambda: drive.move_to(1.0)):
        with pytest.raises(DeviceError):
            ask()


def test_a_core_without_devices_is_refused():
    core = CMMCorePlus()
    with pytest.raises(DeviceError, match="camera"):
        MicroManagerCamera(core, pixel_size_um=0.24)
    with pytest.raises(DeviceError, match="focus drive"):
        MicroManagerFocusDrive(core)


def test_an_unknown_pixel_size_must_be_given(demo_core):
    for name in demo_core.getAvailablePixelSizeConfigs():
        demo_core.deletePixelSizeConfig(name)
    with pytest.raises(DeviceError, match="pixel size"):
        MicroManagerCamera(demo_core)
    assert MicroManagerCamera(demo_core, pixel_size_um=0.24).pixel_size_um == 0.24


def test_a_configuration_file_that_is_missing_or_wrong_is_told(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        open_micromanager(tmp_path / "none.cfg")
    wrong = tmp_path / "wrong.cfg"
    wrong.write_text("Device,Camera,NoSuchLibrary,NoSuchCamera\n")
    with pytest.raises(DeviceError, match=r"wrong\.cfg"):
        open_micromanager(wrong)


def test_a_virtual_stage_has_neither_home_nor_movable_origin(microscope):
    core = virtual_core(microscope)
    with pytest.raises(DeviceError):
        core.home("Z")
    with pytest.raises(DeviceError):
        core.setOrigin()
