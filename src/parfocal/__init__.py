"""Learn microscope focus from z-stacks, then hold it from single images.

The names here are loaded when they are first used, so that ``import parfocal`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parfocal.data import Dataset
    from parfocal.errors import ParfocalError
    from parfocal.estimate import Estimator, FocusEstimate
    from parfocal.model import FocusEstimator
    from parfocal.zstack import ZStack

__all__ = ["Dataset", "Estimator", "FocusEstimate", "FocusEstimator", "ParfocalError", "ZStack"]

_HOMES = {
    "Dataset": "parfocal.data",
    "Estimator": "parfocal.estimate",
    "FocusEstimate": "parfocal.estimate",
    "FocusEstimator": "parfocal.model",
    "ParfocalError": "parfocal.errors",
    "ZStack": "parfocal.zstack",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'parfocal' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
