"""Intervals hold the truth as often as they say, and errors are measured as the estimator makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_world import RECIPE, WEI, fresh_model, stack_of

from parfocal.model import FocusEstimator, build_network, load_model
from parfocal.model.backends import InferenceSettings
from parfocal.model.calibration import (
    Calibration,
    Predictions,
    calibrate,
    conformal_scale,
    predict_stacks,
    standard_deviation,
)
from parfocal.model.evidence import gather, seen
from parfocal.model.intervals import Intervals
from parfocal.zstack import ZStack


@pytest.mark.parametrize("n", [9, 19, 60, 500])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_the_interval_holds_the_truth_as_often_as_it_says(n: int, coverage: float) -> None:
    random = np.random.default_rng(0)
    held = []
    for _ in range(4000):
        ratios = random.standard_exponential(n + 1) ** 2
        held.append(ratios[-1] <= conformal_scale(ratios[:-1], coverage=coverage))
    # Between coverage and coverage + 1 / (n + 1); three standard errors are 0.02.
    assert coverage - 0.02 <= np.mean(held) <= coverage + 1 / (n + 1) + 0.02


@given(n=st.integers(20, 2000), coverage=st.floats(0.5, 0.95))
def test_the_interval_is_no_wider_than_it_must_be(n: int, coverage: float) -> None:
    rank = conformal_scale(np.arange(1.0, n + 1), coverage=coverage)
    # A further frame is as likely to fall into each of the n + 1 gaps between the ratios.
    assert rank / (n + 1) >= coverage - 1e-9 > (rank - 1) / (n + 1) - 2e-9


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_the_scale_is_one_of_the_ratios_that_so_many_do_not_exceed(ratios: list[float]) -> None:
    scale = conformal_scale(np.array(ratios))
    assert scale in ratios
    assert np.mean(np.array(ratios) <= scale) >= 0.9


def test_a_standard_deviation_is_that_of_the_normal_distribution_whatever_the_tails() -> None:
    drawn = np.abs(np.random.default_rng(0).normal(0, 0.7, 20_000))
    assert standard_deviation(drawn) == pytest.approx(0.7, rel=0.03)
    drawn[:200] = 50.0  # 1 % of wild ones
    assert standard_deviation(drawn) == pytest.approx(0.7, rel=0.06)


def test_predictions_tell_their_error() -> None:
    predictions = Predictions(np.array([0.0, 1.0, 2.0]), np.array([0.5, 1.0, 4.0]), np.ones(3))
    assert predictions.mae_um == pytest.approx(2.5 / 3)
    assert predictions.within_1um == pytest.approx(2 / 3)


def test_predictions_are_what_the_estimator_says(model_path: Path) -> None:
    header, arrays = load_model(model_path)
    exact = InferenceSettings(backend="torch")
    estimator = FocusEstimator(header, arrays, fingerprint="0", inference=exact)
    stack, focus_z_um = stack_of(50)
    predictions = predict_stacks(_network_of(model_path), [(stack, focus_z_um)], header.recipe)
    np.testing.assert_allclose(predictions.actual_um, stack.defocus_um(focus_z_um))
    for k, frame in enumerate(stack.frames_zyx):
        estimate = estimator.estimate(frame, pixel_size_um=stack.pixel_size_um)
        assert predictions.inferred_um[k] == pytest.approx(estimate.defocus_um, abs=1e-4)
        stretch = Intervals.from_arrays(arrays).stretch_at(predictions.inferred_um[k])
        std_um = header.spread_scale * stretch * predictions.spread_um[k]
        assert std_um == pytest.approx(estimate.std_um, rel=1e-3)


def _network_of(model_path: Path):
    header, arrays = load_model(model_path)
    network = build_network(header.network, n_bins=header.bins.count)
    network.load_state_dict(
        {
            k.removeprefix("network."): torch.from_numpy(v)
            for k, v in arrays.items()
            if k.startswith("network.")
        }
    )
    return network


def test_validation_stacks_are_what_intervals_are_measured_on(model_path: Path) -> None:
    network = _network_of(model_path)
    training, validation = [stack_of(0)], [stack_of(60), stack_of(61)]
    held_out = calibrate(network, training, validation, RECIPE)
    assert held_out.part == "validation" and len(held_out.predictions.actual_um) == 22
    assert calibrate(network, training, [], RECIPE).part == "train"
    errors = np.abs(held_out.predictions.inferred_um - held_out.predictions.actual_um)
    half_um = half_widths_um(held_out)
    assert np.mean(errors <= half_um * (1 + 1e-9)) >= 0.9
    # Two stacks tell little: as wide as the widest error at least, and as new days need.
    assert (errors <= half_um * (1 + 1e-6)).all()
    # A network that knows other days errs no more on a new one.
    known = calibrate(network, training, validation, RECIPE, knows_other_days=True)
    assert (errors <= half_widths_um(known) * (1 + 1e-6)).all()
    assert known.interval90_scale <= held_out.interval90_scale
    flattered = calibrate(network, training, [], RECIPE, knows_other_days=True)
    assert flattered.interval90_scale == calibrate(network, training, [], RECIPE).interval90_scale


def test_what_must_not_be_answered_is_strange_once_it_was_shown(model_path: Path) -> None:
    network = _network_of(model_path)
    training, validation = [stack_of(k) for k in range(5)], [stack_of(60), stack_of(61)]
    rejects = [as_waves(k) for k in range(6)]
    shown, never_shown = (
        calibrate(network, training, validation, RECIPE, rejects=given) for given in (rejects[:4], [])
    )
    frames = [seen(stack, plane, RECIPE) for stack in rejects[4:] for plane in range(stack.n_planes)]
    evidence = gather(network, frames, RECIPE)
    assert np.median(shown.familiarity.scores(evidence)) < 0.1
    assert np.mean(shown.familiarity.scores(evidence)) <= np.mean(never_shown.familiarity.scores(evidence))


def as_waves(seed: int) -> ZStack:
    """No spots but ripples, as faint as they are."""
    stack, _ = stack_of(seed)
    y, x = np.mgrid[: stack.frame_shape_yx[0], : stack.frame_shape_yx[1]]
    phase = np.random.default_rng(seed).uniform(0, 6, (stack.n_planes, 1, 1))
    waves = 40 * np.sin(0.5 * x + 0.2 * y + phase)
    grain = np.random.default_rng([seed, 2]).normal(0, 10, waves.shape)
    return ZStack(
        (stack.frames_zyx.mean() + waves + grain).astype(np.uint16), stack.z_um, stack.pixel_size_um
    )


def half_widths_um(calibration: Calibration) -> NDArray[np.float64]:
    predictions = calibration.predictions
    stretch = calibration.intervals.stretch_at(predictions.inferred_um)
    return calibration.interval90_scale * calibration.spread_scale * stretch * predictions.spread_um


def test_the_estimator_gives_the_intervals_of_the_calibration(model_path: Path) -> None:
    header, _ = load_model(model_path)
    estimator = FocusEstimator.load(model_path, backend="torch")
    for frame in stack_of(50)[0].frames_zyx[::3]:
        told = estimator.estimate(frame, pixel_size_um=stack_of(50)[0].pixel_size_um)
        half_um = header.interval90_scale * told.std_um
        low_um, high_um = told.interval90_um
        assert high_um - told.defocus_um == pytest.approx(half_um, rel=1e-6)
        assert told.defocus_um - low_um == pytest.approx(half_um, rel=1e-6)


def test_an_answer_that_is_too_broad_is_not_accepted(model_path: Path) -> None:
    header, arrays = load_model(model_path)
    exact = InferenceSettings(backend="torch")
    frame = stack_of(50)[0].frames_zyx[5]
    accepted = {}
    for widest_um in (1e-3, 1e3):
        narrowed = {**arrays, "interval.widest_spread_um": np.array([widest_um], np.float32)}
        estimator = FocusEstimator(header, narrowed, fingerprint="0", inference=exact)
        told = estimator.estimate(frame, pixel_size_um=stack_of(50)[0].pixel_size_um)
        accepted[widest_um] = told.accepted
        assert told.in_distribution > 0.5
    assert accepted == {1e-3: False, 1e3: True}


def test_a_network_that_is_sure_and_wrong_gets_wide_but_finite_intervals() -> None:
    header, _ = fresh_model(WEI.replace(answer="most_probable"))
    network = build_network(header.network, n_bins=header.bins.count)
    with torch.no_grad():
        network.fc2.bias[0] = 1e6
    calibration = calibrate(network, [stack_of(0)], [stack_of(1)], header.recipe)
    half_um = half_widths_um(calibration)
    assert np.isfinite(half_um).all() and np.mean(half_um > 9) > 0.9
