from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from parfocal.evaluation.baselines import (
    ScoredStack,
    average_profile,
    by_error,
    infer_baselines,
    leading,
    score_stack,
)
from parfocal.focus_measures import FOCUS_MEASURES
from parfocal.zstack import ZStack

Z_UM = np.linspace(-10, 10, 21)
RANGE_UM = (-10.0, 10.0)


def hill(z_um: NDArray[np.float64], *, gain: float = 1.0, centre_um: float = 0.0) -> NDArray[np.float64]:
    """A score that peaks at its centre."""
    return gain * np.exp(-(((z_um - centre_um) / 6) ** 2))


def scored(*, z_um: NDArray[np.float64] = Z_UM, gain: float = 1.0, centre_um: float = 0.0) -> ScoredStack:
    return ScoredStack(z_um, {name: hill(z_um, gain=gain, centre_um=centre_um) for name in FOCUS_MEASURES})


def test_every_measure_is_scored_for_every_frame_against_the_annotated_focus() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (4, 16, 16), dtype=np.uint8)
    got = score_stack(ZStack(frames, [0.0, 1.0, 2.0, 3.0], 0.24), focus_z_um=1.5)
    assert got.defocus_um.tolist() == [-1.5, -0.5, 0.5, 1.5]
    assert set(got.scores) == set(FOCUS_MEASURES)
    assert all(scores.shape == (4,) for scores in got.scores.values())


def test_a_profile_averages_curves_at_their_own_positions() -> None:
    grids = [Z_UM, Z_UM + 0.3, Z_UM - 0.4]
    profile = average_profile(grids, [hill(z) for z in grids], z_range_um=RANGE_UM)
    np.testing.assert_allclose(profile.mean, hill(profile.z_um), atol=0.02)
    assert profile.prior.sum() == pytest.approx(1)
    assert np.all(profile.std > 0)


def test_a_profile_keeps_to_the_range_and_to_where_stacks_reach() -> None:
    profile = average_profile([Z_UM], [hill(Z_UM)], z_range_um=(-4.0, 30.0))
    assert (profile.z_um[0], profile.z_um[-1]) == (-4.0, 10.0)


def test_a_score_that_rises_all_the_way_tells_the_position() -> None:
    profile = average_profile([Z_UM] * 3, [Z_UM - 0.1, Z_UM, Z_UM + 0.1], z_range_um=RANGE_UM)
    asked = np.array([-6.0, -0.5, 5.0])
    np.testing.assert_allclose(profile.expected_z_um(asked), asked, atol=0.05)


def test_a_score_that_fits_both_sides_gives_the_middle() -> None:
    profile = average_profile([Z_UM] * 2, [hill(Z_UM), 1.05 * hill(Z_UM)], z_range_um=RANGE_UM)
    assert profile.expected_z_um(hill(np.array([5.0])))[0] == pytest.approx(0, abs=0.1)


def test_the_expected_position_errs_less_than_the_best_matching_one_without_the_side() -> None:
    generator = np.random.default_rng(0)
    gains = generator.lognormal(0, 0.2, 20)
    profile = average_profile([Z_UM] * 20, [hill(Z_UM, gain=g) for g in gains], z_range_um=RANGE_UM)
    actual = np.tile(Z_UM, 20)
    scores = np.concatenate([hill(Z_UM, gain=g) for g in generator.lognormal(0, 0.2, 20)])
    expected = profile.expected_z_um(scores)
    matching = profile.matching_z_um(scores, side=np.zeros_like(scores))
    assert np.mean((expected - actual) ** 2) < np.mean((matching - actual) ** 2)


def test_an_extreme_score_still_gives_a_finite_position() -> None:
    profile = average_profile([Z_UM], [hill(Z_UM)], z_range_um=RANGE_UM)
    answers = profile.expected_z_um(np.array([0.0, 1e6, -1e6]))
    assert np.all((answers >= -10) & (answers <= 10))


