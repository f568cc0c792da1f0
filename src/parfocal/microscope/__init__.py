"""Microscopes that a focus lock can drive: simulated, replayed, and any that Micro-Manager knows."""

from parfocal.microscope.colony import ColonySettings
from parfocal.microscope.crossing import FlowSettings
from parfocal.microscope.drift import RoomSettings, room_temperature, thermal_drift
from parfocal.microscope.experiment import ExperimentSettings, LinkSettings
from parfocal.microscope.focus_motor import MotorSettings
from parfocal.microscope.focus_surface import SurfaceSettings, focus_surface
from parfocal.microscope.lamp import LampSettings
from parfocal.microscope.living import LivingSpecimen, living_specimen
from parfocal.microscope.micromanager import (
    AcquisitionSummary,
    AutofocusSettings,
    ChannelOffset,
    MicroManagerCamera,
    MicroManagerFocusDrive,
    OnFailure,
    ParfocalAutofocus,
    VirtualCamera,
    VirtualStage,
    VirtualXYStage,
    measure_channel_offset,
    open_micromanager,
    read_sequence,
    run_acquisition,
    virtual_core,
)
from parfocal.microscope.pycromanager import (
    PycroManagerCamera,
    PycroManagerCore,
    PycroManagerFocus,
    PycroManagerFocusDrive,
)
from parfocal.microscope.replay import ReplayMicroscope
from parfocal.microscope.sample import Sample
from parfocal.microscope.simulated import SimulatedMicroscope
from parfocal.microscope.vibration import VibrationSettings, vibration

__all__ = [
    "AcquisitionSummary",
    "AutofocusSettings",
    "ChannelOffset",
    "ColonySettings",
    "ExperimentSettings",
    "FlowSettings",
    "LampSettings",
    "LinkSettings",
    "LivingSpecimen",
    "MicroManagerCamera",
    "MicroManagerFocusDrive",
    "MotorSettings",
    "OnFailure",
    "ParfocalAutofocus",
    "PycroManagerCamera",
    "PycroManagerCore",
    "PycroManagerFocus",
    "PycroManagerFocusDrive",
    "ReplayMicroscope",
    "RoomSettings",
    "Sample",
    "SimulatedMicroscope",
    "SurfaceSettings",
    "VibrationSettings",
    "VirtualCamera",
    "VirtualStage",
    "VirtualXYStage",
    "focus_surface",
    "living_specimen",
    "measure_channel_offset",
    "open_micromanager",
    "read_sequence",
    "room_temperature",
    "run_acquisition",
    "thermal_drift",
    "vibration",
    "virtual_core",
]
