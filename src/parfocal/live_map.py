"""LiveMap: makes the defocus maps of live frames for a page, in whatever process it is taken to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.errors import ModelError
from parfocal.model import FocusEstimator, ModelHeader
from parfocal.model.defocus_map import LEAST_EVIDENCE
from parfocal.web.field_map import FieldMap

POINTS = 240
"""Of a map along the longer side."""


@dataclass(frozen=True)
class LiveMap:
    """Makes the map of a frame; loads its model with the first.

    Attributes
    ----------
    model : Path
        A model file, or the name of a shipped model.
    header : ModelHeader
        As the lock's own estimator has it.
    fingerprint : str
        Of the model that the lock follows.
    rescale : bool
    pixel_size_um : float
        Of the frames.
    """

    model: Path
    header: ModelHeader
    fingerprint: str
    rescale: bool
    pixel_size_um: float

    def __call__(self, frame_yx: NDArray[Any]) -> FieldMap | None:
        """The map of a frame of shape (Y, X); None where the model refuses the frame.

        Raises
        ------
        ModelError
            If the file is not that of the lock any more, or the network has no tiles.
        """
        estimator = self._estimator
        if not estimator.estimate(frame_yx, pixel_size_um=self.pixel_size_um).accepted:
            return None
        field_um = [side * self.pixel_size_um for side in frame_yx.shape]
        step_um = max(field_um) / POINTS
        y_um, x_um = (np.arange(step_um / 2, side, step_um, dtype=np.float64) for side in field_um)
        found = estimator.defocus_map(frame_yx, pixel_size_um=self.pixel_size_um)
        defocus_um, _, evidence = found.on_grid(x_um, y_um)
        return FieldMap(defocus_um, np.clip((evidence - LEAST_EVIDENCE) / (1 - LEAST_EVIDENCE), 0, 1))

    @cached_property
    def _estimator(self) -> FocusEstimator:
        estimator = FocusEstimator.load(self.model, rescale=self.rescale, threads=1)
        if estimator.fingerprint != self.fingerprint:
            raise ModelError(f"{self.model}: has changed since the lock began, and maps need the same.")
        return estimator.with_header(self.header)
