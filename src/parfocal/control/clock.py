"""Clocks: the time by which a focus lock runs, on the wall or simulated."""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable


@runtime_checkable
class Clock(Protocol):
    """A time in seconds that only goes forward."""

    @property
    def speed(self) -> float:
        """Seconds of this clock that pass in one second of the camera; 1 on a real microscope."""
        ...

    def now_s(self) -> float:
        """Time in s since the clock was made, or since the start of the run that it goes on with."""
        ...

    def wait_until(self, t_s: float) -> None:
        """Return at `t_s`, in s, or at once if that has passed."""
        ...


class WallClock:
    """Real time, counted from the moment the clock is made.

    Parameters
    ----------
    start_s : float
        What it shows at that moment.
    """

    speed = 1.0

    def __init__(self, *, start_s: float = 0.0) -> None:
        self._start_s = time.monotonic() - start_s

    def now_s(self) -> float:
        """Time in s, which began with `start_s`."""
        return time.monotonic() - self._start_s

    def wait_until(self, t_s: float) -> None:
        """Sleep until `t_s`, in s, or return at once if that has passed."""
        time.sleep(max(0.0, t_s - self.now_s()))


class SimulatedClock:
    """Simulated time, which stands still while anything computes and moves only in `wait_until`.

    Parameters
    ----------
    speed : float
        Simulated seconds in one second of the camera. A loop at 20 frames a second then takes one frame every
        ``speed / 20`` simulated seconds: 24 hours at a speed of 720 are 2400 frames.
    paced : bool
        True: a wait of ``speed`` simulated seconds takes at least one real second, so that a page shows the
        run at its speed. False: as fast as the machine can.
    start_s : float
        What it shows at first.

    Examples
    --------
    >>> clock = SimulatedClock(speed=720, paced=False)
    >>> clock.wait_until(36.0)
    >>> clock.now_s()
    36.0
    """

    def __init__(self, speed: float = 1.0, *, paced: bool = True, start_s: float = 0.0) -> None:
        self._speed = speed
        self._paced = paced
        self._now_s = start_s
        self._real_due_s = time.monotonic()

    @property
    def speed(self) -> float:
        """Simulated seconds in one second of the camera."""
        return self._speed

    def now_s(self) -> float:
        """Simulated time in s."""
        return self._now_s

    def wait_until(self, t_s: float) -> None:
        """Set the simulated time to `t_s`, in s, or leave it if that has passed."""
        ahead_s = t_s - self._now_s
        if ahead_s <= 0:
            return
        if self._paced:
            self._sleep(ahead_s / self._speed)
        self._now_s = t_s

    def _sleep(self, real_s: float) -> None:
        # What computing took since the last wait counts: a fast machine keeps the pace, a slow one runs late.
        now_s = time.monotonic()
        self._real_due_s = max(self._real_due_s + real_s, now_s)
        time.sleep(self._real_due_s - now_s)
