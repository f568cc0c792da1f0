import time

import pytest

from parfocal.control import Clock, SimulatedClock, WallClock


@pytest.mark.parametrize("clock", [WallClock(), SimulatedClock(720), SimulatedClock(paced=False)])
def test_every_clock_goes_forward_only(clock):
    assert isinstance(clock, Clock)
    before_s = clock.now_s()
    clock.wait_until(before_s + 0.002)
    assert clock.now_s() >= before_s + 0.002
    clock.wait_until(before_s)
    assert clock.now_s() >= before_s + 0.002


def test_simulated_time_stands_still_between_waits():
    clock = SimulatedClock(720, paced=False)
    clock.wait_until(36.0)
    time.sleep(0.01)
    assert clock.now_s() == 36.0


def test_a_paced_clock_takes_its_real_time():
    clock = SimulatedClock(720)
    start_s = time.monotonic()
    for t_s in (7.2, 14.4, 21.6):
        clock.wait_until(t_s)
    assert time.monotonic() - start_s >= 0.029


@pytest.mark.parametrize("make", [WallClock, SimulatedClock])
def test_a_clock_goes_on_with_an_earlier_one(make):
    clock = make(start_s=3600.0)
    assert 3600 <= clock.now_s() < 3601
    clock.wait_until(1000.0)  # long past
    assert clock.now_s() < 3601
    clock.wait_until(clock.now_s() + 0.002)
    assert clock.now_s() >= 3600.002
