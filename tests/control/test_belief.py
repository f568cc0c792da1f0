import math

import numpy as np
import pytest
from lock_fakes import estimate_of

from parfocal.control import Belief, BeliefSettings, predict, update

SETTINGS = BeliefSettings()


def test_the_first_estimate_becomes_the_belief():
    belief = update(Belief.unknown(), estimate_of(4.0, std_um=0.5), settings=SETTINGS)
    assert belief.mean_um == pytest.approx(4.0, abs=1e-4)
    assert belief.sd_um == pytest.approx(0.5, abs=1e-4)


def test_a_move_shifts_the_belief_and_time_widens_it():
    belief = predict(Belief(1.0, 0.04), move_um=-1.5, dt_s=3600, settings=SETTINGS)
    assert belief.mean_um == pytest.approx(-0.5)
    assert belief.sd_um == pytest.approx(0.2 + SETTINGS.fastest_drift_um_per_h)


def test_averaging_any_number_of_frames_does_not_beat_the_scene_bias():
    belief = Belief.unknown()
    for _ in range(1000):
        belief = update(belief, estimate_of(1.0, std_um=0.01), settings=SETTINGS)
    assert belief.sd_um == pytest.approx(SETTINGS.scene_bias_um)


def test_noise_is_averaged():
    generator = np.random.default_rng(0)
    belief, errors = Belief.unknown(), []
    for k in range(400):
        estimate = estimate_of(2.0 + 0.5 * generator.standard_normal(), std_um=0.5)
        belief = update(belief, estimate, settings=SETTINGS)
        errors += [belief.mean_um - 2.0] if k > 50 else []
    assert np.std(errors) < 0.2


@pytest.mark.parametrize(
    "estimate",
    [
        estimate_of(4.0, accepted=False),
        estimate_of(math.nan),
        estimate_of(math.inf),
        estimate_of(1.0, std_um=math.nan),
    ],
    ids=["not accepted", "not a number", "infinite", "sd not a number"],
)
def test_an_estimate_that_cannot_be_used_changes_nothing(estimate):
    belief = Belief(1.0, 0.04)
    assert update(belief, estimate, settings=SETTINGS) == belief


def test_one_outlier_is_ignored_and_forgotten():
    belief = update(Belief(0.0, 0.04), estimate_of(8.0), settings=SETTINGS)
    assert (belief.mean_um, belief.n_outliers) == (0.0, 1)
    assert update(belief, estimate_of(0.1), settings=SETTINGS).n_outliers == 0


def test_several_outliers_in_a_row_reset_the_belief():
    belief = Belief(0.0, 0.04, is_tried=True)
    for _ in range(SETTINGS.outliers_to_reset):
        belief = update(belief, estimate_of(8.0), settings=SETTINGS)
    assert belief == Belief(8.0, pytest.approx(0.09), n_resets=1, n_agreed=1)
    agreed = update(belief, estimate_of(8.1), settings=SETTINGS)
    assert agreed.n_resets == 1  # the stage has not moved: that proves nothing
    moved = predict(agreed, move_um=-3.0, dt_s=0.05, settings=SETTINGS)
    assert update(moved, estimate_of(5.05), settings=SETTINGS).n_resets == 0


def test_jumps_of_the_focus_between_which_nothing_moved_do_not_count():
    belief = Belief(0.0, 0.04)
    for jump_um in (8.0, -8.0, 8.0, -8.0):
        for _ in range(2 * SETTINGS.outliers_to_reset):
            belief = update(belief, estimate_of(jump_um), settings=SETTINGS)
    assert belief.n_resets == 0
