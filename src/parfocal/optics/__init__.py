"""The virtual microscope's specimen and wave optics."""

from parfocal.optics.camera import expose
from parfocal.optics.imaging import ExitField, Line, exit_field, exit_field_of_volume
from parfocal.optics.index_volume import IndexVolume, index_volume
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
from parfocal.optics.scene import Ellipsoid, Ellipsoids, Pillar, Scene, ellipsoid_shapes
from parfocal.optics.stacks import SimulatedStack, settings_of_day, simulate_stack
from parfocal.optics.yeast import yeast_scene

__all__ = [
    "PRESETS",
    "QUALITIES",
    "CameraSettings",
    "ChamberSettings",
    "CondenserSettings",
    "DaySettings",
    "Ellipsoid",
    "Ellipsoids",
    "ExitField",
    "IndexVolume",
    "Line",
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
    "exit_field_of_volume",
    "expose",
    "index_volume",
    "preset",
    "settings_of_day",
    "simulate_stack",
    "yeast_scene",
]
