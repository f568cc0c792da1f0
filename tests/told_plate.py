"""A microscope over a plate, without optics, and an estimator that knows the truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parfocal.control import LimitSettings
from parfocal.estimate import FocusEstimate

LIMITS = LimitSettings(lowest_z_um=-100.0, highest_z_um=100.0)
CELLS = np.kron(np.random.default_rng(3).integers(0, 999, (8, 8)), np.ones((16, 16))).astype(np.uint16)


def estimate(defocus_um: float, *, accepted: bool = True) -> FocusEstimate:
    return FocusEstimate(
        defocus_um=defocus_um,
        std_um=0.1,
        interval90_um=(defocus_um - 0.16, defocus_um + 0.16),
        probabilities=np.ones(1),
        bin_centres_um=np.zeros(1),
        in_distribution=1.0 if accepted else 0.0,
        accepted=accepted,
        layers_um=(defocus_um,),
        latency_ms=1.0,
    )


class Plate:
    """A microscope over a sample whose focus is a plane that drifts."""

    pixel_size_um = 0.24

    def __init__(self) -> None:
        self.z_um, self.xy = 0.0, (0.0, 0.0)
        self.drift_um = 0.0
        self.blind_at: Callable[[float, float], bool] = lambda x_um, y_um: False
        self.n_snaps = 0

    def focus_um(self) -> float:
        return 5.0 + 0.002 * self.xy[0] - 0.001 * self.xy[1] + self.drift_um

    def true_defocus_um(self) -> float:
        return self.z_um - self.focus_um()

    def snap(self) -> np.ndarray:
        self.n_snaps += 1
        return CELLS

    def position_um(self) -> float:
        return self.z_um

    def move_to(self, z_um: float) -> None:
        self.z_um = z_um

    def stop(self) -> None:
        pass

    def xy_um(self) -> tuple[float, float]:
        return self.xy

    def move_xy_to(self, x_um: float, y_um: float) -> None:
        self.xy = x_um, y_um


class Truthful:
    fingerprint, z_range_um = "truthful", (-15.0, 15.0)

    def __init__(self, where: Callable[[], tuple[float, bool]]) -> None:
        self._where = where
        self.n_estimates = 0

    def estimate(self, frame_yx: np.ndarray, *, pixel_size_um: float) -> FocusEstimate:
        self.n_estimates += 1
        defocus_um, is_seen = self._where()
        return estimate(defocus_um, accepted=is_seen and abs(defocus_um) < 15)
