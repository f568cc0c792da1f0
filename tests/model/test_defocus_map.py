"""The map lies where the tiles are, follows their evidence, and is silent where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_world import PIXEL_UM, WEI, frame_at, fresh_model

from parfocal.errors import InputError, ModelError
from parfocal.model import BinSettings, FocusEstimator
from parfocal.model.defocus_map import DefocusMap, TileEvidence, window_centres_px

BINS = BinSettings(lowest_um=-8, highest_um=8)
CENTRES_UM = BINS.centres_um
TILE_UM = 4.0


def map_of(tiles_um: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> DefocusMap:
    """Tiles (y, x) that are sure of their defocus to 1 um."""
    logits = -0.5 * (CENTRES_UM[:, None, None] - tiles_um) ** 2
    shares = np.ones(tiles_um.shape) if weights is None else weights
    y_um, x_um = ((np.arange(n) + 1.0) * TILE_UM for n in tiles_um.shape)
    return DefocusMap(TileEvidence(logits, shares / shares.sum(), y_um, x_um, CENTRES_UM, spread_scale=1.0))


SIDES = np.repeat([[-3.0] * 5 + [4.0] * 5], 6, axis=0)


def test_each_side_of_a_divided_frame_has_its_own_defocus() -> None:
    told = map_of(SIDES).defocus_um
    assert told.shape == (6, 10)
    np.testing.assert_allclose(told[:, :3], -3, atol=0.1)
    np.testing.assert_allclose(told[:, 7:], 4, atol=0.1)
    assert (np.diff(told[2]) > -1e-9).all()


def test_single_places_are_told_as_the_grid_tells_them() -> None:
    divided = map_of(SIDES)
    y_um, x_um = np.meshgrid(divided.y_um, divided.x_um, indexing="ij")
    defocus_um, std_um = divided.at(x_um.ravel(), y_um.ravel())
    np.testing.assert_allclose(defocus_um, divided.defocus_um.ravel())
    np.testing.assert_allclose(std_um, divided.std_um.ravel())


def test_evidence_outweighs_nearness() -> None:
    tiles, weights = np.zeros((1, 3)), np.ones((1, 3))
    tiles[0, 1], weights[0, 1] = 5.0, 100.0
    assert map_of(tiles, weights).at([5.5], [4.0])[0][0] > 4.5
    assert map_of(tiles).at([5.5], [4.0])[0][0] < 4.5


def test_nothing_is_told_where_there_is_no_evidence() -> None:
    weights = np.full((6, 10), 1e-3)
    weights[:, :3] = 1.0
    some = map_of(SIDES, weights)
    assert np.isfinite(some.defocus_um[:, :3]).all()
    assert np.isnan(some.defocus_um[:, 5:]).all() and np.isnan(some.std_um[:, 5:]).all()
    assert some.weight[2, 1] == pytest.approx(1.0, abs=0.1) and some.weight[2, 8] < 0.01


def test_far_outside_the_frame_nothing_is_told_and_nothing_breaks() -> None:
    defocus_um, std_um = map_of(SIDES).at([5000.0, 8.0], [8.0, 8.0])
    assert np.isnan(defocus_um[0]) and np.isnan(std_um[0]) and np.isfinite(defocus_um[1])


def test_tiles_that_contradict_each_other_are_unsure() -> None:
    sure = map_of(SIDES).std_um
    assert sure[2, 1] == pytest.approx(np.sqrt(1 + 1 / 12), rel=0.05)
    flat = TileEvidence(
        np.zeros((BINS.count, 2, 2)),
        np.full((2, 2), 0.25),
        np.arange(2.0),
        np.arange(2.0),
        CENTRES_UM,
        1.0,
    )
    assert DefocusMap(flat).std_um[0, 0] > 4


def test_as_many_y_as_x_are_needed() -> None:
    with pytest.raises(InputError, match=r"as many x_um as y_um, got arrays of shapes \(2,\) and \(1,\)"):
        map_of(SIDES).at([1.0, 2.0], [1.0])


@pytest.mark.parametrize("shape", [(72, 72), (100, 71), (64, 64), (40, 150)])
def test_tiles_lie_in_the_frame_and_as_many_as_the_network_has(
    shape: tuple[int, int], estimator: FocusEstimator
) -> None:
    frame = frame_at(1.0, seed=5, side_px=150)[: shape[0], : shape[1]]
    told = estimator.defocus_map(frame, pixel_size_um=PIXEL_UM)
    assert told.defocus_um.shape == (len(told.y_um), len(told.x_um)) == told.weight.shape
    for centres_um, side_px in ((told.y_um, shape[0]), (told.x_um, shape[1])):
        # As far from the one end as from the other, but for what does not fill a tile.
        ends_um = centres_um[0], PIXEL_UM * side_px - centres_um[-1]
        assert 0 <= ends_um[1] - ends_um[0] < 16 * PIXEL_UM


def test_a_window_that_is_the_whole_frame_has_its_centre() -> None:
    np.testing.assert_array_equal(window_centres_px(48, window_px=64), [24.0])


def test_the_map_of_a_field_within_a_frame_counts_from_the_frame(model_path: Any) -> None:
    frame = frame_at(2.0, seed=200, side_px=160)
    whole = FocusEstimator.load(model_path).defocus_map(frame, pixel_size_um=PIXEL_UM)
    centre = FocusEstimator.load(model_path, field_um=32.0).defocus_map(frame, pixel_size_um=PIXEL_UM)
    assert centre.x_um.mean() == pytest.approx(whole.x_um.mean()) == 40.0


def test_finer_pixels_give_the_same_map(model_path: Any) -> None:
    estimator = FocusEstimator.load(model_path, rescale=True)
    frame = frame_at(2.0, seed=200)
    expected = estimator.defocus_map(frame, pixel_size_um=PIXEL_UM)
    finer = estimator.defocus_map(np.kron(frame, np.ones((2, 2), np.uint16)), pixel_size_um=PIXEL_UM / 2)
    np.testing.assert_allclose(finer.x_um, expected.x_um)
    np.testing.assert_allclose(finer.defocus_um, expected.defocus_um, atol=1e-3)


def test_a_network_without_tiles_has_no_map() -> None:
    header, arrays = fresh_model(WEI)
    with pytest.raises(ModelError, match="window by window, such as focus; this model's is wei2018"):
        FocusEstimator(header, arrays, fingerprint="0").defocus_map(
            frame_at(1.0, seed=5), pixel_size_um=PIXEL_UM
        )
