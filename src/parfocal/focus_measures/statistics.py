"""Focus measures from statistics of the grey values: variance, correlation, histogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.focus_measures.scores import score_each

_BIN = 0.01  # of the mean brightness: about the camera noise of one pixel


def normalised_variance(frames_zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Variance of the grey values of each frame, over squared brightness.

    Parameters
    ----------
    frames_zyx : array, shape (Z, Y, X)
        Grey values of any real type; at least 3 x 3 pixels.

    Returns
    -------
    array, shape (Z,)
        Scores, 0 or more, without unit; 0 for a black frame.

    Raises
    ------
    InputError
        If the frames are not of shape (Z, Y, X) with at least 3 x 3 pixels.

    Notes
    -----
    Groen, Young and Ligthart (1985), Cytometry 6, 81-91: ``sum (g - mean)**2 / (H W mean)``. They divide by
    the mean once; dividing twice is what makes the score independent of the lamp.

    Examples
    --------
    >>> normalised_variance(np.array([[[1, 1, 1], [2, 2, 2], [3, 3, 3]]])).round(4)
    array([0.1667])
    """
    return score_each(frames_zyx, lambda frame_yx: float(np.var(frame_yx)))


def vollath_f4(frames_zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Vollath's F4 of each frame: by how much pixels one apart agree better than pixels two apart.

    Parameters
    ----------
    frames_zyx : array, shape (Z, Y, X)
        Grey values of any real type; at least 3 x 3 pixels.

    Returns
    -------
    array, shape (Z,)
        Scores, 0 or more, over squared brightness; 0 for a black frame.

    Raises
    ------
    InputError
        If the frames are not of shape (Z, Y, X) with at least 3 x 3 pixels.

    Notes
    -----
    Vollath (1987), J. Microsc. 147, 279-288: ``sum g(x, y) g(x + 1, y) - sum g(x, y) g(x + 2, y)``, to which
    noise of single pixels adds nothing. Here the mean is taken off first, since the two sums leave out
    different borders, where it would outweigh what is looked for; sums are means; and both axes are added.
    A difference below 0, which only noise and patterns finer than 3 pixels give, scores 0.

    Examples
    --------
    >>> vollath_f4(np.array([[[1, 1, 3, 3]] * 4])).round(4)  # mean 2; along x 1/3 + 1, along y 1 - 1
    array([0.3333])
    """

    def contrast(frame_yx: NDArray[np.float64]) -> float:
        return _covariance(frame_yx, 1) - _covariance(frame_yx, 2)

    return score_each(frames_zyx, lambda frame_yx: max(contrast(frame_yx), 0.0))


def vollath_f5(frames_zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Vollath's F5 of each frame: covariance of pixels one apart, over squared brightness.

    Parameters
    ----------
    frames_zyx : array, shape (Z, Y, X)
        Grey values of any real type; at least 3 x 3 pixels.

    Returns
    -------
    array, shape (Z,)
        Scores, 0 or more, without unit; 0 for a black frame.

    Raises
    ------
    InputError
        If the frames are not of shape (Z, Y, X) with at least 3 x 3 pixels.

    Notes
    -----
    Vollath (1988), J. Microsc. 151, 133-146: ``sum g(x, y) g(x + 1, y) - H W mean**2``, a variance to which
    noise of single pixels adds nothing. Here the mean is taken off before the product, the
    sum is a mean, and both axes are added. A covariance below 0 scores 0.

    Examples
    --------
    >>> vollath_f5(np.array([[[1, 1, 3, 3]] * 4])).round(4)  # mean 2; along x 1/3, along y 1
    array([0.3333])
    """
    return score_each(frames_zyx, lambda frame_yx: max(_covariance(frame_yx, 1), 0.0))


def entropy(frames_zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Entropy of the grey values of each frame, in bits.

    Parameters
    ----------
    frames_zyx : array, shape (Z, Y, X)
        Grey values of any real type; at least 3 x 3 pixels.

    Returns
    -------
    array, shape (Z,)
        Scores in bits, 0 or more; 0 for a flat or black frame.

    Raises
    ------
    InputError
        If the frames are not of shape (Z, Y, X) with at least 3 x 3 pixels.

    Notes
    -----
    Shannon's ``-sum p log2 p`` over the histogram, as Firestone, Cook, Culp, Talsania and Preston (1991),
    Cytometry 12, 195-206, use it. Bins are a hundredth of the mean brightness wide, the middle one about the
    mean, so that the score does not depend on the exposure; a camera whose grey values are coarser than
    that, 8 bits at a mean below 100, leaves bins empty and loses some of it. It asks for many grey values and
    not for edges: two flat tones score 1 bit at most, and more when they are blurred.

    Examples
    --------
    >>> entropy(np.array([[[1, 1, 3, 3]] * 4]))
    array([1.])
    """

    def bits(frame_yx: NDArray[np.float64]) -> float:
        _, counts = np.unique(np.rint((frame_yx - 1) / _BIN), return_counts=True)
        share = counts / frame_yx.size
        return float(np.sum(share * np.log2(1 / share)))

    return score_each(frames_zyx, bits)


def _covariance(frame_yx: NDArray[np.float64], distance_px: int) -> float:
    """Mean product of what two pixels so far apart lie above the mean, added over both axes."""
    above = frame_yx - frame_yx.mean()
    along_y = np.mean(above[distance_px:] * above[:-distance_px])
    along_x = np.mean(above[:, distance_px:] * above[:, :-distance_px])
    return float(along_y + along_x)
