"""Whatever estimator, camera and drive do, no position outside the window is commanded and no long step."""

import math
import random
from contextlib import suppress

import numpy as np
import pytest
from lock_fakes import estimate_of

from parfocal.control import FocusLock, LimitSettings, LockSettings, SelfCheckSettings, SimulatedClock
from parfocal.errors import DeviceError
from parfocal.estimate import FocusEstimate

LIMITS = LimitSettings(lowest_z_um=-20.0, highest_z_um=15.0, largest_step_um=4.0)
HISTORIES, PARTS, MOST_STEPS = 100_000, 10, 8
WILD = (math.nan, math.inf, -math.inf, 1e9, -1e9, 0.0)
FRAMES = [np.full((8, 8), 1000 + k, np.uint16) for k in range(4)]
BLACK = np.zeros((8, 8), np.uint16)


class HostileMicroscope:
    """Obeys mostly; else it gets stuck, jumps, lies about where it is, repeats frames, is slow or fails."""

    pixel_size_um = 0.24

    def __init__(self, chance: random.Random, clock: SimulatedClock) -> None:
        self._chance, self._clock = chance, clock
        self._z_um = self.read_um = chance.uniform(LIMITS.lowest_z_um, LIMITS.highest_z_um)

    def snap(self) -> np.ndarray:
        luck = self._chance.random()
        if luck < 0.02:
            raise DeviceError("the camera was unplugged")
        if luck < 0.05:
            self._clock.wait_until(self._clock.now_s() + 10)
        if luck < 0.08:
            self._z_um += self._chance.uniform(-30, 30)  # somebody's hand
        return BLACK if luck > 0.97 else FRAMES[self._chance.randrange(len(FRAMES))]

    def position_um(self) -> float:
        luck = self._chance.random()
        self.read_um = self._z_um
        if luck < 0.01:
            self.read_um = self._chance.choice(WILD)
        elif luck < 0.05:
            self.read_um += self._chance.uniform(-3, 3)
        return self.read_um

    def move_to(self, z_um: float) -> None:
        assert LIMITS.lowest_z_um <= z_um <= LIMITS.highest_z_um
        step_um = z_um - self.read_um
        assert -LIMITS.largest_step_um - 1e-9 <= step_um <= LIMITS.step_toward_um + 1e-9
        luck = self._chance.random()
        if luck < 0.02:
            raise DeviceError("the focus drive does not answer")
        self._z_um = z_um if luck < 0.9 else z_um + self._chance.uniform(-4, 4)

    def stop(self) -> None:
        if self._chance.random() < 0.01:
            raise DeviceError("the focus drive does not even stop")


class LyingEstimator:
    """Says anything, and now and then falls over."""

    fingerprint, z_range_um = "lying", (-15.0, 15.0)

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def estimate(self, frame_yx: np.ndarray, *, pixel_size_um: float) -> FocusEstimate:
        chance = self._chance
        if chance.random() < 0.01:
            raise RuntimeError("out of memory")
        defocus_um = chance.choice(WILD) if chance.random() < 0.1 else chance.gauss(0, 8)
        std_um = chance.choice(WILD) if chance.random() < 0.1 else chance.uniform(0, 2)
        return estimate_of(defocus_um, std_um=std_um, accepted=chance.random() < 0.9)


def live_through(chance: random.Random) -> int:
    """One history; gives how many frames it lasted."""
    clock = SimulatedClock(chance.choice((1.0, 720.0)), paced=False)
    microscope = HostileMicroscope(chance, clock)
    self_check = SelfCheckSettings() if chance.random() < 0.3 else None
    settings = LockSettings(limits=LIMITS, self_check=self_check)
    lasted = 0
    with suppress(DeviceError, RuntimeError):  # a failure ends the run: what was commanded until then counts
        lock = FocusLock(microscope, microscope, LyingEstimator(chance), settings=settings, clock=clock)
        while lasted < MOST_STEPS:
            lock.step()
            lasted += 1
            clock.wait_until(clock.now_s() + 0.05 * clock.speed)
    return lasted


@pytest.mark.parametrize("part", range(PARTS))
def test_no_history_commands_a_position_outside_the_window_or_a_long_step(part: int) -> None:
    lasted = [live_through(random.Random(part * HISTORIES + k)) for k in range(HISTORIES // PARTS)]
    assert np.mean(lasted) > 4
