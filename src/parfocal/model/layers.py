"""Layers: the separate focus populations of one field, told from the evidence of its tiles."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAYER_MASS = 0.2
"""A peak of the distribution with less than this probability is no layer of its own."""
SEEN = 0.3
"""Presence from which on there is something at a place."""
TWO = 0.8
"""Share of the variance that two layers must explain: .64 of one normal layer, .75 of an even spread."""
LEAST_SHARE, LEAST_APART_UM = 0.1, 2.0
"""Of the smaller of two layers; and how far apart they are at least."""


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities of logits, along the first axis."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=0))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=0)
    return probabilities


def tile_mixture(outputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    """How much of a frame's evidence speaks for each bin, shape (bins,).

    Parameters
    ----------
    outputs : mapping
        What a network says of one frame: ``tile_logits`` (1, bins, y, x) with ``tile_weights`` (1, 1, y, x);
        or only ``logits`` (1, bins).

    Notes
    -----
    The frame's own distribution is the product of its tiles': it tells what all of them agree on, and of two
    layers it tells one, or a defocus between them. Their weighted mean keeps both.
    """
    if "tile_logits" not in outputs:
        return softmax(outputs["logits"][0])
    of_tiles = softmax(outputs["tile_logits"][0])
    mixture: NDArray[np.float64] = (of_tiles * outputs["tile_weights"][0]).sum(axis=(1, 2))
    mixture /= mixture.sum()
    return mixture


def layers_of(probabilities: NDArray[np.float64], centres_um: NDArray[np.float64]) -> tuple[float, ...]:
    """Mean defocus of each separate peak of a distribution, most probable first, in um.

    Parameters
    ----------
    probabilities : array, shape (bins,)
    centres_um : array, shape (bins,)

    Notes
    -----
    The distribution is cut where it falls below half of the peaks on either side; a peak holds at least
    `LAYER_MASS` of it.

    Examples
    --------
    >>> centres = np.arange(-3.0, 4.0)
    >>> layers_of(np.array([0.0, 0.6, 0.0, 0.0, 0.0, 0.4, 0.0]), centres)
    (-2.0, 2.0)
    """
    edges = [0, *_valleys(probabilities), len(probabilities)]
    peaks = [(slice(a, b), float(probabilities[a:b].sum())) for a, b in pairwise(edges)]
    kept = sorted((p for p in peaks if p[1] >= LAYER_MASS), key=lambda p: -p[1])
    return tuple(float(probabilities[s] @ centres_um[s] / mass) for s, mass in kept)


def two_layers_of(
    defocus_um: NDArray[np.float64], presence: NDArray[np.floating[Any]]
) -> tuple[float, float] | None:
    """The two layers in which cells lie, the larger first, in um; None where they lie in one.

    Parameters
    ----------
    defocus_um : array of any shape
        Of what lies at each place.
    presence : array of the same shape
        How much is there, from 0 to 1.

    Notes
    -----
    The threshold that leaves least variance on its two sides (Otsu 1979), and what share of the variance it
    takes away.

    Examples
    --------
    >>> [round(um, 3) for um in two_layers_of(np.array([0.0, 0.5, -0.5, 4.0, 0.0]), np.ones(5))]
    [0.0, 4.0]
    >>> two_layers_of(np.linspace(-5, 5, 99), np.ones(99))
    """
    order = np.argsort(defocus_um, axis=None)
    at_um = defocus_um.ravel()[order]
    weight = presence.ravel()[order].astype(np.float64)
    weight = weight * (weight >= SEEN)
    if np.count_nonzero(weight) < 2:
        return None
    below, moment = np.cumsum(weight) / weight.sum(), np.cumsum(weight * at_um) / weight.sum()
    mean_um, share = moment[-1], below[:-1]
    possible = np.maximum(share * (1 - share), 1e-9)
    between = (mean_um * share - moment[:-1]) ** 2 / possible
    between[(share < LEAST_SHARE) | (share > 1 - LEAST_SHARE)] = 0
    k = int(between.argmax())
    whole = float(weight @ (at_um - mean_um) ** 2 / weight.sum())
    if between[k] <= TWO * whole:
        return None
    lower, upper = float(moment[k] / share[k]), float((mean_um - moment[k]) / (1 - share[k]))
    if upper - lower < LEAST_APART_UM:
        return None
    return (lower, upper) if share[k] >= 0.5 else (upper, lower)


def _valleys(probabilities: NDArray[np.float64]) -> list[int]:
    valleys: list[int] = []
    peak = lowest = float(probabilities[0])
    lowest_at = 0
    for k, probability in enumerate(probabilities.tolist()):
        if lowest < peak / 2 and probability > 2 * lowest:
            valleys.append(lowest_at)
            peak, lowest, lowest_at = probability, probability, k
        elif probability > peak:
            peak, lowest, lowest_at = probability, probability, k
        elif probability < lowest:
            lowest, lowest_at = probability, k
    return valleys
