"""A few planes of a live microscope: where they were asked for, within limits, and back again."""

from __future__ import annotations

import numpy as np
import pytest

from parfocal.control import LimitSettings, SimulatedClock
from parfocal.errors import DeviceError, InputError, LimitError
from parfocal.live_stack import PLANES, live_stack
from parfocal.microscope import ReplayMicroscope
from parfocal.rigs import Rig
from parfocal.zstack import ZStack

STACK = ZStack(np.arange(41 * 12, dtype=np.uint16).reshape(41, 3, 4), np.linspace(90, 110, 41), 0.24)


class Watched(ReplayMicroscope):
    """Keeps where it was sent, and may break."""

    def __init__(self, *, start_z_um: float, breaks_above_um: float = 1e9) -> None:
        self.sent: list[float] = []
        self.stops = 0
        self.breaks_above_um = 1e9
        super().__init__(STACK, start_z_um=start_z_um)
        self.sent.clear()
        self.breaks_above_um = breaks_above_um

    def move_to(self, z_um: float) -> None:
        self.sent.append(z_um)
        if z_um > self.breaks_above_um:
            raise DeviceError("stuck")
        super().move_to(z_um)

    def stop(self) -> None:
        self.stops += 1


def rig_of(microscope: Watched) -> Rig:
    return Rig(microscope, microscope, SimulatedClock(paced=False), about="planes")


LIMITS = LimitSettings(lowest_z_um=92, highest_z_um=108, largest_step_um=1.2)


@pytest.mark.parametrize(
    ("start_um", "lowest_um"), [(100.0, 96.0), (107.5, 100.0), (92.0, 92.0)], ids=["middle", "top", "bottom"]
)
def test_planes_lie_about_where_it_stood_and_within_the_limits(start_um: float, lowest_um: float) -> None:
    microscope = Watched(start_z_um=start_um)
    taken = live_stack(rig_of(microscope), limits=LIMITS, step_um=1.0)
    np.testing.assert_allclose(taken.z_um, lowest_um + np.arange(PLANES))
    nearest = [int(np.argmin(np.abs(STACK.z_um - z))) for z in taken.z_um]
    np.testing.assert_array_equal(taken.frames_zyx, STACK.frames_zyx[nearest])
    assert microscope.position_um() == pytest.approx(start_um)
    assert min(microscope.sent) >= 92 and max(microscope.sent) <= 108
    assert np.abs(np.diff([start_um, *microscope.sent])).max() <= 1.2 + 1e-9


def test_without_room_nothing_is_moved() -> None:
    microscope = Watched(start_z_um=100)
    with pytest.raises(InputError, match=r"room for 9 planes 3 um apart within the limits, 24 um; got 16 um"):
        live_stack(rig_of(microscope), limits=LIMITS, step_um=3.0)
    outside = LIMITS.replace(lowest_z_um=80, highest_z_um=99)
    with pytest.raises(LimitError, match="Nothing was moved"):
        live_stack(rig_of(microscope), limits=outside, step_um=1.0)
    assert microscope.sent == []


def test_a_drive_that_fails_is_stopped_and_not_sent_anywhere_else() -> None:
    microscope = Watched(start_z_um=100, breaks_above_um=101.5)
    with pytest.raises(DeviceError, match="stuck"):
        live_stack(rig_of(microscope), limits=LIMITS, step_um=1.0)
    assert microscope.stops >= 1
    assert microscope.sent[-1] > 101.5
