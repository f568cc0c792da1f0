from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from parfocal.evaluation.metrics import BANDS_UM, bin_edges_um, focus_metrics, metrics_by_band

EDGES = bin_edges_um(-5.0, 5.0)


def block(actual: Any, inferred: Any, **others: Any) -> dict[str, Any]:
    keywords: dict[str, Any] = {"stack_index": np.zeros(len(actual), int), "bin_edges_um": EDGES, **others}
    return focus_metrics(actual, inferred, **keywords)


def test_errors_of_a_small_case_are_those_done_by_hand() -> None:
    got = block([-2.0, 0.0, 2.0, 4.0], [-2.5, 0.5, 2.0, 6.0], dof_um=1.0)  # errors -.5 .5 0 2
    assert (got["n_stacks"], got["n_images"]) == (1, 4)
    assert got["mae_um"] == 0.75
    assert got["median_abs_um"] == 0.5
    assert got["mse_um2"] == 4.5 / 4
    assert got["rmse_um"] == math.sqrt(4.5 / 4)
    assert got["bias_um"] == 0.5
    assert got["within_1um"] == 0.75
    assert got["within_half_dof"] == 0.75
    assert got["dof_um"] == 1.0


def test_squared_error_is_bias_and_spread() -> None:
    generator = np.random.default_rng(0)
    got = block(generator.normal(0, 3, 200), generator.normal(1, 3, 200))
    assert got["mse_um2"] == pytest.approx(got["bias_um"] ** 2 + got["std_um"] ** 2)


@pytest.mark.parametrize(
    ("dof_um", "expected"),
    [pytest.param(1.5, 1 / 2, id="beyond one depth of field"), pytest.param(None, 2 / 3, id="beyond 1 um")],
)
def test_a_wrong_sign_counts_only_far_from_focus(dof_um: float | None, expected: float) -> None:
    got = block([0.5, 1.2, 3.0, -3.0], [-0.5, -1.2, 3.0, 0.1], dof_um=dof_um)
    assert got["wrong_sign_rate"] == pytest.approx(expected)


def test_no_move_is_no_move_in_the_wrong_direction() -> None:
    assert block([3.0, -3.0], [0.0, 0.0])["wrong_sign_rate"] == 0


def test_an_unknown_depth_of_field_leaves_its_fraction_out() -> None:
    assert block([1.0], [1.0])["within_half_dof"] is None


def test_abstained_frames_count_as_images_and_not_as_errors() -> None:
    got = block([0.0, 1.0, 2.0, 3.0], [0.5, np.nan, 2.5, np.nan])
    assert got["n_images"] == 4
    assert got["answered_rate"] == got["accepted_rate"] == 0.5
    assert got["mae_um"] == 0.5
    assert sum(got["mae_by_z"]["n_images"]) == 2


def test_an_answer_that_the_estimator_does_not_stand_by_is_not_accepted() -> None:
    got = block([0.0, 1.0, 2.0, 3.0], [0.5, np.nan, 2.5, 3.5], accepted=[True, True, False, True])
    assert (got["answered_rate"], got["accepted_rate"]) == (0.75, 0.5)
    assert got["mae_um"] == 0.5


def test_coverage_is_the_fraction_of_intervals_that_hold_the_truth() -> None:
    low, high = [-1.0, 0.5, 0.0, np.nan], [1.0, 1.0, 2.0, np.nan]
    got = block([0.0, 0.0, 2.0, 0.0], [0.0] * 4, interval_low_um=low, interval_high_um=high)
    assert got["interval90_coverage"] == pytest.approx(2 / 3)
    assert block([0.0], [0.0])["interval90_coverage"] is None


def test_error_by_z_puts_each_frame_in_the_bin_of_its_actual_z() -> None:
    got = focus_metrics(
        [-1.0, 0.1, 0.2, 9.0], [0.0, 0.1, 1.2, 9.5], stack_index=[0] * 4, bin_edges_um=[-1.5, -0.5, 0.5, 1.5]
    )["mae_by_z"]
    assert got["bin_centres_um"] == [-1.0, 0.0, 1.0]
    assert got["n_images"] == [1, 2, 1]
    assert got["mae_um"] == pytest.approx([1.0, 0.5, 0.5])
    assert got["bias_um"] == pytest.approx([1.0, 0.5, 0.5])


