"""A light-weight microscope that drifts, and an estimator that knows the truth and errs by a known amount."""

from collections.abc import Callable

import numpy as np

from parfocal.control import Clock
from parfocal.errors import DeviceError
from parfocal.estimate import FocusEstimate


def estimate_of(defocus_um: float, *, std_um: float = 0.3, accepted: bool = True) -> FocusEstimate:
    return FocusEstimate(
        defocus_um=defocus_um,
        std_um=std_um,
        interval90_um=(defocus_um - 1.64 * std_um, defocus_um + 1.64 * std_um),
        probabilities=np.ones(1),
        bin_centres_um=np.zeros(1),
        in_distribution=1.0,
        accepted=accepted,
        layers_um=(defocus_um,),
        latency_ms=1.0,
    )


class TinyMicroscope:
    """Camera and focus drive without optics; remembers every position it was sent to."""

    pixel_size_um = 0.24

    def __init__(
        self, clock: Clock, *, focus_um: Callable[[float], float] = lambda t_s: 0.0, z_um: float = 0.0
    ):
        self._clock = clock
        self._focus_um = focus_um
        self.z_um = z_um
        self.n_snaps = 0
        self.commands: list[float] = []
        self.calls: list[str] = []
        self.camera_fails_at: int | None = None
        self.drive_fails_at: int | None = None
        self.error: BaseException = DeviceError("the camera was unplugged")

    def true_defocus_um(self) -> float:
        return self.z_um - self._focus_um(self._clock.now_s())

    def snap(self) -> np.ndarray:
        self.calls.append("snap")
        if self.n_snaps == self.camera_fails_at:
            raise self.error
        self.n_snaps += 1
        number = (
            self.n_snaps % 2**16,
            self.n_snaps // 2**16,
            1,
            2,
        )  # rows of even light, no two frames alike
        return np.array(number, np.uint16)[:, None].repeat(4, axis=1)

    def position_um(self) -> float:
        return self.z_um

    def move_to(self, z_um: float) -> None:
        self.calls.append("move")
        if len(self.commands) == self.drive_fails_at:
            raise DeviceError("the focus drive does not answer")
        self.commands.append(z_um)
        self.z_um = z_um

    def stop(self) -> None:
        self.calls.append("stop")


class TexturedMicroscope(TinyMicroscope):
    """Shows cells, as noise that neighbouring pixels share; none where it is emptied."""

    is_empty = False

    def snap(self) -> np.ndarray:
        super().snap()
        random = np.random.default_rng(self.n_snaps)
        cells = random.normal(0, 100, (16, 16)).repeat(4, axis=0).repeat(4, axis=1)
        frame = 1000 + random.normal(0, 10, (64, 64)) + (0 if self.is_empty else cells)
        return frame.clip(0).astype(np.uint16)


class TruthfulEstimator:
    """Knows the defocus up to noise, and a bias of the scene that changes slowly."""

    fingerprint = "truthful"
    z_range_um = (-15.0, 15.0)

    def __init__(
        self,
        microscope: TinyMicroscope,
        *,
        noise_um: float = 0.3,
        bias_um: float = 0.15,
        memory_frames: float = 200.0,
        sign: float = 1.0,
        accepted: Callable[[int], bool] = lambda frame: True,
    ):
        self._microscope = microscope
        self._noise_um = noise_um
        self._bias_um = bias_um
        self._keep = np.exp(-1 / memory_frames)
        self._sign = sign
        self._accepted = accepted
        self._generator = np.random.default_rng(5)
        self._bias = bias_um * self._generator.standard_normal()
        self._frame = -1

    def estimate(self, frame_yx: np.ndarray, *, pixel_size_um: float) -> FocusEstimate:
        self._frame += 1
        fresh = np.sqrt(1 - self._keep**2) * self._bias_um
        self._bias = self._keep * self._bias + fresh * self._generator.standard_normal()
        noise = self._noise_um * self._generator.standard_normal()
        value = self._sign * self._microscope.true_defocus_um() + self._bias + noise
        std_um = float(np.hypot(self._noise_um, self._bias_um))
        return estimate_of(float(value), std_um=std_um, accepted=self._accepted(self._frame))
