"""Holders of focus: what takes one frame of its own microscope and may move its drive, time after time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray
from rules import Rule

from parfocal.control import Camera, FocusLock, LockState, Move, Supervisor


@dataclass(frozen=True)
class Step:
    """One frame of a holder.

    Attributes
    ----------
    told_um : float or None
        The answer, if it asked for one.
    move_um : float
        How far it moved.
    is_refused : bool
        Whether the answer was not one to act on.
    says_lost : bool
        Whether it says that focus is lost, or looked for.
    """

    told_um: float | None
    move_um: float
    is_refused: bool = False
    says_lost: bool = False


class Holder(Protocol):
    """Holds focus, frame by frame."""

    def step(self) -> Step:
        """One frame: look, decide, move."""
        ...


class LockHolder:
    """A `FocusLock`."""

    def __init__(self, lock: FocusLock) -> None:
        self._lock = lock

    def step(self) -> Step:
        """One frame of the lock."""
        now = self._lock.step()
        says_lost = now.state in (LockState.LOST, LockState.SEARCHING)
        return Step(now.defocus_um, now.move_um, is_refused=not now.accepted, says_lost=says_lost)


class RuleHolder:
    """A rule whose moves pass through a supervisor, as those of a `FocusLock` do."""

    def __init__(self, camera: Camera, supervisor: Supervisor, rule: Rule) -> None:
        self._camera, self._supervisor, self._rule = camera, supervisor, rule

    def step(self) -> Step:
        """One frame by the rule."""
        self._supervisor.position_um()  # as a lock does: raises where the drive is outside the window
        wish = self._rule.look(self._camera.snap(), pixel_size_um=self._camera.pixel_size_um)
        move = self._supervisor.move_by(wish.move_um) if wish.move_um else Move(0.0)
        self._rule.moved(move.um)
        return Step(wish.told_um, move.um, is_refused=wish.is_refused)


class StandsStill:
    """Nothing holds the focus."""

    def step(self) -> Step:
        """No frame, no move."""
        return Step(None, 0.0)


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of the processor."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    @classmethod
    def now(cls) -> Spent:
        """Both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)


class TimedCamera:
    """A camera that knows what its frames cost: those of a simulated one are dearer than what is measured."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self.spent = Spent()

    @property
    def pixel_size_um(self) -> float:
        """Side of one pixel in the sample, in um."""
        return self._camera.pixel_size_um

    def snap(self) -> NDArray[Any]:
        """One new frame of shape (Y, X)."""
        start = Spent.now()
        frame_yx = self._camera.snap()
        self.spent = self.spent + (Spent.now() - start)
        return frame_yx