def test_the_matching_position_lies_on_the_side_that_is_given() -> None:
    profile = average_profile([Z_UM], [hill(Z_UM)], z_range_um=RANGE_UM)
    scores = hill(np.array([-5.0, 5.0]))
    got = profile.matching_z_um(scores, side=np.array([-1.0, 1.0]))
    np.testing.assert_allclose(got, [-5, 5], atol=0.1)


def test_a_side_that_the_profile_never_reaches_is_no_dead_end() -> None:
    profile = average_profile([Z_UM + 12], [hill(Z_UM)], z_range_um=(0.0, 30.0))
    assert profile.matching_z_um(np.array([0.5]), side=np.array([-1.0]))[0] >= 0


def test_there_is_a_constant_and_each_measure_without_and_with_help() -> None:
    got = infer_baselines([scored()] * 2, [scored(), scored(z_um=Z_UM[:5])], z_range_um=RANGE_UM)
    helped = [f"{name}_with_oracles" for name in FOCUS_MEASURES]
    assert set(got) == {"constant", *FOCUS_MEASURES, *helped}
    assert all([len(z) for z in answers] == [21, 5] for answers in got.values())


def test_the_constant_is_the_median_of_the_training_frames_within_the_range() -> None:
    training = [ScoredStack(np.array([-50.0, 1.0, 2.0, 3.0]), scored(z_um=np.arange(4.0)).scores)]
    assert infer_baselines(training, [scored()], z_range_um=RANGE_UM)["constant"][0].tolist() == [2.0] * 21


def test_help_makes_a_field_of_another_contrast_readable() -> None:
    training = [scored(gain=gain) for gain in (0.5, 1.0, 2.0)]
    got = infer_baselines(training, [scored(gain=5.0)], z_range_um=RANGE_UM)
    np.testing.assert_allclose(got["brenner_with_oracles"][0], Z_UM, atol=0.1)
    assert np.mean(np.abs(got["brenner"][0] - Z_UM)) > 2


@pytest.mark.parametrize(
    ("training", "names"),
    [
        pytest.param([], set(), id="no training stacks"),
        pytest.param([scored(z_um=Z_UM + 100)], set(), id="none within the range"),
        pytest.param([scored(z_um=Z_UM[:2])], {"constant"}, id="no stack with a profile"),
    ],
)
def test_a_baseline_with_nothing_to_learn_from_is_left_out(
    training: list[ScoredStack], names: set[str]
) -> None:
    assert set(infer_baselines(training, [scored()], z_range_um=RANGE_UM)) == names


ERRORS_UM = {
    "brenner": 5.0,
    "brenner_with_oracles": 1.0,
    "constant": 9.0,
    "entropy": None,
    "entropy_with_oracles": 3.0,
    "tenengrad": 4.0,
    "tenengrad_with_oracles": 2.0,
}
BLOCKS = {name: {"mae_um": error_um} for name, error_um in ERRORS_UM.items()}


def test_baselines_stand_in_the_order_of_their_error_after_the_constant() -> None:
    helped = ["brenner_with_oracles", "tenengrad_with_oracles", "entropy_with_oracles"]
    assert list(by_error(BLOCKS)) == ["constant", *helped, "tenengrad", "brenner", "entropy"]


@pytest.mark.parametrize(
    ("names", "most", "expected"),
    [
        pytest.param(ERRORS_UM, 1, ["constant", "tenengrad", "brenner_with_oracles"], id="the best of each"),
        pytest.param(["constant"], 4, ["constant"], id="no measures"),
        pytest.param([], 4, [], id="nothing"),
        pytest.param(
            ["brenner", "tenengrad", "brenner_with_oracles"],
            1,
            ["tenengrad", "brenner_with_oracles"],
            id="no constant",
        ),
    ],
)
def test_the_leading_measures_are_the_best_alone_and_the_best_helped(
    names: list[str], most: int, expected: list[str]
) -> None:
    assert list(leading({name: BLOCKS[name] for name in names}, most=most)) == expected
