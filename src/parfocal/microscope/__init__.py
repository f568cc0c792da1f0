"""Microscopes that a focus lock can drive: simulated, replayed, and any that Micro-Manager knows."""

from parfocal.microscope.drift import thermal_drift
from parfocal.microscope.micromanager import (
    MicroManagerCamera,
    MicroManagerFocusDrive,
    VirtualCamera,
    VirtualStage,
    open_micromanager,
    virtual_core,
)
from parfocal.microscope.replay import ReplayMicroscope
from parfocal.microscope.simulated import ExperimentSettings, SimulatedMicroscope

__all__ = [
    "ExperimentSettings",
    "MicroManagerCamera",
    "MicroManagerFocusDrive",
    "ReplayMicroscope",
    "SimulatedMicroscope",
    "VirtualCamera",
    "VirtualStage",
    "open_micromanager",
    "thermal_drift",
    "virtual_core",
]
