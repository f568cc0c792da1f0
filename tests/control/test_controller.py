import pytest

from parfocal.control import Belief, ControllerSettings, decide


@pytest.mark.parametrize(
    ("mean_um", "target_um", "move_um"),
    [(0.4, 0.0, 0.0), (-0.4, 0.0, 0.0), (2.0, 0.0, -2.0), (-2.0, 0.0, 2.0), (0.0, 3.0, 3.0), (3.4, 3.0, 0.0)],
)
def test_it_goes_the_whole_way_to_the_target_from_outside_the_dead_band(mean_um, target_um, move_um):
    decision = decide(Belief(mean_um, 0.04), ControllerSettings(target_um=target_um))
    assert decision.move_um == move_um


def test_it_holds_still_while_uncertain():
    assert decide(Belief(8.0, 4.0), ControllerSettings()).move_um == 0


def test_it_holds_still_while_estimates_contradict_the_belief():
    assert decide(Belief(8.0, 0.04, n_outliers=1), ControllerSettings()).move_um == 0
