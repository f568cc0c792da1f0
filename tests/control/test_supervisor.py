import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lock_fakes import TinyMicroscope

from parfocal.control import CutBy, LimitSettings, Move, SimulatedClock, Supervisor
from parfocal.errors import DeviceError, LimitError, SettingsError

LIMITS = LimitSettings(lowest_z_um=-10, highest_z_um=20, largest_step_um=5)


def microscope_at(z_um: float) -> TinyMicroscope:
    return TinyMicroscope(SimulatedClock(paced=False), z_um=z_um)


def supervisor_of(
    drive: TinyMicroscope, limits: LimitSettings = LIMITS, *, clock: SimulatedClock | None = None
) -> Supervisor:
    return Supervisor(drive, limits, clock=clock or SimulatedClock(paced=False))


@given(
    start_um=st.floats(-10, 20),
    moves=st.lists(st.tuples(st.floats(allow_nan=True, allow_infinity=True), st.floats(0, 10)), max_size=30),
)
def test_no_sequence_of_moves_leaves_the_window_or_exceeds_a_limit(start_um, moves):
    drive, clock = microscope_at(start_um), SimulatedClock(paced=False)
    limits = LIMITS.replace(fastest_um_per_s=2.0, travel_um_per_h=60.0)
    supervisor = supervisor_of(drive, limits, clock=clock)
    travelled_um = 0.0
    for move_um, rest_s in moves:
        before_um, n_commands = drive.z_um, len(drive.commands)
        if math.isfinite(move_um):
            assert supervisor.move_by(move_um).um == drive.z_um - before_um
        else:
            with pytest.raises(LimitError):
                supervisor.move_by(move_um)
        went_um = drive.z_um - before_um
        assert -limits.largest_step_um - 1e-9 <= went_um <= limits.step_toward_um + 1e-9
        assert all(limits.lowest_z_um <= z <= limits.highest_z_um for z in drive.commands[n_commands:])
        travelled_um += abs(went_um)
        hours = clock.now_s() / 3600
        assert travelled_um <= limits.largest_step_um + limits.rate_um_per_s * clock.now_s() + 1e-6
        assert travelled_um <= limits.budget_um_per_h * (1 + hours) + 1e-6
        clock.wait_until(clock.now_s() + rest_s)


def test_it_tells_how_far_the_drive_went_and_why_no_further():
    drive = microscope_at(18.0)
    supervisor = supervisor_of(drive)
    assert supervisor.move_by(2.3) == Move(pytest.approx(2.0), CutBy.WINDOW)
    assert supervisor.move_by(1.0) == Move(0.0, CutBy.WINDOW)
    assert supervisor.move_by(-1.0) == Move(pytest.approx(-1.0), CutBy.NOTHING)


def test_steps_toward_the_sample_are_half_as_long():
    assert supervisor_of(microscope_at(0.0)).move_by(9.0) == Move(2.5, CutBy.STEP)
    assert supervisor_of(microscope_at(0.0)).move_by(-9.0) == Move(-5.0, CutBy.STEP)


def test_moves_in_a_row_wait_for_the_rate_and_the_travel_of_the_hour():
    clock = SimulatedClock(paced=False)
    limits = LIMITS.replace(fastest_um_per_s=1.0, travel_um_per_h=12.0)
    supervisor = supervisor_of(microscope_at(0.0), limits, clock=clock)
    assert supervisor.move_by(-5.0).um == -5.0
    assert supervisor.move_by(2.0) == Move(0.0, CutBy.RATE)
    clock.wait_until(2.0)
    assert supervisor.move_by(2.5) == Move(2.0, CutBy.RATE)
    clock.wait_until(60.0)
    supervisor.move_by(-4.0)
    assert supervisor.move_by(2.5) == Move(pytest.approx(1.0, abs=0.3), CutBy.RATE)
    clock.wait_until(120.0)
    assert supervisor.move_by(2.5) == Move(pytest.approx(0.3, abs=0.3), CutBy.TRAVEL)
    clock.wait_until(3720.0)
    assert supervisor.move_by(2.5).um == 2.5


def test_somebody_who_moves_the_drive_is_noticed_and_one_who_undoes_every_move_is_a_failure():
    drive = microscope_at(0.0)
    supervisor = supervisor_of(drive)
    assert supervisor.position_um() == 0.0 and not supervisor.is_displaced
    drive.z_um = 3.0
    assert supervisor.position_um() == 3.0 and supervisor.is_displaced
    assert supervisor.position_um() == 3.0 and not supervisor.is_displaced
    for _ in range(2):
        supervisor.move_by(-1.0)
        drive.z_um = 3.0
        supervisor.position_um()
    supervisor.move_by(-1.0)
    drive.z_um = 3.0
    with pytest.raises(DeviceError, match="3 moves in a row were undone"):
        supervisor.position_um()
    assert drive.calls[-1] == "stop"


def test_a_drive_that_was_moved_since_it_was_last_looked_at_is_not_moved():
    drive = microscope_at(0.0)
    supervisor = supervisor_of(drive)
    drive.z_um = 3.0
    assert supervisor.move_by(-1.0) == Move(0.0, CutBy.HAND)
    assert supervisor.move_by(-1.0).um == -1.0


def test_a_drive_that_creeps_back_by_a_third_is_no_fight():
    drive, clock = microscope_at(0.0), SimulatedClock(paced=False)
    supervisor = supervisor_of(drive, clock=clock)
    for k in range(8):
        clock.wait_until(k)
        moved_um = supervisor.move_by(2.0 if k % 2 else -2.0).um
        drive.z_um -= 0.3 * moved_um
        assert supervisor.position_um() == drive.z_um
    assert len(drive.commands) == 8 and "stop" not in drive.calls


@pytest.mark.parametrize("z_um", [-11.0, 21.0, math.nan])
def test_it_refuses_a_drive_outside_the_window(z_um):
    with pytest.raises(LimitError, match=r"between -10.0 and 20.0 um"):
        supervisor_of(microscope_at(z_um))


def test_it_refuses_to_move_a_drive_that_somebody_took_out_of_the_window():
    drive = microscope_at(0.0)
    supervisor = supervisor_of(drive)
    drive.z_um = 40.0
    with pytest.raises(LimitError):
        supervisor.move_by(-1.0)
    assert drive.calls == ["stop"]


def test_it_stops_a_drive_that_fails():
    drive = microscope_at(0.0)
    drive.drive_fails_at = 0
    with pytest.raises(DeviceError, match="does not answer"):
        supervisor_of(drive).move_by(1.0)
    assert drive.calls == ["move", "stop"]


def test_it_stops_a_drive_that_does_not_arrive():
    class Stuck(TinyMicroscope):
        def move_to(self, z_um: float) -> None:
            self.calls.append("move")

    drive = Stuck(SimulatedClock())
    with pytest.raises(DeviceError, match=r"Expected the focus drive at 2.000 um, it reads 0.000 um"):
        supervisor_of(drive).move_by(2.0)
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
