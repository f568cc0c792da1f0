"""Micro-Manager, both ways: its devices and acquisitions for parfocal, and a virtual microscope for it.

The only room that imports pymmcore-plus and useq.
"""

from parfocal.microscope.micromanager.acquisition import AcquisitionSummary, read_sequence, run_acquisition
from parfocal.microscope.micromanager.autofocus import ParfocalAutofocus
from parfocal.microscope.micromanager.autofocus_settings import AutofocusSettings, OnFailure
from parfocal.microscope.micromanager.channel_offset import ChannelOffset, measure_channel_offset
from parfocal.microscope.micromanager.devices import (
    MicroManagerCamera,
    MicroManagerFocusDrive,
    open_micromanager,
)
from parfocal.microscope.micromanager.virtual import (
    VirtualCamera,
    VirtualStage,
    VirtualXYStage,
    virtual_core,
)

__all__ = [
    "AcquisitionSummary",
    "AutofocusSettings",
    "ChannelOffset",
    "MicroManagerCamera",
    "MicroManagerFocusDrive",
    "OnFailure",
    "ParfocalAutofocus",
    "VirtualCamera",
    "VirtualStage",
    "VirtualXYStage",
    "measure_channel_offset",
    "open_micromanager",
    "read_sequence",
    "run_acquisition",
    "virtual_core",
]
