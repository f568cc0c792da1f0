"""Whether stated intervals hold the truth as often as they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from parfocal.evaluation.bootstrap import ci95_of_mean

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Stated probabilities of the central intervals that are looked at."""

_ROUNDING = 1e-9  # an interval holds its own ends

Floats = NDArray[np.float64]


def probability_below(actual_um: float, probabilities: ArrayLike, bin_centres_um: ArrayLike) -> float:
    """Probability that defocus is below a value, by a distribution over bins: a number from 0 to 1.

    Parameters
    ----------
    actual_um : float
        The value, in um; the true defocus gives the probability integral transform of the truth.
    probabilities : array, shape (bins,)
        Probability of each bin.
    bin_centres_um : array, shape (bins,)
        Centre of each bin, in um, increasing.

    Returns
    -------
    float
        NaN where the distribution is not finite or has fewer than two bins, which leaves no width.

    Notes
    -----
    The density is constant inside each bin, and bins meet half-way between centres. Central intervals of
    probability p hold the truth where ``|2 F - 1| <= p``; over many frames F is uniform where the
    distributions are honest (Dawid 1984; Gneiting, Balabdaoui & Raftery 2007).

    Examples
    --------
    >>> probability_below(0.25, [0.25, 0.5, 0.25], [-1.0, 0.0, 1.0])
    0.625
    """
    weights, centres = np.asarray(probabilities, np.float64), np.asarray(bin_centres_um, np.float64)
    if centres.size < 2 or not np.isfinite(weights).all() or not weights.sum() > 0:
        return math.nan
    inner = (centres[1:] + centres[:-1]) / 2
    edges = np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])
    below = np.concatenate([[0.0], np.cumsum(weights)])
    return float(np.interp(actual_um, edges, below / below[-1]))


def reliability(
    *,
    actual_um: ArrayLike,
    inferred_um: ArrayLike,
    std_um: ArrayLike,
    low_um: ArrayLike,
    high_um: ArrayLike,
    pit: ArrayLike,
    accepted: ArrayLike,
    stacks: ArrayLike,
    seed: int = 0,
) -> dict[str, Any]:
    """Share of frames whose stated intervals hold the truth, for several stated probabilities.

    Parameters
    ----------
    actual_um, inferred_um, std_um : array, shape (N,)
        The truth, and the answer with its standard deviation, in um; NaN without an answer.
    low_um, high_um : array, shape (N,)
        Ends of the stated 90 % interval, in um.
    pit : array, shape (N,)
        See `probability_below`.
    accepted : array of bool, shape (N,)
        Where the estimator stands by its answer.
    stacks : array, shape (N,)
        Which stack each frame belongs to: any labels.
    seed : int
        Of the bootstrap over stacks.

    Returns
    -------
    dict
        ``level``, stated probabilities. ``distribution`` and ``normal``: for each level ``share`` and
        ``share_ci95`` of frames whose interval holds the truth, by the distribution over bins as the network
        gives it, and by a normal distribution of the stated standard deviation about the answer.
        ``interval90``: the stated 90 % interval (``share, share_ci95, n_images, median_width_um``), and the
        same where the estimator stands by its answer, ``interval90_accepted``. None where no frame tells.
    """
    actual, inferred, spread = _floats(actual_um), _floats(inferred_um), _floats(std_um)
    low, high, transform = _floats(low_um), _floats(high_um), _floats(pit)
    names, trusted, answered = np.asarray(stacks), np.asarray(accepted, bool), np.isfinite(inferred)
    told = answered & np.isfinite(transform)
    spread_known = answered & (spread > 0)
    below = ndtr((actual[spread_known] - inferred[spread_known]) / spread[spread_known])
    bounded = answered & np.isfinite(low) & np.isfinite(high)
    return {
        "level": list(LEVELS),
        "distribution": _shares(transform[told], names[told], seed=seed),
        "normal": _shares(below, names[spread_known], seed=seed),
        "interval90": _interval(actual, low, high, names, chosen=bounded, seed=seed),
        "interval90_accepted": _interval(actual, low, high, names, chosen=bounded & trusted, seed=seed),
    }


def _shares(below: Floats, stacks: NDArray[Any], *, seed: int) -> dict[str, list[Any]]:
    """Share of truths inside each central interval, from the probability below each truth."""
    needed = np.abs(2 * below - 1)  # the narrowest central interval that holds the truth
    held = [needed <= level + _ROUNDING for level in LEVELS]
    return {
        "share": [_mean(inside) for inside in held],
        "share_ci95": [ci95_of_mean(inside, stacks, seed=seed) for inside in held],
    }


def _interval(
    actual_um: Floats,
    low_um: Floats,
    high_um: Floats,
    stacks: NDArray[Any],
    *,
    chosen: NDArray[np.bool_],
    seed: int,
) -> dict[str, Any]:
    actual, low, high = actual_um[chosen], low_um[chosen], high_um[chosen]
    held = (low <= actual) & (actual <= high)
    return {
        "share": _mean(held),
        "share_ci95": ci95_of_mean(held, stacks[chosen], seed=seed),
        "n_images": len(actual),
        "median_width_um": float(np.median(high - low)) if actual.size else None,
    }


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if values.size else None


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, np.float64)
