import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parfocal.microscope.focus_motor import Motion, MotorSettings

LOOSE = MotorSettings(backlash_um=0.1, settling_ms=0.0)


def visited(motion, targets, settings=LOOSE):
    places = []
    for k, target_um in enumerate(targets):
        motion = motion.moved_to(target_um, t_s=float(k), settings=settings)
        places.append(motion.objective_um(float(k) + 0.9, settings))
    return places


def test_backlash_makes_a_loop():
    steps = [0.02 * k for k in range(51)]
    up = visited(Motion.at_rest(0.0), steps)
    down = visited(Motion(1.0, up[-1], up[-1], 0.0), steps[::-1])[::-1]
    assert up[10:] == pytest.approx([z_um - 0.05 for z_um in steps[10:]])
    assert down[:40] == pytest.approx([z_um + 0.05 for z_um in steps[:40]])
    gap = [d - u for u, d in zip(up, down, strict=True)][10:40]
    assert gap == pytest.approx([0.1] * 30)


def test_a_small_reversal_moves_the_motor_and_not_the_objective():
    motion = Motion.at_rest(0.0).moved_to(5.0, t_s=0.0, settings=LOOSE)
    back = motion.moved_to(4.95, t_s=1.0, settings=LOOSE)
    assert back.motor_um == 4.95
    assert back.objective_um(2.0, LOOSE) == motion.objective_um(1.0, LOOSE)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20))
def test_the_objective_rests_within_half_the_gap_of_the_motor(targets):
    for target_um, place_um in zip(targets, visited(Motion.at_rest(0.0), targets), strict=True):
        assert abs(place_um - target_um) <= 0.05 + 1e-9


def test_a_move_settles_exponentially_from_where_the_objective_was():
    settings = MotorSettings(backlash_um=0.0, settling_ms=20.0)
    motion = Motion.at_rest(10.0).moved_to(15.0, t_s=3.0, settings=settings)
    for passed_ms in (0.0, 5.0, 20.0, 60.0):
        left_um = 15.0 - motion.objective_um(3.0 + passed_ms / 1000, settings)
        assert left_um == pytest.approx(5.0 * math.exp(-passed_ms / 20.0))
    turned = motion.moved_to(12.0, t_s=3.020, settings=settings)
    assert turned.objective_um(3.020, settings) == pytest.approx(motion.objective_um(3.020, settings))
