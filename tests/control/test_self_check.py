"""Small known moves tell sign and gain of a model, and whether it fits the sample at all."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lock_fakes import TinyMicroscope, TruthfulEstimator, estimate_of

from parfocal.control import (
    FocusLock,
    LimitSettings,
    LockSettings,
    LockState,
    Look,
    SelfCheckSettings,
    SimulatedClock,
    check_looks,
)
from parfocal.control.self_check import planned_offset_um, scaled

SETTINGS = SelfCheckSettings()


def looks_of(gain: float, *, noise_um: float = 0.05, offset_um: float = 3.0, refused: int = 0) -> list[Look]:
    random = np.random.default_rng(1)
    offsets = [planned_offset_um(k, step_um=1.25) for k in range(SETTINGS.looks)]
    return [
        Look(z, offset_um + gain * z + noise_um * random.standard_normal(), accepted=k >= refused)
        for k, z in enumerate(offsets)
    ]


def test_a_model_that_is_right_is_left_alone():
    check = check_looks(looks_of(1.0), SETTINGS)
    assert check.refusal == ""
    assert check.gain == pytest.approx(1.0, abs=0.05) and check.noise_um < 0.1
    assert check.factor == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("gain", [0.6, 1.5, 2.2])
def test_a_gain_is_learned(gain):
    check = check_looks(looks_of(gain), SETTINGS)
    assert check.refusal == ""
    assert check.factor * gain == pytest.approx(1.0, abs=0.06)


def test_a_gain_that_is_hardly_known_hardly_counts():
    rough, exact = (check_looks(looks_of(2.0, noise_um=noise), SETTINGS) for noise in (1.2, 0.01))
    assert rough.refusal == exact.refusal == "" and rough.gain_sd > 0.25
    assert abs(rough.factor - 1) < 0.8 * abs(1 / rough.gain - 1)


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        (looks_of(-1.0), "as if contrast were inverted"),
        (looks_of(0.0, noise_um=0.4), "do not follow the stage"),
        (looks_of(0.05, noise_um=0.001), "0.05 times as much"),
        (looks_of(3.5), "3.5. times as much"),
        (looks_of(1.0, refused=5), "only 4 of 9 images can be told"),
        ([Look(1.0, 2.0, True)] * 9, "the stage did not move"),
        ([Look(float(k), np.nan, True) for k in range(9)], "only 0 of 9"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_the_reason(looks, told):
    check = check_looks(looks, SETTINGS)
    assert re.search(told, check.refusal)
    assert check.factor == 1.0


@given(
    st.lists(
        st.tuples(st.floats(-50, 50), st.floats(allow_nan=True, allow_infinity=True), st.booleans()),
        max_size=12,
    )
)
def test_whatever_it_is_told_its_factor_is_one_to_multiply_by(rows):
    check = check_looks([Look(*row) for row in rows], SETTINGS)
    assert 1 / SETTINGS.highest_gain <= check.factor <= 1 / SETTINGS.lowest_gain
    assert check.refusal or np.isfinite([check.gain, check.gain_sd]).all()


def test_all_lengths_of_an_estimate_are_scaled():
    estimate = estimate_of(2.0, std_um=0.4)
    twice = scaled(estimate, 2.0)
    assert (twice.defocus_um, twice.std_um, twice.layers_um) == (4.0, 0.8, (4.0,))
    assert twice.interval90_um == pytest.approx([2 * end for end in estimate.interval90_um])
    assert scaled(estimate, 1.0) is estimate


LIMITS = LimitSettings(lowest_z_um=-60, highest_z_um=60)
CHECKED = LockSettings(limits=LIMITS, self_check=SETTINGS.model_dump())


def lock_with(*, sign: float = 1.0, accepted=lambda frame: True, z_um: float = 6.0, settings=CHECKED):
    clock = SimulatedClock(1.0, paced=False)
    microscope = TinyMicroscope(clock, z_um=z_um)
    estimator = TruthfulEstimator(microscope, noise_um=0.1, sign=sign, accepted=accepted)
    lock = FocusLock(
        microscope, microscope, estimator, settings=settings, clock=clock, truth=microscope.true_defocus_um
    )
    return lock, microscope


def test_a_lock_checks_the_model_before_it_follows_it():
    lock, microscope = lock_with()
    states = [lock.step().state for _ in range(SETTINGS.looks)]
    assert states[:-1] == [LockState.VERIFYING] * (SETTINGS.looks - 1) and states[-1] is LockState.IDLE
    assert {round(abs(z - 6.0), 2) for z in microscope.commands} == {0.0, 1.25}
    assert microscope.z_um == 6.0
    assert lock.self_check.refusal == ""
    assert lock.run(10.0).held


@pytest.mark.parametrize("gain", [0.6, 1.7])
def test_a_model_of_another_gain_is_followed_all_the_same(gain):
    lock, _ = lock_with(sign=gain)
    summary = lock.run(10.0)
    assert summary.held
    assert lock.self_check.factor * gain == pytest.approx(1.0, abs=0.15)


def test_a_model_of_the_wrong_sign_is_never_followed():
    lock, microscope = lock_with(sign=-1.0)
    summary = lock.run(10.0)
    assert not summary.held and summary.n_frames == SETTINGS.looks
    assert "not locked, as the model does not fit this sample: the answers fall" in summary.fault
    assert all(abs(z - 6.0) < 1.3 for z in microscope.commands)
    assert microscope.z_um == 6.0
    assert {lock.step().move_um for _ in range(20)} == {0.0}


def test_where_nothing_can_be_told_there_is_no_lock():
    lock, microscope = lock_with(accepted=lambda frame: frame % 4 == 0)
    summary = lock.run(10.0)
    assert "only 3 of 9 images can be told" in summary.fault
    assert microscope.z_um == 6.0


def test_the_known_moves_stay_within_the_window():
    limits = LimitSettings(lowest_z_um=5.5, highest_z_um=60, largest_step_um=1.0)
    lock, microscope = lock_with(settings=CHECKED.replace(limits=limits.model_dump()))
    for _ in range(SETTINGS.looks):
        lock.step()
    assert min(microscope.commands) >= 5.5 and max(microscope.commands) <= 7.01
