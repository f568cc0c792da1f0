"""Focus measures from differences of neighbouring pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parfocal.focus_measures.scores import score_each

_NINE_POINT_LAPLACIAN = np.array([[1.0, 4.0, 1.0], [4.0, -20.0, 4.0], [1.0, 4.0, 1.0]]) / 6


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
    >>> brenner(np.array([[[1, 1, 3], [1, 1, 3], [1, 1, 3]]])).round(4)  # mean 5/3; 2**2 along x, 0 along y
    array([1.44])
    """

    def contrast(frame_yx: NDArray[np.float64]) -> float:
        along_y = frame_yx[2:] - frame_yx[:-2]
        along_x = frame_yx[:, 2:] - frame_yx[:, :-2]
        return float(np.mean(along_y**2) + np.mean(along_x**2))

    return score_each(frames_zyx, contrast)


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

    return score_each(frames_zyx, contrast)


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
    return score_each(frames_zyx, lambda frame_yx: float(np.var(ndimage.laplace(frame_yx))))


def laplacian_energy(frames_zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Energy of the Laplacian of each frame: mean square of the nine-point one, over squared brightness.

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
    Subbarao, Choi and Nikzad (1993), Opt. Eng. 32, 2824-2836: ``sum (g_xx + g_yy)**2``, with the kernel
    ``1 4 1, 4 -20 4, 1 4 1`` that Sun, Duthaler and Nelson (2004), Microsc. Res. Tech. 65, 139-149, give for
    it, here over 6. It answers nearly alike in all directions, where the five points of `laplacian_variance`
    favour the axes. A mean for the sum.
    """

    def contrast(frame_yx: NDArray[np.float64]) -> float:
        return float(np.mean(ndimage.correlate(frame_yx, _NINE_POINT_LAPLACIAN) ** 2))

    return score_each(frames_zyx, contrast)
