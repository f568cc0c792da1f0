"""The virtual microscope's specimen and wave optics."""

from parfocal.optics.bodies import Body, Capsule, Cylinder, Ellipsoid, Mound, Spindle
from parfocal.optics.camera import CameraSettings, expose
from parfocal.optics.chamber import ChamberSettings
from parfocal.optics.foreign import draw_foreign
from parfocal.optics.imaging import ExitField, exit_field, exit_field_of_volume
from parfocal.optics.index_volume import IndexVolume, coarser, index_volume, sharpened
from parfocal.optics.instrument import (
    AberrationSettings,
    CondenserSettings,
    CoverslipSettings,
    DaySettings,
    FarSettings,
    ObjectiveSettings,
    PhaseRingSettings,
    QualitySettings,
    ScanSettings,
    SpectrumSettings,
    VirtualMicroscope,
)
from parfocal.optics.light import Light, Line
from parfocal.optics.live import LiveLight
from parfocal.optics.low_aperture import draw_low_aperture
from parfocal.optics.presets import PRESETS, QUALITIES, preset
from parfocal.optics.scene import Cell, Scene, focus_height_um
from parfocal.optics.specimens import (
    BACTERIA,
    AdherentSettings,
    BeadSettings,
    DebrisSettings,
    EuglenaSettings,
    RodSettings,
    SpecimenSettings,
    YeastCell,
    YeastSettings,
    scene_of,
    yeast_bodies,
)
from parfocal.optics.stacks import SimulatedStack, check_device, settings_of_day, simulate_stack
from parfocal.optics.variety import REFERENCE, SAME, Similarity, draw_microscope, similarity

__all__ = [
    "BACTERIA",
    "PRESETS",
    "QUALITIES",
    "REFERENCE",
    "SAME",
    "AberrationSettings",
    "AdherentSettings",
    "BeadSettings",
    "Body",
    "CameraSettings",
    "Capsule",
    "Cell",
    "ChamberSettings",
    "CondenserSettings",
    "CoverslipSettings",
    "Cylinder",
    "DaySettings",
    "DebrisSettings",
    "Ellipsoid",
    "EuglenaSettings",
    "ExitField",
    "FarSettings",
    "IndexVolume",
    "Light",
    "Line",
    "LiveLight",
    "Mound",
    "ObjectiveSettings",
    "PhaseRingSettings",
    "QualitySettings",
    "RodSettings",
    "ScanSettings",
    "Scene",
    "Similarity",
    "SimulatedStack",
    "SpecimenSettings",
    "SpectrumSettings",
    "Spindle",
    "VirtualMicroscope",
    "YeastCell",
    "YeastSettings",
    "check_device",
    "coarser",
    "draw_foreign",
    "draw_low_aperture",
    "draw_microscope",
    "exit_field",
    "exit_field_of_volume",
    "expose",
    "focus_height_um",
    "index_volume",
    "preset",
    "scene_of",
    "settings_of_day",
    "sharpened",
    "similarity",
    "simulate_stack",
    "yeast_bodies",
]
