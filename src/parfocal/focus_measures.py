"""Classical sharpness measures: frames (Z, Y, X) in, one score for each frame (Z,) out.

Every measure is divided by the brightness it was taken at, so that a brighter lamp or a longer exposure
leaves the score alone, and every measure treats both image axes alike, so that a quarter turn does too.

In bright field an unstained cell is a phase object: it has the *least* contrast in focus. A score that peaks
on both sides of focus is then right, and "sharpest" does not mean "in focus".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from parfocal.errors import InputError

FocusMeasure = Callable[[NDArray[Any]], NDArray[np.float64]]


def brenner(frames_zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Brenner gradient of each frame: mean squared difference of pixels two apart, over squared brightness.

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
    Brenner, Dew, Horton, King, Neurath and Selles (1976), J. Histochem. Cytochem. 24, 100-111:
    ``sum (g(x + 2, y) - g(x, y))**2``. The original looks along x only; here both axes are added and the
    sum is a mean, so that frames of different size compare.

    Examples
    --------
    >>> brenner(np.array([[[1, 1, 3], [1, 1, 3], [1, 1, 3]]]))  # mean 5/3; 2**2 along x, 0 along y
    array([1.44])
    """

    def contrast(frame_yx: NDArray[np.float64]) -> float:
        along_y = frame_yx[2:] - frame_yx[:-2]
        along_x = frame_yx[:, 2:] - frame_yx[:, :-2]
        return float(np.mean(along_y**2) + np.mean(along_x**2))

    return _score_each(frames_zyx, contrast)


def tenengrad(frames_zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Tenengrad of each frame: mean squared Sobel gradient, over squared brightness.

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
    Tenenbaum (1970), thesis, Stanford; Krotkov (1988), Int. J. Comput. Vis. 1, 223-237:
    ``sum Gx**2 + Gy**2`` with Sobel's kernels. No threshold, and a mean for the sum.
    """

    def contrast(frame_yx: NDArray[np.float64]) -> float:
        along_y, along_x = ndimage.sobel(frame_yx, axis=0), ndimage.sobel(frame_yx, axis=1)
        return float(np.mean(along_y**2) + np.mean(along_x**2))

    return _score_each(frames_zyx, contrast)


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
    return _score_each(frames_zyx, lambda frame_yx: float(np.var(frame_yx)))


def laplacian_variance(frames_zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Variance of the Laplacian of each frame, over squared brightness.

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
    Pech-Pacheco, Cristobal, Chamorro-Martinez and Fernandez-Valdivia (2000), Proc. 15th ICPR 3, 314-317:
    the variance of the image filtered with the five-point Laplacian (their LAPV, without their 1/6).
    """
    return _score_each(frames_zyx, lambda frame_yx: float(np.var(ndimage.laplace(frame_yx))))


def de_masilamani(frames_zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Fraction of the Fourier coefficients of each frame that exceed a thousandth of the largest.

    Parameters
    ----------
    frames_zyx : array, shape (Z, Y, X)
        Grey values of any real type; at least 3 x 3 pixels.

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
    De and Masilamani (2013), Procedia Engineering 64, 149-158: ``T_H / (M N)``, where T_H counts the
    coefficients with ``|F| > max |F| / 1000``. Wei and Roberts (2018) call it image quality assessment, IQA.
    The largest coefficient is that of the mean brightness.

    Examples
    --------
    >>> de_masilamani(np.ones((1, 4, 4)))  # a flat frame has one coefficient of 16
    array([0.0625])
    """
    return np.array([_strong_fraction(frame_yx) for frame_yx in _floats(frames_zyx)])


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
    return np.array([_edge_density(frame_yx, sigma_px, threshold) for frame_yx in _floats(frames_zyx)])


FOCUS_MEASURES: Mapping[str, FocusMeasure] = MappingProxyType(
    {
        "brenner": brenner,
        "tenengrad": tenengrad,
        "normalised_variance": normalised_variance,
        "laplacian_variance": laplacian_variance,
        "de_masilamani": de_masilamani,
        "marr_hildreth": marr_hildreth,
    }
)
"""Every measure under its name."""


def _floats(frames_zyx: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    frames = np.asarray(frames_zyx)
    if frames.ndim != 3 or min(frames.shape[1:]) < 3:
        raise InputError(f"Expected frames of shape (Z, Y, X), at least 3 x 3 pixels, got {frames.shape}.")
    for frame_yx in frames:  # one at a time: a stack as floats may not fit in memory
        yield frame_yx.astype(np.float64)


def _score_each(
    frames_zyx: NDArray[Any], contrast: Callable[[NDArray[np.float64]], float]
) -> NDArray[np.float64]:
    scores = []
    for frame_yx in _floats(frames_zyx):
        brightness = float(np.mean(frame_yx))
        scores.append(contrast(frame_yx) / brightness**2 if brightness else 0.0)
    return np.array(scores)


def _strong_fraction(frame_yx: NDArray[np.float64]) -> float:
    magnitude = np.abs(fft.rfft2(frame_yx))
    strong = np.count_nonzero(magnitude > magnitude.max() / 1000, axis=0)
    # rfft2 keeps half of the plane: every column stands for two, but the first and, of even widths, the last
    width = frame_yx.shape[1]
    weights = np.full(len(strong), 2)
    weights[0] = 1
    if width % 2 == 0:
        weights[-1] = 1
    return float(strong @ weights / frame_yx.size)


def _edge_density(frame_yx: NDArray[np.float64], sigma_px: float, threshold: float) -> float:
    response = ndimage.gaussian_laplace(frame_yx, sigma_px)
    least_step = threshold * float(np.mean(frame_yx))
    crossings = pairs = 0
    for first, second in ((response[1:], response[:-1]), (response[:, 1:], response[:, :-1])):
        crossings += int(np.count_nonzero((first * second < 0) & (np.abs(first - second) > least_step)))
        pairs += first.size
    return crossings / pairs
