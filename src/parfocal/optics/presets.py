"""Named virtual microscopes and their qualities."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from parfocal.errors import SettingsError
from parfocal.optics.instrument import QualitySettings, VirtualMicroscope

QUALITIES: Mapping[str, QualitySettings] = MappingProxyType(
    {
        "ci": QualitySettings(grid_um=0.16, slice_um=0.5, n_source_points=32),
        "training": QualitySettings(grid_um=0.16, slice_um=0.375, n_source_points=56),
        "benchmark": QualitySettings(grid_um=0.12, slice_um=0.25, n_source_points=128),
    }
)
"""From fast to faithful. Beside ``benchmark``, ``ci`` errs 11 % of the contrast at focus and 14 % at 10 um,
``training`` 7 % and 12 %: slices, grid and source points at focus, source points alone far from it."""

PRESETS: Mapping[str, VirtualMicroscope] = MappingProxyType({"yeast-40x": VirtualMicroscope()})


def preset(name: str, *, quality: str = "training") -> VirtualMicroscope:
    """The settings of a named virtual microscope.

    Parameters
    ----------
    name : str
        ``yeast-40x``: budding yeast in a pillared chamber, 40x/1.30 oil, 0.24 um pixels, 61 um field.
    quality : str
        ``ci``, ``training`` or ``benchmark``.

    Raises
    ------
    SettingsError
        If there is no such preset or quality.

    Examples
    --------
    >>> preset("yeast-40x", quality="ci").quality.n_source_points
    32
    """
    if name not in PRESETS:
        raise SettingsError(f"Expected a preset among {', '.join(PRESETS)}, got '{name}'.")
    if quality not in QUALITIES:
        raise SettingsError(f"Expected a quality among {', '.join(QUALITIES)}, got '{quality}'.")
    return PRESETS[name].replace(quality=QUALITIES[quality].model_dump())
