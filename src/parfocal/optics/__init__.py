"""The virtual microscope's specimen and wave optics."""

from parfocal.optics.camera import expose
from parfocal.optics.imaging import ExitField, exit_field
from parfocal.optics.instrument import (
    CameraSettings,
    ChamberSettings,
    CondenserSettings,
    DaySettings,
    ObjectiveSettings,
    QualitySettings,
    ScanSettings,
    SpectrumSettings,
    VirtualMicroscope,
    YeastSettings,
)
from parfocal.optics.presets import PRESETS, QUALITIES, preset
from parfocal.optics.scene import Ellipsoids, Pillar, Scene, ellipsoid_shapes, index_volume
from parfocal.optics.stacks import SimulatedStack, settings_of_day, simulate_stack
from parfocal.optics.yeast import yeast_scene

__all__ = [
    "PRESETS",
    "QUALITIES",
    "CameraSettings",
    "ChamberSettings",
    "CondenserSettings",
    "DaySettings",
    "Ellipsoids",
    "ExitField",
    "ObjectiveSettings",
    "Pillar",
    "QualitySettings",
    "ScanSettings",
    "Scene",
    "SimulatedStack",
    "SpectrumSettings",
    "VirtualMicroscope",
    "YeastSettings",
    "ellipsoid_shapes",
    "exit_field",
    "expose",
    "index_volume",
    "preset",
    "settings_of_day",
    "simulate_stack",
    "yeast_scene",
]
