"""Uncertainty of means over frames: whole stacks are drawn, since frames of one are not independent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 1000

Floats = NDArray[np.float64]


def ci95_of_mean(values: NDArray[Any], stacks: NDArray[Any], *, seed: int = 0) -> list[float] | None:
    """95 % interval of the mean over frames, by drawing stacks with replacement.

    Parameters
    ----------
    values : array, shape (N,)
        One number for each frame, of any unit; or whether something holds of it.
    stacks : array, shape (N,)
        Which stack each frame belongs to: any labels.
    seed : int
        Of the draws.

    Returns
    -------
    list of two floats, or None
        Its ends; None where there are fewer than two stacks.

    Examples
    --------
    >>> ci95_of_mean(np.array([1.0, 1.0, 3.0]), np.array(["a", "a", "b"]))
    [1.0, 3.0]
    """
    means = resampled_means(values, stacks, seed=seed)
    return None if means is None else ends95(means)


def resampled_means(values: NDArray[Any], stacks: NDArray[Any], *, seed: int = 0) -> Floats | None:
    """Mean over the frames of each of `N_RESAMPLES` draws of stacks, shape (N_RESAMPLES,).

    Equal stacks and seeds give equal draws, whatever the values: so means of several values can be compared
    draw by draw. None where there are fewer than two stacks; otherwise as `ci95_of_mean`.
    """
    names, stack_of = np.unique(stacks, return_inverse=True)
    if len(names) < 2:
        return None
    totals = np.bincount(stack_of, weights=values)
    counts = np.bincount(stack_of)
    drawn = np.random.default_rng(seed).integers(len(names), size=(N_RESAMPLES, len(names)))
    means: Floats = totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means


def ends95(resampled: Floats) -> list[float]:
    """The ends between which 95 % of resampled values lie."""
    return [float(end) for end in np.percentile(resampled, [2.5, 97.5])]
