"""Three methods of any object, and it is held in focus as any other microscope."""

from __future__ import annotations

import numpy as np
import pytest

from parfocal.control import (
    AcquisitionFocus,
    FocusLock,
    FocusRoutine,
    FocusState,
    LimitSettings,
    LockSettings,
    LockState,
    Microscope,
    OwnRig,
    RigMicroscope,
    SimulatedClock,
    Spot,
)
from parfocal.errors import DeviceError, LimitError
from told_plate import CELLS, Truthful

LIMITS = LimitSettings.around(100.0, reach_um=30.0)


class ThreeMethods:
    """A rig of somebody who never heard of parfocal; its camera uses one buffer over and over."""

    def __init__(self) -> None:
        self.z_um, self.focus_um = 100.0, 104.0
        self.buffer = CELLS.copy()
        self.n_snaps = 0

    def snap(self) -> np.ndarray:
        self.n_snaps += 1
        self.buffer[0, 0] = self.n_snaps
        return self.buffer

    def position_um(self) -> float:
        return self.z_um

    def move_to(self, z_um: float) -> None:
        self.z_um = z_um


class WithStop(ThreeMethods):
    n_stops = 0

    def stop(self) -> None:
        self.n_stops += 1


class Bench:
    """A rig, and all that takes it."""

    def __init__(self, rig: ThreeMethods | None = None) -> None:
        self.rig = rig or ThreeMethods()
        self.microscope = RigMicroscope(self.rig, pixel_size_um=0.24)
        self.estimator = Truthful(lambda: (self.rig.z_um - self.rig.focus_um, True))
        self.clock = SimulatedClock(paced=False)
        self.routine = FocusRoutine(
            self.microscope, self.microscope, self.estimator, limits=LIMITS, clock=self.clock
        )

    def lock(self) -> FocusLock:
        return FocusLock(
            self.microscope,
            self.microscope,
            self.estimator,
            settings=LockSettings(limits=LIMITS, frame_rate_hz=1.0, self_check={}),
            clock=self.clock,
        )


def test_three_methods_are_a_microscope() -> None:
    assert isinstance(ThreeMethods(), OwnRig)
    assert isinstance(Bench().microscope, Microscope)
    assert not isinstance(object(), OwnRig)


def test_it_is_brought_into_focus() -> None:
    bench = Bench()
    assert bench.routine.run().is_focused
    assert bench.rig.z_um == pytest.approx(104.0, abs=0.35)


def test_it_is_held_in_focus_while_that_drifts() -> None:
    bench = Bench()
    bench.estimator = Truthful(lambda: (bench.rig.z_um - 104.0 - bench.clock.now_s() / 600, True))
    lock = bench.lock()
    summary = lock.run(1200.0)
    assert summary.fault == ""
    assert lock.state is LockState.STOPPED
    assert bench.rig.z_um == pytest.approx(106.0, abs=0.5)


def test_its_places_are_learned_and_expected() -> None:
    bench = Bench()
    focus = AcquisitionFocus(bench.routine, clock=bench.clock)
    first, second = (Spot((place, 0), 0, 100.0 * place, 0.0, 100.0) for place in range(2))
    assert focus.stage_um(first) is None
    assert focus.focus(first).is_focused
    assert focus.stage_um(second) == pytest.approx(104.0, abs=0.35)
    told = focus.look_at(second, bench.microscope.snap(), z_um=bench.rig.z_um, learn=True)
    about = focus.about(second, z_um=bench.rig.z_um, image=told)
    assert about.state is FocusState.FOLLOWED


def test_a_frame_is_kept_though_the_camera_writes_over_it() -> None:
    bench = Bench()
    first = bench.microscope.snap()
    before = first.copy()
    bench.microscope.snap()
    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(np.zeros((4, 4, 3), np.uint8), id="in colour"),
        pytest.param(np.zeros((4, 4), np.float64), id="of floats"),
        pytest.param(None, id="none at all"),
    ],
)
def test_what_is_no_grey_frame_is_refused(frame: object) -> None:
    bench = Bench()
    bench.rig.snap = lambda: frame
    with pytest.raises(DeviceError, match="grey frame"):
        bench.microscope.snap()


def test_whatever_its_libraries_raise_stops_the_drive() -> None:
    rig = WithStop()
    bench = Bench(rig)

    def unplugged() -> np.ndarray:
        raise KeyError("usb 3")

    rig.snap = unplugged
    with pytest.raises(DeviceError, match=r"the camera to answer.*usb 3"):
        bench.routine.run()
    assert rig.n_stops > 0
    assert "usb 3" in bench.lock().run(10.0).fault


def test_a_drive_that_says_no_number_is_a_failure() -> None:
    bench = Bench()
    bench.rig.z_um = float("nan")
    with pytest.raises(DeviceError, match="stand somewhere"):
        bench.microscope.position_um()


def test_it_never_leaves_its_window() -> None:
    bench = Bench()
    bench.rig.focus_um = 131.0
    bench.rig.z_um = 120.0
    went: list[float] = []
    move_to = bench.rig.move_to
    bench.rig.move_to = lambda z_um: (went.append(z_um), move_to(z_um))[1]
    assert not bench.routine.run().is_focused
    assert max(went) <= LIMITS.highest_z_um
    bench.rig.z_um = 200.0
    with pytest.raises(LimitError):
        bench.routine.run()


@pytest.mark.parametrize("pixel_size_um", [0.0, -1.0, float("nan"), float("inf")])
def test_a_pixel_size_that_is_none_is_refused(pixel_size_um: float) -> None:
    with pytest.raises(DeviceError, match="pixel size"):
        RigMicroscope(ThreeMethods(), pixel_size_um=pixel_size_um)
