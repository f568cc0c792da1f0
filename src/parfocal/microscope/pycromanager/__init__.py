"""Pycro-Manager: the learned focus in its acquisitions, by its hooks.

Nothing here imports pycro-manager: whoever uses it hands in its core.
"""

from parfocal.microscope.pycromanager.devices import PycroManagerCamera, PycroManagerFocusDrive
from parfocal.microscope.pycromanager.focus_hooks import PycroManagerFocus
from parfocal.microscope.pycromanager.virtual import PycroManagerCore

__all__ = ["PycroManagerCamera", "PycroManagerCore", "PycroManagerFocus", "PycroManagerFocusDrive"]
