"""Tiles tell layers apart where the frame as a whole cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from parfocal.model import NetworkSettings, build_network
from parfocal.model.layers import layers_of, softmax, tile_mixture, two_layers_of

CENTRES_UM = np.arange(-8.0, 9.0)


def logits_at(defocus_um: float) -> NDArray[np.float32]:
    return (-0.5 * (CENTRES_UM - defocus_um) ** 2).astype(np.float32)


def outputs_of(tiles_um: list[float], weights: list[float]) -> dict[str, NDArray[np.float32]]:
    """A frame of one row of tiles."""
    tiles = np.stack([logits_at(um) for um in tiles_um], axis=1)[None, :, None, :]
    shares = np.array(weights, np.float32)[None, None, None, :]
    return {"logits": (tiles * shares).sum((2, 3)), "tile_logits": tiles, "tile_weights": shares}


def test_two_layers_are_told_although_their_product_lies_between_them() -> None:
    outputs = outputs_of([-5.0, -5.0, 4.0], [0.3, 0.3, 0.4])
    of_frame = layers_of(softmax(outputs["logits"][0]), CENTRES_UM)
    assert len(of_frame) == 1 and abs(of_frame[0]) < 2
    assert layers_of(tile_mixture(outputs), CENTRES_UM) == pytest.approx((-5.0, 4.0), abs=0.05)


def test_tiles_without_weight_make_no_layer() -> None:
    outputs = outputs_of([-5.0, 4.0], [0.99, 0.01])
    assert layers_of(tile_mixture(outputs), CENTRES_UM) == pytest.approx((-5.0,), abs=0.05)


def test_a_network_without_tiles_has_its_one_distribution() -> None:
    mixture = tile_mixture({"logits": logits_at(2.0)[None]})
    assert mixture.sum() == pytest.approx(1)
    assert layers_of(mixture, CENTRES_UM) == pytest.approx((2.0,), abs=0.01)


def cells_at(*layers: tuple[float, int], spread_um: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Defocus and presence of places, so many at each height, and as many again where there is nothing."""
    random = np.random.default_rng(0)
    there = np.concatenate([random.normal(um, spread_um, n) for um, n in layers])
    nothing = random.uniform(-10, 10, len(there))
    presence = np.concatenate([np.full(len(there), 0.9), np.full(len(there), 0.05)])
    return np.concatenate([there, nothing]).reshape(2, -1), presence.reshape(2, -1)


def test_cells_in_two_layers_are_told_apart_the_larger_first() -> None:
    assert two_layers_of(*cells_at((-1.0, 40), (3.0, 120))) == pytest.approx((3.0, -1.0), abs=0.1)


@pytest.mark.parametrize(
    "layers",
    [[(2.0, 100)], [(0.0, 100), (1.2, 100)], [(0.0, 196), (4.0, 4)]],
    ids=["one", "two that are near", "a few cells elsewhere"],
)
def test_one_layer_is_not_taken_for_two(layers: list[tuple[float, int]]) -> None:
    assert two_layers_of(*cells_at(*layers)) is None


@pytest.mark.parametrize("presence", [0.0, 0.9])
def test_nothing_and_a_single_place_are_no_two_layers(presence: float) -> None:
    assert two_layers_of(np.array([[1.0]]), np.array([[presence]])) is None


def test_a_network_that_knows_cells_tells_of_each_tile_what_is_there() -> None:
    torch.manual_seed(0)
    network = build_network(NetworkSettings(octaves=2, per_octave=1, cell_bins=9), n_bins=7).eval()
    with torch.inference_mode():
        outputs = network.outputs(torch.rand(2, 1, 96, 112))
    assert outputs["cell_um"].shape == outputs["cell_presence"].shape == (2, 6, 7)
    assert network.reader is not None
    assert outputs["cell_um"].abs().max() <= network.reader.centres_um.abs().max()
    assert ((outputs["cell_presence"] >= 0) & (outputs["cell_presence"] <= 1)).all()
