"""Named virtual microscopes and their qualities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from parfocal.errors import SettingsError
from parfocal.optics.camera import CameraSettings
from parfocal.optics.chamber import ChamberSettings
from parfocal.optics.instrument import (
    CondenserSettings,
    FarSettings,
    ObjectiveSettings,
    PhaseRingSettings,
    QualitySettings,
    ScanSettings,
    VirtualMicroscope,
)
from parfocal.optics.specimens import BACTERIA, AdherentSettings, EuglenaSettings, RodSettings


@dataclass(frozen=True)
class _Fineness:
    """How a quality differs from ``training``: factors of lengths and of numbers of source points."""

    grid: float = 1.0
    slices: float = 1.0
    points: float = 1.0
    far_grid: float = 1.0
    far_points: float = 1.0


_FINENESS: Mapping[str, _Fineness] = MappingProxyType(
    {
        "ci": _Fineness(slices=1.25, points=0.6, far_grid=1.1, far_points=0.5),
        "training": _Fineness(),
        "benchmark": _Fineness(grid=0.75, slices=0.6, points=6, far_grid=0.7, far_points=5),
    }
)
QUALITIES = tuple(_FINENESS)
"""From fast to faithful."""

_OIL = QualitySettings(
    grid_um=0.16,
    slice_um=0.3,
    n_source_points=28,
    far=FarSettings(grid_um=0.36, n_source_points=120, near_um=2.0),
)
"""For NA 1.3 and more: the phase of light that scatters to the edge of the aperture turns once in 0.55 um."""

_DRY = QualitySettings(
    grid_um=0.3,
    slice_um=0.4,  # thin brims show the edges of thicker slices as contour lines
    n_source_points=28,
    far=FarSettings(grid_um=0.5, slices_joined=4, n_source_points=120, near_um=5.0),
)
_LOW_POWER = QualitySettings(
    grid_um=0.65,
    slice_um=1.5,
    n_source_points=64,
    far=FarSettings(grid_um=1.0, n_source_points=256, near_um=30.0),
)
_DEEP = ScanSettings(half_range_um=300.0, step_um=12.0, focus_jitter_um=12.0, stage_jitter_um=0.5)
_POND = ChamberSettings(height_um=40.0, pillars=False)

PRESETS: Mapping[str, VirtualMicroscope] = MappingProxyType(
    {
        "yeast-40x": VirtualMicroscope(quality=_OIL),
        "pombe-60x": VirtualMicroscope(
            name="pombe-60x",
            objective=ObjectiveSettings(numerical_aperture=1.40, magnification=60),
            chamber=ChamberSettings(height_um=5.0, pillars=False),
            specimens=(RodSettings(),),
            camera=CameraSettings(pixel_size_um=0.215),
            quality=_OIL.replace(grid_um=0.15, slice_um=0.2),
        ),
        "adherent-20x": VirtualMicroscope(
            name="adherent-20x",
            objective=ObjectiveSettings(numerical_aperture=0.75, magnification=20, immersion_index=1.0),
            chamber=ChamberSettings(height_um=20.0, pillars=False),
            specimens=(AdherentSettings(),),
            camera=CameraSettings(pixel_size_um=0.325, height_px=512, width_px=512),
            quality=_DRY,
            scan=ScanSettings(half_range_um=30.0, step_um=2.0, focus_jitter_um=2.0),
        ),
        "euglena-10x-phase": VirtualMicroscope(
            name="euglena-10x-phase",
            objective=ObjectiveSettings(
                numerical_aperture=0.30,
                magnification=10,
                immersion_index=1.0,
                phase_ring=PhaseRingSettings(),
            ),
            condenser=CondenserSettings(numerical_aperture=0.17, inner_numerical_aperture=0.15),
            chamber=_POND,
            specimens=(EuglenaSettings(least_transmission=1.0, most_transmission=1.0),),
            camera=CameraSettings(
                pixel_size_um=0.645,
                height_px=512,
                width_px=512,
                background_electrons=5_000.0,  # halos are several times as bright
            ),
            quality=_LOW_POWER,
            scan=_DEEP,
        ),
        "euglena-10x-stained": VirtualMicroscope(
            name="euglena-10x-stained",
            objective=ObjectiveSettings(numerical_aperture=0.30, magnification=10, immersion_index=1.0),
            condenser=CondenserSettings(numerical_aperture=0.20),
            chamber=_POND,
            specimens=(EuglenaSettings(),),
            camera=CameraSettings(pixel_size_um=0.645, height_px=512, width_px=512),
            quality=_LOW_POWER,
            scan=_DEEP,
        ),
        "bacteria-100x": VirtualMicroscope(
            name="bacteria-100x",
            objective=ObjectiveSettings(numerical_aperture=1.40, magnification=100),
            chamber=ChamberSettings(height_um=3.0, pillars=False),
            specimens=(BACTERIA,),
            camera=CameraSettings(pixel_size_um=0.13),
            quality=_OIL.replace(grid_um=0.13, slice_um=0.15),
            scan=ScanSettings(half_range_um=7.5, step_um=0.5, focus_jitter_um=0.5),
        ),
    }
)


def preset(name: str, *, quality: str = "training") -> VirtualMicroscope:
    """The settings of a named virtual microscope.

    Parameters
    ----------
    name : str
        - ``yeast-40x``: budding yeast in a pillared chamber, 40x/1.30 oil, 0.24 um pixels, 61 um field;
        - ``pombe-60x``: fission yeast, 60x/1.40 oil, 0.215 um pixels, 55 um field;
        - ``adherent-20x``: spread animal cells, 20x/0.75 dry, 0.325 um pixels, 166 um field;
        - ``euglena-10x-phase``: phase contrast, 10x/0.30 dry, 0.645 um pixels, 330 um field, 600 um of z;
        - ``euglena-10x-stained``: the same cells fixed and stained, in bright field;
        - ``bacteria-100x``: 100x/1.40 oil, 0.13 um pixels, 33 um field.
    quality : str
        ``ci``, ``training`` or ``benchmark``, from fast to faithful.

    Raises
    ------
    SettingsError
        If there is no such preset or quality.

    Examples
    --------
    >>> preset("yeast-40x", quality="ci").quality.n_source_points
    17
    """
    if name not in PRESETS:
        raise SettingsError(f"Expected a preset among {', '.join(PRESETS)}, got '{name}'.")
    if quality not in _FINENESS:
        raise SettingsError(f"Expected a quality among {', '.join(QUALITIES)}, got '{quality}'.")
    settings = PRESETS[name]
    return settings.replace(quality=_of_fineness(settings.quality, _FINENESS[quality]))


def _of_fineness(training: QualitySettings, fineness: _Fineness) -> QualitySettings:
    far = training.far
    return QualitySettings(
        grid_um=training.grid_um * fineness.grid,
        slice_um=training.slice_um * fineness.slices,
        n_source_points=round(training.n_source_points * fineness.points),
        far=far
        and far.replace(
            grid_um=far.grid_um * fineness.far_grid,
            n_source_points=round(far.n_source_points * fineness.far_points),
        ),
    )
