"""Focus measures from the frame taken apart by scale: Fourier, cosine and wavelet transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from parfocal.focus_measures.scores import score_each

_BLOCK_PX = 8


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
    return score_each(frames_zyx, _strong_fraction)


def frequency_band(
    frames_zyx: NDArray[Any], *, lowest: float = 0.1, highest: float = 0.5
) -> NDArray[np.float64]:
    """Share of each frame's energy that lies in a band of spatial frequencies.

    Parameters
    ----------
    frames_zyx : array, shape (Z, Y, X)
        Grey values of any real type; at least 3 x 3 pixels.
    lowest, highest : float
        Ends of the band, as fractions of Nyquist's frequency, half a cycle per pixel; the defaults are
        periods of 20 and 4 pixels.

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
    The power spectrum between two frequencies, as Firestone, Cook, Culp, Talsania and Preston (1991),
    Cytometry 12, 195-206, compare it with other measures. Oliva, Bravo-Zanoguera and Price (1999), Appl.
    Opt. 38, 638-646, on where the band should lie: lower frequencies reverse their contrast out of focus, and
    the highest hold noise. The frequency is ``hypot(f_x, f_y)``; the lower end belongs to the band, the upper
    does not; the total holds the mean brightness. The spectrum is that of the frame continued by its mirror
    images, which is its cosine transform: no jump at the borders adds to the band.

    Examples
    --------
    >>> wave = np.cos(np.pi * 4 * (np.arange(16) + 0.5) / 16)  # a quarter of Nyquist's frequency
    >>> frequency_band(np.tile(1 + 0.2 * wave, (1, 16, 1))).round(4)  # 0.2**2 / 2 of 1 + 0.2**2 / 2
    array([0.0196])
    """
    return score_each(frames_zyx, lambda frame_yx: _band_share(frame_yx, lowest, highest))


def dct_ratio(frames_zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Energy of the five lowest cosine coefficients of blocks of 8 x 8 pixels, over that of their mean.

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
    Lee, Yoo, Kumar and Kim (2009), IEEE Signal Process. Lett. 16, 133-136, the reduced energy ratio:
    ``(F01**2 + F10**2 + F11**2 + F02**2 + F20**2) / F00**2`` of the block's orthonormal cosine transform.
    Here a block begins at every pixel, as in Pertuz, Puig and Garcia (2013), Pattern Recognit. 46, 1415-1432,
    and energies are added over all blocks before the division, so that a dark block does not outweigh the
    others. In a frame of less than 8 pixels along an axis, blocks are as large as fit.

    Examples
    --------
    >>> dct_ratio(np.array([[[1, 2, 3]] * 3])).round(4)  # one block: F01 is -sqrt(6), F00 is 6
    array([0.1667])
    """
    return score_each(frames_zyx, _low_over_mean)


def wavelet_detail(frames_zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Wavelet detail of each frame: mean size of the finest coefficients, over brightness.

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
    Yang and Nelson (2003), Proc. IROS 2003, 2143-2148, their first measure: ``sum |HL| + |LH| + |HH|`` of one
    level, over the number of coefficients. Here the wavelet is Haar's in place of Daubechies' sixth, and
    stands at every pixel (undecimated), so that mirroring the frame does not change the score. The sum is
    divided by that of the approximation, ``|LL|``, which makes it independent of the lamp.

    Examples
    --------
    >>> wavelet_detail(np.array([[[1, 1, 3, 3]] * 4])).round(4)  # LL 2, 4, 6; HL 0, 2, 0
    array([0.1667])
    """
    return score_each(frames_zyx, _detail_over_approximation)


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


def _band_share(frame_yx: NDArray[np.float64], lowest: float, highest: float) -> float:
    energy = fft.dctn(frame_yx, norm="ortho") ** 2
    height, width = frame_yx.shape
    squared = (np.arange(height)[:, None] / height) ** 2 + (np.arange(width) / width) ** 2
    within = (squared >= lowest**2) & (squared < highest**2)
    return float(energy[within].sum() / energy.sum())


def _low_over_mean(frame_yx: NDArray[np.float64]) -> float:
    side = min(_BLOCK_PX, *frame_yx.shape)
    waves = fft.dct(np.eye(side), axis=0, norm="ortho")[:3]
    energy = np.empty((3, 3))
    for ky, along_y in enumerate(waves):
        rows = _whole_blocks(frame_yx, along_y, axis=0)
        for kx, along_x in enumerate(waves[: 3 - ky]):
            energy[ky, kx] = np.sum(_whole_blocks(rows, along_x, axis=1) ** 2)
    return float((energy[0, 1] + energy[1, 0] + energy[1, 1] + energy[0, 2] + energy[2, 0]) / energy[0, 0])


def _whole_blocks(
    frame_yx: NDArray[np.float64], wave: NDArray[np.float64], *, axis: int
) -> NDArray[np.float64]:
    """Correlation along one axis where the wave lies wholly within the frame."""
    side, length = len(wave), frame_yx.shape[axis]
    first = side // 2
    correlated: NDArray[np.float64] = ndimage.correlate1d(frame_yx, wave, axis=axis)
    inside = slice(first, first + length - side + 1)
    return correlated[inside] if axis == 0 else correlated[:, inside]


def _detail_over_approximation(frame_yx: NDArray[np.float64]) -> float:
    rows_low, rows_high = frame_yx[1:] + frame_yx[:-1], frame_yx[1:] - frame_yx[:-1]
    details = (
        rows_low[:, 1:] - rows_low[:, :-1],
        rows_high[:, 1:] + rows_high[:, :-1],
        rows_high[:, 1:] - rows_high[:, :-1],
    )
    approximation = rows_low[:, 1:] + rows_low[:, :-1]
    return float(sum(np.abs(detail).sum() for detail in details) / np.abs(approximation).sum())
