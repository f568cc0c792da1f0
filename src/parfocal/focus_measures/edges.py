"""Focus measures from edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parfocal.focus_measures.scores import score_each


def marr_hildreth(
    frames_zyx: NDArray[Any], *, sigma_px: float = 2.0, threshold: float = 0.002
) -> NDArray[np.float64]:
    """Edge density of each frame: zero crossings of its Laplacian of Gaussian, per pair of neighbours.

    Parameters
    ----------
    frames_zyx : array, shape (Z, Y, X)
        Grey values of any real type; at least 3 x 3 pixels.
    sigma_px : float
        Width of the Gaussian, in pixels.
    threshold : float
        Least step across a crossing, as a fraction of the mean brightness. At 2 pixels of width the default
        is about four standard deviations of camera noise of 1 %.

    Returns
    -------
    array, shape (Z,)
        Scores between 0 and 1; 0 for a black frame.

    Raises
    ------
    InputError
        If the frames are not of shape (Z, Y, X) with at least 3 x 3 pixels.

    Notes
    -----
    Marr and Hildreth (1980), Proc. R. Soc. Lond. B 207, 187-217: edges are the zero crossings of
    ``laplacian(G) * I``. A crossing lies between two neighbours, along y or x, of opposite sign.
    """
    return score_each(frames_zyx, lambda frame_yx: _edge_density(frame_yx, sigma_px, threshold))


def _edge_density(frame_yx: NDArray[np.float64], sigma_px: float, least_step: float) -> float:
    response = ndimage.gaussian_laplace(frame_yx, sigma_px)
    crossings = pairs = 0
    for first, second in ((response[1:], response[:-1]), (response[:, 1:], response[:, :-1])):
        crossings += int(np.count_nonzero((first * second < 0) & (np.abs(first - second) > least_step)))
        pairs += first.size
    return crossings / pairs
