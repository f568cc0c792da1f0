"""Tiles tell layers apart where the frame as a whole cannot."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from parfocal.model.layers import layers_of, softmax, tile_mixture

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
