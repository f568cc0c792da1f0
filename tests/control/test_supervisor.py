import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lock_fakes import TinyMicroscope

from parfocal.control import LimitSettings, SimulatedClock, Supervisor
from parfocal.errors import DeviceError, LimitError, SettingsError

LIMITS = LimitSettings(lowest_z_um=-10, highest_z_um=20, largest_step_um=5)


def microscope_at(z_um: float) -> TinyMicroscope:
    return TinyMicroscope(SimulatedClock(), z_um=z_um)


@given(
    start_um=st.floats(-10, 20),
    moves_um=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30),
)
def test_no_sequence_of_moves_leaves_the_window_or_exceeds_the_largest_step(start_um, moves_um):
    drive = microscope_at(start_um)
    supervisor = Supervisor(drive, LIMITS)
    for move_um in moves_um:
        if math.isfinite(move_um):
            supervisor.move_by(move_um)
        else:
            with pytest.raises(LimitError):
                supervisor.move_by(move_um)
    positions = [start_um, *drive.commands]
    assert all(LIMITS.lowest_z_um <= z <= LIMITS.highest_z_um for z in positions)
    assert all(abs(b - a) <= LIMITS.largest_step_um + 1e-9 for a, b in itertools.pairwise(positions))


def test_it_tells_how_far_the_drive_went():
    drive = microscope_at(18.0)
    assert Supervisor(drive, LIMITS).move_by(4.0) == pytest.approx(2.0)
    assert Supervisor(drive, LIMITS).move_by(1.0) == 0.0


@pytest.mark.parametrize("z_um", [-11.0, 21.0, math.nan])
def test_it_refuses_a_drive_outside_the_window(z_um):
    with pytest.raises(LimitError, match=r"between -10.0 and 20.0 um"):
        Supervisor(microscope_at(z_um), LIMITS)


def test_it_refuses_to_move_a_drive_that_somebody_took_out_of_the_window():
    drive = microscope_at(0.0)
    supervisor = Supervisor(drive, LIMITS)
    drive.z_um = 40.0
    with pytest.raises(LimitError):
        supervisor.move_by(-1.0)
    assert drive.calls == ["stop"]


def test_it_stops_a_drive_that_fails():
    drive = microscope_at(0.0)
    drive.drive_fails_at = 0
    with pytest.raises(DeviceError, match="does not answer"):
        Supervisor(drive, LIMITS).move_by(1.0)
    assert drive.calls == ["move", "stop"]


def test_it_stops_a_drive_that_does_not_arrive():
    class Stuck(TinyMicroscope):
        def move_to(self, z_um: float) -> None:
            self.calls.append("move")

    drive = Stuck(SimulatedClock())
    with pytest.raises(DeviceError, match=r"Expected the focus drive at 3.000 um, it reads 0.000 um"):
        Supervisor(drive, LIMITS).move_by(3.0)
    assert drive.calls == ["move", "stop"]


@pytest.mark.parametrize(
    "values",
    [
        {"lowest_z_um": 5, "highest_z_um": 5},
        {"lowest_z_um": 0, "highest_z_um": 5, "largest_step_um": 0},
        {"lowest_z_um": 0, "highest_z_um": math.inf},
        {"lowest_z_um": 0, "highest_z_um": 5, "largest_step_um": 0.1},
    ],
    ids=["empty window", "no step", "no end", "step within the drive's own error"],
)
def test_limits_that_make_no_sense_are_refused(values):
    with pytest.raises(SettingsError):
        LimitSettings.parse(values, source="test")
