"""What runs a network for one frame after the other: PyTorch, or OpenVINO where it is faster."""

from parfocal.model.backends.choice import open_backend
from parfocal.model.backends.contract import Backend, InferenceSettings

__all__ = ["Backend", "InferenceSettings", "open_backend"]
