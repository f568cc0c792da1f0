import numpy as np
import pytest

from parfocal.microscope import RoomSettings, room_temperature, thermal_drift

DAY_S = 24 * 3600
MINUTES_S = np.arange(0, DAY_S + 1, 60.0).tolist()


def course(at):
    return np.array([at(t_s) for t_s in MINUTES_S])


@pytest.mark.parametrize("seed", range(5))
def test_drift_starts_at_zero_covers_its_range_and_is_slow(seed):
    focus_um = course(thermal_drift(range_um=40, hours=24, seed=seed))
    assert focus_um[0] == 0
    assert np.ptp(focus_um) == pytest.approx(40, rel=1e-3)
    um_per_h = np.abs(np.diff(focus_um)) * 60
    assert 2 < np.median(um_per_h) < 5
    assert 4 < um_per_h.max() < 12


@pytest.mark.parametrize("hours", [1.0, 6.0, 72.0])
def test_the_range_is_that_of_the_run_however_long(hours):
    drift_um = thermal_drift(range_um=10, hours=hours, seed=4)
    focus_um = [drift_um(t_s) for t_s in np.linspace(0, 3600 * hours, 5000)]
    assert np.ptp(focus_um) == pytest.approx(10, rel=0.01)


def test_drift_follows_from_the_seed():
    first, again, other = (thermal_drift(range_um=40, hours=24, seed=seed)(7000) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("seed", range(3))
def test_three_degrees_move_the_focus_by_forty_micrometres(seed):
    warmer_degc = course(room_temperature(hours=24, seed=seed))
    focus_um = course(thermal_drift(range_um=40, hours=24, seed=seed))
    assert np.ptp(warmer_degc) == pytest.approx(3, rel=1e-3)
    later = 60  # the stand is an hour behind the air
    slope_um, _ = np.polyfit(warmer_degc[:-later], focus_um[later:], 1)
    assert slope_um == pytest.approx(13.3, rel=0.1)


def test_the_stand_smooths_what_the_thermostat_does():
    def fastest(stand_h):
        room = RoomSettings(stand_h=stand_h)
        focus_um = course(thermal_drift(range_um=40, hours=24, seed=2, settings=room))
        return np.abs(np.diff(focus_um)).max() * 60

    assert fastest(0.0) > 2 * fastest(1.0)
