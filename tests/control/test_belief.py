import math
from dataclasses import replace

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
    assert belief.sd_um == pytest.approx(math.hypot(10.2, 1.5 * SETTINGS.scale_error))


@pytest.mark.parametrize(("std_um", "left_um"), [(0.01, 0.15), (0.3, 0.3)])
def test_averaging_any_number_of_frames_does_not_beat_what_they_err_alike(std_um, left_um):
    belief = Belief.unknown()
    for _ in range(1000):
        belief = update(belief, estimate_of(1.0, std_um=std_um), settings=SETTINGS)
    assert belief.sd_um == pytest.approx(left_um, rel=0.03)


def test_a_clock_that_was_set_back_narrows_nothing():
    belief = Belief(1.0, 0.04)
    assert predict(belief, move_um=0.0, dt_s=-3600.0, settings=SETTINGS).sd_um == belief.sd_um


@pytest.mark.parametrize("bias_um", [0.15, 0.3])
@pytest.mark.parametrize("memory_s", [60.0, 1800.0])
def test_intervals_hold_the_truth_also_where_frames_err_alike(bias_um, memory_s):
    held, keep = [], math.exp(-0.05 / memory_s)
    for seed in range(10):
        generator = np.random.default_rng(seed)
        belief, bias = Belief.unknown(), bias_um * generator.standard_normal()
        for k in range(2000):
            bias = keep * bias + math.sqrt(1 - keep**2) * bias_um * generator.standard_normal()
            true_um = 10.0 * 0.05 * k / 3600  # 10 um an hour
            told_um = true_um + bias + 0.05 * generator.standard_normal()
            belief = predict(belief, move_um=0.0, dt_s=0.05, settings=SETTINGS)
            told = estimate_of(told_um, std_um=math.hypot(bias_um, 0.05))
            belief = update(belief, told, settings=SETTINGS)
            held.append(abs(belief.mean_um - true_um) < belief.half90_um)
    assert 0.8 < np.mean(held) <= 1.0


def test_of_two_layers_the_one_that_is_followed_counts():
    belief = update(Belief.unknown(), estimate_of(0.0), settings=SETTINGS)
    both = replace(estimate_of(4.9), layers_um=(5.2, 0.2))
    followed = update(belief, both, settings=SETTINGS)
    assert (followed.n_outliers, followed.mean_um) == (0, pytest.approx(0.1, abs=0.1))
    assert update(belief, estimate_of(4.9), settings=SETTINGS).n_outliers == 1


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
    assert belief == Belief(8.0, pytest.approx(0.09), pytest.approx(0.0855), n_resets=1, n_agreed=1)
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


@pytest.mark.parametrize(("frame_s", "within_um_per_h"), [(0.05, 2.5), (36.0, 1.0), (300.0, 1.0)])
def test_a_steady_drift_is_learned_and_goes_on_while_nothing_can_be_told(frame_s, within_um_per_h):
    generator, drift_um_per_h = np.random.default_rng(2), -6.0
    belief, hours = Belief.unknown(), 3 if frame_s > 1 else 1
    for k in range(round(3600 * hours / frame_s)):
        told_um = drift_um_per_h * k * frame_s / 3600 + 0.1 * generator.standard_normal()
        belief = predict(belief, move_um=0.0, dt_s=frame_s, settings=SETTINGS)
        belief = update(belief, estimate_of(told_um, std_um=0.2), settings=SETTINGS, dt_s=frame_s)
    learned = 3600 * belief.drift_um_per_s
    assert learned == pytest.approx(drift_um_per_h, abs=within_um_per_h)
    later = predict(belief, move_um=0.0, dt_s=1800.0, settings=SETTINGS)
    assert later.mean_um - belief.mean_um == pytest.approx(learned / 2)


def test_the_way_to_focus_is_no_drift():
    belief = update(Belief.unknown(), estimate_of(12.0), settings=SETTINGS, dt_s=0.05)
    for defocus_um in (12.0, 7.0, 3.0, 0.5):
        belief = predict(belief, move_um=defocus_um - belief.mean_um, dt_s=0.05, settings=SETTINGS)
        belief = update(belief, estimate_of(defocus_um), settings=SETTINGS, dt_s=0.05)
    assert belief.drift_um_per_s == 0.0


def test_no_drift_is_learned_that_is_faster_than_there_may_be():
    belief = Belief(0.0, 0.04, n_agreed=100)
    for _ in range(500):
        belief = predict(belief, move_um=0.0, dt_s=36.0, settings=SETTINGS)
        belief = update(belief, estimate_of(belief.mean_um + 1.0), settings=SETTINGS, dt_s=36.0)
    assert 3600 * belief.drift_um_per_s == pytest.approx(SETTINGS.fastest_drift_um_per_h)
