"""Classical sharpness measures: frames (Z, Y, X) in, one score for each frame (Z,) out.

Every measure takes a frame in units of its mean brightness, so that a brighter lamp or a longer exposure
leaves the score alone, and every measure treats both image axes alike, so that a quarter turn does too.

In bright field an unstained cell is a phase object: it has the *least* contrast in focus. A score that peaks
on both sides of focus is then right, and "sharpest" does not mean "in focus".
"""

from collections.abc import Mapping
from types import MappingProxyType

from parfocal.focus_measures.edges import marr_hildreth
from parfocal.focus_measures.gradient import brenner, laplacian_energy, laplacian_variance, tenengrad
from parfocal.focus_measures.scores import FocusMeasure
from parfocal.focus_measures.spectrum import dct_ratio, de_masilamani, frequency_band, wavelet_detail
from parfocal.focus_measures.statistics import entropy, normalised_variance, vollath_f4, vollath_f5

FOCUS_MEASURES: Mapping[str, FocusMeasure] = MappingProxyType(
    {
        "brenner": brenner,
        "de_masilamani": de_masilamani,
        "marr_hildreth": marr_hildreth,
        "tenengrad": tenengrad,
        "laplacian_variance": laplacian_variance,
        "laplacian_energy": laplacian_energy,
        "normalised_variance": normalised_variance,
        "vollath_f4": vollath_f4,
        "vollath_f5": vollath_f5,
        "entropy": entropy,
        "dct_ratio": dct_ratio,
        "wavelet_detail": wavelet_detail,
        "frequency_band": frequency_band,
    }
)
"""Every measure under its name: first the three of Wei and Roberts (2018), then ten others."""

__all__ = [
    "FOCUS_MEASURES",
    "FocusMeasure",
    "brenner",
    "dct_ratio",
    "de_masilamani",
    "entropy",
    "frequency_band",
    "laplacian_energy",
    "laplacian_variance",
    "marr_hildreth",
    "normalised_variance",
    "tenengrad",
    "vollath_f4",
    "vollath_f5",
    "wavelet_detail",
]
