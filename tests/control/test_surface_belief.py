"""The filter of a focus surface is exactly a Gaussian process, computed here the direct way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dense_surface import EXACT, dense_covariance, dense_prediction, visits
from hypothesis import given, settings
from hypothesis import strategies as st

from parfocal.control import SurfacePrior
from parfocal.control.surface_belief import ODD_UM, SurfaceBelief
from parfocal.control.surface_drift import drift_step


def filtered(seen, z_um, std_um, *, prior):
    belief = SurfaceBelief.at_first(prior, t_s=0.0, origin_um=(0.0, 0.0))
    for (t_s, x_um, y_um), z in zip(seen, z_um, strict=True):
        belief = belief.later(t_s).take_in(x_um, y_um, focus_z_um=z, std_um=std_um)
    return belief


@given(seed=st.integers(0, 10_000), n=st.integers(1, 14), later_s=st.floats(0, 1e5))
@settings(max_examples=30, deadline=None)
def test_it_predicts_what_a_dense_gaussian_process_predicts(seed, n, later_s):
    prior = EXACT.replace(expected_z_um=60.0)
    seen, z_um = visits(seed, n)
    t_s = seen[-1, 0] + later_s
    asked = np.array([[t_s, x, y] for x in (0.0, 9000.0, 31000.0) for y in (0.0, 4000.0, 18000.0)])
    mean, variance = dense_prediction(seen, z_um, 0.3, asked, prior=prior)
    belief = filtered(seen, z_um, 0.3, prior=prior).later(t_s)
    told_um, told_um2 = belief.heights(asked[:, 1:])
    np.testing.assert_allclose(told_um, mean, rtol=0, atol=2e-4)
    np.testing.assert_allclose(told_um2, variance, rtol=1e-5, atol=2e-4)


def test_few_knots_predict_nearly_the_same():
    random = np.random.default_rng(4)
    xy_um = random.uniform(0, 60_000, (120, 2))
    seen = np.column_stack([np.arange(120.0), xy_um])
    z_um = 20 * np.sin(xy_um[:, 0] / 30_000) + random.normal(0, 0.2, 120)
    many, few = (filtered(seen, z_um, 0.2, prior=SurfacePrior(knot_um=um)) for um in (1e-3, 0.05))
    asked_um = random.uniform(0, 60_000, (50, 2))
    np.testing.assert_allclose(few.heights(asked_um)[0], many.heights(asked_um)[0], atol=0.02)
    assert len(few.knot_at) < 0.7 * len(many.knot_at)


@pytest.mark.parametrize("dt_s", [0.0, 1e-3, 0.05, 100.0, 109.0, 4000.0, 1e6])
def test_two_steps_of_drift_are_as_one_of_both_lengths(dt_s):
    drift = {"rate_um_per_s": 1e-3, "keeps_s": 1e4}
    first, first_added = drift_step(dt_s, **drift)
    second, second_added = drift_step(3 * dt_s, **drift)
    whole, whole_added = drift_step(4 * dt_s, **drift)
    np.testing.assert_allclose(second @ first, whole, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(second @ first_added @ second.T + second_added, whole_added, rtol=1e-6, atol=0)


def test_drift_keeps_its_direction_at_first_and_wanders_after_many_time_constants():
    def sd_um(dt_s):
        factors, added = drift_step(dt_s, rate_um_per_s=1e-3, keeps_s=1e4)
        return math.sqrt((factors @ np.diag([0.0, 1e-6]) @ factors.T + added)[0, 0])

    assert sd_um(100.0) == pytest.approx(0.1, rel=1e-2)
    assert sd_um(4e7) / sd_um(1e7) == pytest.approx(2.0, rel=1e-2)


def test_an_odd_position_is_as_if_it_had_been_known_to_be_odd():
    """Against the dense process with another prior for that one position."""
    prior = EXACT.replace(own_um_per_day=0.0, bow_um=2.0, own_um=5.0)
    seen, z_um = visits(5, 20)
    odd_um = seen[7, 1:]
    belief = filtered(seen, z_um, 0.3, prior=prior)
    told = belief.made_odd(belief.place_of(*odd_um)).heights([[4000.0, 4000.0], [27000.0, 0.0]])
    asked = np.array([[seen[-1, 0], 4000.0, 4000.0], [seen[-1, 0], 27000.0, 0.0]])

    is_odd = (seen[:, 1:] == odd_um).all(axis=1)
    kernel = {"first_seen_s": {}, "prior": prior}
    gram = dense_covariance(seen, seen, **kernel) + 0.3**2 * np.eye(20)
    gram += (ODD_UM**2 - prior.own_um**2) * np.outer(is_odd, is_odd)
    common = dense_covariance(asked, seen, **kernel)
    np.testing.assert_allclose(told[0], common @ np.linalg.solve(gram, z_um), atol=1e-3)


def test_what_was_seen_longest_ago_is_forgotten_and_the_rest_is_as_before():
    prior = SurfacePrior(most_positions=3)
    seen = np.array([[k, 9000.0 * k, 500.0 * k * k] for k in range(5)])
    z_um = np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    few, all_of_them = (filtered(seen, z_um, 0.2, prior=p) for p in (prior, SurfacePrior()))
    assert (len(few.place_at), len(all_of_them.place_at)) == (3, 5)
    assert few.place_of(*seen[1, 1:]) is None and few.place_of(*seen[2, 1:]) is not None
    kept_um = [*seen[2:, 1:], (12_345.0, 678.0)]
    np.testing.assert_allclose(few.heights(kept_um), all_of_them.heights(kept_um), rtol=1e-9)


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 40),
    std_um=st.floats(1e-3, 10),
    bow_um=st.floats(0.1, 100),
    own_um=st.floats(0.01, 10),
)
@settings(max_examples=30, deadline=None)
def test_no_variance_is_ever_negative(seed, n, std_um, bow_um, own_um):
    prior = SurfacePrior(bow_um=bow_um, own_um=own_um)
    seen, z_um = visits(seed, n)
    belief = filtered(seen, z_um, std_um, prior=prior)
    assert np.linalg.eigvalsh(belief.covariance).min() > -1e-6
    np.testing.assert_allclose(belief.covariance, belief.covariance.T, atol=1e-9)
    assert (belief.heights(seen[:, 1:])[1] > 0).all()


def test_a_belief_is_not_changed_by_what_comes_of_it():
    seen, z_um = visits(1, 6)
    belief = filtered(seen, z_um, 0.2, prior=SurfacePrior())
    mean, covariance = belief.mean.copy(), belief.covariance.copy()
    belief.later(1e6).take_in(0.0, 0.0, focus_z_um=1e3, std_um=1.0).made_odd(0).with_open_level(
        9.0
    ).with_open_place(0.0, 0.0, 9.0)
    np.testing.assert_array_equal(belief.mean, mean)
    np.testing.assert_array_equal(belief.covariance, covariance)
