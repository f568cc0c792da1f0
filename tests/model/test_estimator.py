"""The estimator answers for frames like those it learned from, and refuses or abstains on others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as array_strategy
from numpy.typing import NDArray
from small_world import BACKGROUND, PIXEL_UM, SIDE_PX, WEI, frame_at, fresh_model

from parfocal.errors import ModelError
from parfocal.estimate import Estimator, FocusEstimate
from parfocal.model import BinSettings, FocusEstimator, load_model, save_model
from parfocal.model.estimator import answer, layers_of

HELD_OUT = [(defocus_um, 100 + k) for k, defocus_um in enumerate(np.linspace(-4.5, 4.5, 40))]


@pytest.fixture(scope="module")
def held_out(well_taught: FocusEstimator) -> list[tuple[float, FocusEstimate]]:
    """The truth and the estimate of frames of scenes that were never seen."""
    return [
        (z_um, well_taught.estimate(frame_at(z_um, seed=seed), pixel_size_um=PIXEL_UM))
        for z_um, seed in HELD_OUT
    ]


def test_it_keeps_the_contract_of_estimators(estimator: FocusEstimator) -> None:
    assert isinstance(estimator, Estimator)
    assert len(estimator.fingerprint) == 12
    low_um, high_um = estimator.z_range_um
    assert -5.5 < low_um < -4.5 and 4.5 < high_um < 5.5


def test_it_tells_the_defocus_of_unseen_scenes(held_out: list[tuple[float, FocusEstimate]]) -> None:
    errors = np.array([estimate.defocus_um - truth for truth, estimate in held_out])
    assert np.abs(errors).mean() < 0.6
    assert np.mean([estimate.accepted for _, estimate in held_out]) > 0.9


def test_its_intervals_hold_most_truths(held_out: list[tuple[float, FocusEstimate]]) -> None:
    inside = [e.interval90_um[0] <= truth <= e.interval90_um[1] for truth, e in held_out]
    assert np.mean(inside) >= 0.75
    assert np.mean([e.interval90_um[1] - e.interval90_um[0] for _, e in held_out]) < 5


def test_an_estimate_is_consistent(held_out: list[tuple[float, FocusEstimate]]) -> None:
    for _, estimate in held_out:
        assert estimate.probabilities.sum() == pytest.approx(1) and (estimate.probabilities >= 0).all()
        assert estimate.probabilities.shape == estimate.bin_centres_um.shape == (13,)
        assert estimate.defocus_um == pytest.approx(estimate.probabilities @ estimate.bin_centres_um)
        assert estimate.std_um > 0 and estimate.latency_ms > 0
        assert estimate.interval90_um[0] < estimate.defocus_um < estimate.interval90_um[1]
        assert 0 <= estimate.in_distribution <= 1


def test_the_same_frame_gets_the_same_answer(estimator: FocusEstimator) -> None:
    frame = frame_at(2.0, seed=200)
    before = frame.copy()
    a, b = (estimator.estimate(frame, pixel_size_um=PIXEL_UM) for _ in range(2))
    assert a.defocus_um == b.defocus_um and a.in_distribution == b.in_distribution
    np.testing.assert_array_equal(frame, before)


@pytest.mark.parametrize("shape", [(32, 32), (33, 70), (71, 64), (201, 150)])
def test_any_frame_size_will_do(shape: tuple[int, int], estimator: FocusEstimator) -> None:
    frame = frame_at(1.0, seed=5, side_px=201)[: shape[0], : shape[1]]
    assert math.isfinite(estimator.estimate(frame, pixel_size_um=PIXEL_UM).defocus_um)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_grey_values_may_be_of_any_type_of_camera(dtype: type, estimator: FocusEstimator) -> None:
    frame = (frame_at(3.0, seed=5) / 40).astype(dtype)
    assert estimator.estimate(frame, pixel_size_um=PIXEL_UM).defocus_um == pytest.approx(3.0, abs=1.5)


def test_a_view_of_a_larger_frame_will_do(estimator: FocusEstimator) -> None:
    frame = frame_at(1.0, seed=5, side_px=140)
    flipped = frame[::-2, ::2]
    copied = estimator.estimate(np.ascontiguousarray(flipped), pixel_size_um=PIXEL_UM)
    assert estimator.estimate(flipped, pixel_size_um=PIXEL_UM).defocus_um == copied.defocus_um


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (np.zeros((40, 40, 3), np.uint8), r"shape \(Y, X\), got shape \(40, 40, 3\)"),
        (np.zeros((2, 40, 40), np.uint16), r"got shape \(2, 40, 40\)"),
        (np.zeros(40, np.uint16), r"got shape \(40,\)"),
        (np.zeros((40, 40)), "float64"),
        (np.zeros((40, 40), np.int32), "int32"),
        (np.zeros((40, 40), bool), "bool"),
        (np.full((40, 40), np.nan, np.float32), "finite"),
        (np.zeros((7, 40), np.uint16), "at least 32 x 32 pixels.*got 40 x 7"),
        (np.zeros((0, 0), np.uint16), "at least 32 x 32 pixels"),
    ],
    ids=["RGB", "stack", "line", "float64", "int32", "mask", "NaN", "small", "empty"],
)
def test_what_is_no_camera_frame_is_refused(
    frame: NDArray[Any], told: str, estimator: FocusEstimator
) -> None:
    with pytest.raises(ModelError, match=told):
        estimator.estimate(frame, pixel_size_um=PIXEL_UM)


@pytest.mark.parametrize("pixel_size_um", [0.1, 0.48, 0.52, 2.0])
def test_another_pixel_size_is_refused_with_both_numbers(
    pixel_size_um: float, estimator: FocusEstimator
) -> None:
    told = rf"made for pixels of 0\.5 um, the image has {pixel_size_um:g} um.*--rescale"
    with pytest.raises(ModelError, match=told):
        estimator.estimate(frame_at(0.0, seed=5), pixel_size_um=pixel_size_um)


@pytest.mark.parametrize("pixel_size_um", [0.0, -0.5, math.nan, math.inf])
def test_a_pixel_size_that_cannot_be_is_refused(pixel_size_um: float, model_path: Any) -> None:
    for rescale in (False, True):
        with pytest.raises(ModelError, match="pixel"):
            FocusEstimator.load(model_path, rescale=rescale).estimate(
                frame_at(0.0, seed=5), pixel_size_um=pixel_size_um
            )


@pytest.mark.parametrize("scale", [2, 3])
def test_finer_pixels_are_averaged_where_rescaling_is_allowed(scale: int, model_path: Any) -> None:
    estimator = FocusEstimator.load(model_path, rescale=True)
    frame = frame_at(2.0, seed=200)
    finer = np.kron(frame, np.ones((scale, scale), np.uint16))
    expected = estimator.estimate(frame, pixel_size_um=PIXEL_UM)
    estimate = estimator.estimate(finer, pixel_size_um=PIXEL_UM / scale)
    assert estimate.defocus_um == pytest.approx(expected.defocus_um, abs=1e-4)


def test_coarser_pixels_are_refused_even_then(model_path: Any) -> None:
    with pytest.raises(ModelError, match=r"0\.5 um or finer, got 0\.8 um"):
        FocusEstimator.load(model_path, rescale=True).estimate(frame_at(0.0, seed=5), pixel_size_um=0.8)


def _noise() -> NDArray[np.uint16]:
    random = np.random.default_rng(0)
    return random.normal(BACKGROUND, 300, (SIDE_PX, SIDE_PX)).astype(np.uint16)


def _half_saturated() -> NDArray[np.uint16]:
    frame = frame_at(3.0, seed=5)
    return np.minimum(frame, np.uint16(np.median(frame)))


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((SIDE_PX, SIDE_PX), np.uint16),
        np.full((SIDE_PX, SIDE_PX), 4000, np.uint16),
        np.full((SIDE_PX, SIDE_PX), 65535, np.uint16),
        np.full((SIDE_PX, SIDE_PX), 255, np.uint8),
        _half_saturated(),
        _noise(),
    ],
    ids=["black", "blank", "saturated", "saturated 8 bit", "half saturated", "noise"],
)
def test_it_abstains_on_a_frame_that_shows_nothing(frame: NDArray[Any], estimator: FocusEstimator) -> None:
    estimate = estimator.estimate(frame, pixel_size_um=PIXEL_UM)
    assert not estimate.accepted and estimate.in_distribution < 0.5
    assert math.isfinite(estimate.defocus_um) and estimate.std_um > 0


def test_the_2018_network_looks_at_the_centre_of_a_larger_frame() -> None:
    header, arrays = fresh_model(WEI)
    estimator = FocusEstimator(header, arrays, fingerprint="0")
    frame = frame_at(1.0, seed=5)
    centre = estimator.estimate(frame[11:61, 11:61], pixel_size_um=PIXEL_UM)
    whole = estimator.estimate(frame, pixel_size_um=PIXEL_UM)
    np.testing.assert_array_equal(whole.probabilities, centre.probabilities)
    with pytest.raises(ModelError, match="at least 50 x 50"):
        estimator.estimate(frame[:49], pixel_size_um=PIXEL_UM)


def test_a_field_is_the_centre_of_the_frame(model_path: Any) -> None:
    frame = frame_at(2.0, seed=200, side_px=140)
    estimator = FocusEstimator.load(model_path, field_um=40.0)
    cut = estimator.estimate(frame[30:110, 30:110], pixel_size_um=PIXEL_UM)
    assert estimator.estimate(frame, pixel_size_um=PIXEL_UM).defocus_um == cut.defocus_um
    with pytest.raises(ModelError, match=r"field above 0 um, got 0"):
        FocusEstimator.load(model_path, field_um=0.0)


def test_a_model_of_large_frames_looks_at_their_centre_but_maps_all_of_them(model_path: Any) -> None:
    header, arrays = load_model(model_path)
    frame = frame_at(2.0, seed=200, side_px=140)
    centred = header.replace(recipe=header.recipe.replace(field_um=40.0).model_dump())
    estimator = FocusEstimator(centred, arrays, fingerprint="0")
    cut = estimator.estimate(frame[30:110, 30:110], pixel_size_um=PIXEL_UM)
    assert estimator.estimate(frame, pixel_size_um=PIXEL_UM).defocus_um == cut.defocus_um
    assert estimator.defocus_map(frame, pixel_size_um=PIXEL_UM).x_um.min() < 20


@pytest.mark.parametrize("backend", ["torch", "auto"])
def test_a_camera_of_8_or_16_bits_or_floats_gives_the_same_answer(backend: Any, model_path: Any) -> None:
    estimator = FocusEstimator.load(model_path, rescale=True, backend=backend)
    grey = (np.kron(frame_at(2.0, seed=200), np.ones((2, 2))) / 20).astype(np.uint8)
    answers = [
        estimator.estimate(grey.astype(dtype), pixel_size_um=PIXEL_UM / 2).defocus_um
        for dtype in (np.uint8, np.uint16, np.float32)
    ]
    assert answers[0] == answers[1] == answers[2]


def test_the_fingerprint_changes_with_the_model(tmp_path: Any) -> None:
    header, arrays = fresh_model()
    marks = []
    for spread_scale in (1.0, 1.1):
        save_model(tmp_path / "m.safetensors", header.replace(spread_scale=spread_scale), arrays)
        marks.append(FocusEstimator.load(tmp_path / "m.safetensors").fingerprint)
    assert marks[0] != marks[1]


def test_the_most_probable_bin_is_the_answer_where_the_recipe_says_so() -> None:
    probabilities = np.array([0.1, 0.2, 0.4, 0.3])
    bins = BinSettings(lowest_um=-1, highest_um=2)
    assert answer(probabilities, bins, how="most_probable")[0] == 1.0
    assert answer(probabilities, bins, how="expectation")[0] == pytest.approx(0.9)


def test_certainty_of_a_bin_is_still_spread_over_the_bin() -> None:
    spread_um = answer(
        np.array([0.0, 1.0, 0.0]), BinSettings(lowest_um=-2, highest_um=2, width_um=2), how="expectation"
    )[1]
    assert spread_um == pytest.approx(2 / math.sqrt(12))


CENTRES_UM = np.arange(-5.0, 6.0)


@pytest.mark.parametrize(
    ("probabilities", "layers_um"),
    [
        ([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], (0.0,)),
        ([0, 0.3, 0.3, 0, 0, 0, 0, 0, 0.2, 0.2, 0], (-3.5, 3.5)),
        ([0, 0.2, 0.2, 0, 0, 0, 0, 0, 0.3, 0.3, 0], (3.5, -3.5)),
        ([0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5], (-5.0, 5.0)),
        ([0, 0.9, 0, 0, 0, 0, 0, 0, 0.1, 0, 0], (-4.0,)),
        ([0, 0, 0, 0.25, 0.24, 0.26, 0.25, 0, 0, 0, 0], (-0.49,)),
        ([0, 0, 0, 0.3, 0.2, 0.3, 0.2, 0, 0, 0, 0], (-0.6,)),
        ([0, 0, 0, 0.22, 0.56, 0.22, 0, 0, 0, 0, 0], (-1.0,)),
        ([1 / 11] * 11, (0.0,)),
    ],
    ids=[
        "one",
        "two",
        "stronger first",
        "at the ends",
        "too faint",
        "ripple",
        "shallow valley",
        "steep",
        "flat",
    ],
)
def test_layers_are_the_separate_peaks(probabilities: list[float], layers_um: tuple[float, ...]) -> None:
    assert layers_of(np.array(probabilities), CENTRES_UM) == pytest.approx(layers_um)


@given(array_strategy(np.float64, 11, elements=st.floats(0, 1)).filter(lambda weights: weights.sum() > 0.1))
def test_layers_lie_within_the_bins_and_are_no_more_than_can_be(weights: NDArray[np.float64]) -> None:
    layers_um = layers_of(weights / weights.sum(), CENTRES_UM)
    assert len(layers_um) <= 5
    assert all(abs(layer) < 5 + 1e-9 for layer in layers_um)
    assert len(set(layers_um)) == len(layers_um)


def test_once_it_is_open_a_model_needs_its_file_no_longer(model_path, tmp_path):
    path = tmp_path / "gone.safetensors"
    path.write_bytes(model_path.read_bytes())
    opened = FocusEstimator.load(path)
    path.write_bytes(b"overwritten")
    path.unlink()
    frame = frame_at(1.0, seed=3)
    told, expected = (
        e.estimate(frame, pixel_size_um=PIXEL_UM) for e in (opened, FocusEstimator.load(model_path))
    )
    assert told.defocus_um == expected.defocus_um