def test_confusion_rows_are_probabilities_of_the_inferred_bin() -> None:
    got = focus_metrics(
        [-1.0, -1.0, 0.0, 0.0],
        [-1.0, 0.0, 0.0, 7.0],
        stack_index=[0] * 4,
        bin_edges_um=[-1.5, -0.5, 0.5, 1.5],
    )["confusion"]
    assert got["bin_edges_um"] == [-1.5, -0.5, 0.5, 1.5]
    assert got["probability"] == [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [None, None, None]]


def test_the_interval_of_the_mean_holds_it_and_comes_out_the_same_again() -> None:
    generator = np.random.default_rng(1)
    stacks = np.repeat(np.arange(12), 20)
    error = generator.normal(0, 0.5, 12)[stacks] + generator.normal(0, 0.1, 240)
    first, again = (block(np.zeros(240), error, stack_index=stacks) for _ in range(2))
    low, high = first["mae_um_ci95"]
    assert low < first["mae_um"] < high
    assert first["mae_um_ci95"] == again["mae_um_ci95"]


def test_frames_of_one_stack_do_not_count_as_independent() -> None:
    error = np.repeat(np.random.default_rng(2).normal(0, 1, 8), 50)
    by_stack = block(0 * error, error, stack_index=np.repeat(np.arange(8), 50))["mae_um_ci95"]
    by_frame = block(0 * error, error, stack_index=np.arange(400))["mae_um_ci95"]
    assert by_stack[1] - by_stack[0] > 3 * (by_frame[1] - by_frame[0])


def test_one_stack_has_no_interval_of_the_mean() -> None:
    assert block([0.0, 1.0], [0.0, 1.0])["mae_um_ci95"] is None


@pytest.mark.parametrize("inferred", [[np.nan, np.nan], [0.0, 1.0]], ids=["no answer", "answers"])
def test_every_number_is_one_that_json_can_hold(inferred: list[float]) -> None:
    got = block([0.0, 1.0], inferred, dof_um=0.5, interval_low_um=[np.nan] * 2, interval_high_um=[1.0, 2.0])
    assert json.loads(json.dumps(got, allow_nan=False)) == got


def test_bands_share_out_the_frames_and_leave_empty_ones_out() -> None:
    actual = np.array([0.0, -3.0, 3.1, -10.0, 20.0])
    bands = metrics_by_band(actual, actual + 0.5, stack_index=[0, 0, 1, 1, 1], bin_edges_um=EDGES, dof_um=0.5)
    assert {name: band["n_images"] for name, band in bands.items()} == {"0-3": 2, "3-10": 2, "above 15": 1}
    assert bands["0-3"]["n_stacks"] == 1
    assert set(bands) < {name for name, _, _ in BANDS_UM}


def test_a_band_is_the_block_of_its_frames() -> None:
    generator = np.random.default_rng(3)
    actual, stacks = generator.uniform(-5, 5, 60), np.arange(60) % 4
    inferred = actual + generator.normal(0, 0.5, 60)
    arrays = {"interval_low_um": inferred - 1, "interval_high_um": inferred + 1, "accepted": inferred > 0}
    near = np.abs(actual) <= 3
    expected = block(
        actual[near], inferred[near], stack_index=stacks[near], **{k: v[near] for k, v in arrays.items()}
    )
    bands = metrics_by_band(actual, inferred, stack_index=stacks, bin_edges_um=EDGES, **arrays)
    assert bands["0-3"] == expected


@pytest.mark.parametrize(
    ("low", "high", "width", "n_bins"),
    [(-20, 20, 1, 41), (-15, 15, 1, 31), (-3, 3, 0.2, 31), (-300, 300, 20, 31), (0, 0, 0.1, 1)],
)
def test_bins_are_round_cover_the_range_and_centre_on_focus(
    low: float, high: float, width: float, n_bins: int
) -> None:
    edges = bin_edges_um(low, high)
    assert len(edges) - 1 == n_bins
    np.testing.assert_allclose(np.diff(edges), width)
    assert edges[0] <= low
    assert high <= edges[-1]
    assert np.min(np.abs(edges[1:] + edges[:-1])) < 1e-9
