import math

import pytest

from parfocal.control import Belief, ControllerSettings, decide


@pytest.mark.parametrize(
    ("mean_um", "target_um", "move_um"),
    [(0.1, 0.0, 0.0), (-0.1, 0.0, 0.0), (2.0, 0.0, -2.0), (-2.0, 0.0, 2.0), (1.0, 3.0, 2.0), (3.1, 3.0, 0.0)],
)
def test_it_goes_the_whole_way_to_the_target_from_outside_the_dead_band(mean_um, target_um, move_um):
    decision = decide(Belief(mean_um, 0.04), ControllerSettings(target_um=target_um))
    assert decision.move_um == move_um


def test_it_holds_still_while_uncertain():
    assert decide(Belief(8.0, 4.0), ControllerSettings()).move_um == 0


def test_it_holds_still_while_estimates_contradict_the_belief():
    assert decide(Belief(8.0, 0.04, n_outliers=1), ControllerSettings()).move_um == 0


def test_a_single_answer_is_never_trusted_with_a_long_move():
    assert decide(Belief(9.0, 0.04, n_agreed=1), ControllerSettings()).move_um == 0


@pytest.mark.parametrize(("sd_um", "move_um"), [(0.1, -8.84), (1.0, -7.36), (1.4, -6.70)])
def test_a_long_move_goes_to_the_near_end_of_what_is_believed(sd_um, move_um):
    decision = decide(Belief(9.0, sd_um**2, n_agreed=2), ControllerSettings())
    assert decision.move_um == pytest.approx(move_um, abs=0.01)
    assert decide(Belief(-9.0, sd_um**2, n_agreed=2), ControllerSettings()).move_um == -decision.move_um
    assert abs(decide(Belief(2.1, sd_um**2, n_agreed=2), ControllerSettings()).move_um) >= 1.05


@pytest.mark.parametrize("drift_um_per_h", [-6.0, 6.0])
def test_a_move_goes_beyond_the_target_against_the_drift(drift_um_per_h):
    settings = ControllerSettings(dead_band_um=0.2)
    drifting = Belief(0.5, 0.04, drift_um_per_s=drift_um_per_h / 3600)
    beyond_um = decide(drifting, settings).move_um + 0.5
    assert beyond_um == pytest.approx(-math.copysign(0.1, drift_um_per_h))
