import numpy as np
import pytest
from lock_fakes import TinyMicroscope

from parfocal.control import FrameWatch, FrameWatchSettings, SimulatedClock

FRAMES = np.random.default_rng(0).integers(0, 4096, (3, 64, 80)).astype(np.uint16)


def test_new_frames_raise_no_doubt():
    watch = FrameWatch(FrameWatchSettings())
    assert [watch.doubt(frame, took_s=0.05) for frame in FRAMES] == ["", "", ""]


def test_a_frame_that_comes_again_is_doubted_until_a_new_one_comes():
    watch = FrameWatch(FrameWatchSettings())
    told = [watch.doubt(FRAMES[k], took_s=0.05) for k in (0, 0, 0, 1, 0)]
    assert [bool(doubt) for doubt in told] == [False, True, True, False, False]
    assert told[1] == "the camera gave the same frame again"


def test_a_buffer_that_the_camera_fills_again_is_no_repetition():
    watch, buffer = FrameWatch(FrameWatchSettings()), FRAMES[0].copy()
    assert watch.doubt(buffer, took_s=0.05) == ""
    buffer[:] = FRAMES[1]
    assert watch.doubt(buffer, took_s=0.05) == ""


def test_a_recorded_stack_may_repeat_its_planes():
    watch = FrameWatch(FrameWatchSettings(refuse_repeated=False))
    assert [watch.doubt(FRAMES[0], took_s=0.0) for _ in range(3)] == ["", "", ""]


@pytest.mark.parametrize(
    ("took_s", "told"), [(0.5, ""), (7.0, "the camera took more than 5 s for the frame")]
)
def test_a_frame_that_took_long_is_doubted(took_s: float, told: str):
    assert FrameWatch(FrameWatchSettings()).doubt(FRAMES[0], took_s=took_s) == told


@pytest.mark.parametrize(
    ("value", "dtype", "told"),
    [
        (0, np.uint8, "the frame is black"),
        (0, np.uint16, "the frame is black"),
        (255, np.uint8, "the frame is saturated, every pixel is 255"),
        (4095, np.uint16, "the frame is saturated, every pixel is 4095"),
        (65535, np.uint16, "the frame is saturated, every pixel is 65535"),
    ],
)
def test_a_black_or_saturated_frame_is_called_so_the_first_time_and_again(value, dtype, told: str):
    watch, frame = FrameWatch(FrameWatchSettings()), np.full((64, 80), value, dtype)
    assert all(watch.doubt(frame, took_s=0.05).startswith(told) for _ in range(3))


@pytest.mark.parametrize("value", [0, 65535])
def test_a_frame_in_which_a_single_pixel_shows_something_is_neither(value: int):
    frame = np.full((64, 80), value, np.uint16)
    frame[3, 3] = 900  # between the pixels that are compared
    assert FrameWatch(FrameWatchSettings()).doubt(frame, took_s=0.05) == ""


def test_even_light_is_no_reason_for_doubt():
    assert FrameWatch(FrameWatchSettings()).doubt(np.full((64, 80), 900, np.uint16), took_s=0.05) == ""


def test_the_light_weight_microscope_lasts_for_longer_than_an_hour_of_frames():
    watch, microscope = FrameWatch(FrameWatchSettings()), TinyMicroscope(SimulatedClock(paced=False))
    microscope.n_snaps = 2**16 - 5
    assert {watch.doubt(microscope.snap(), took_s=0.05) for _ in range(10)} == {""}
