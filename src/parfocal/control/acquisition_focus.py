"""AcquisitionFocus: where the drive has to stand at each place of an acquisition, and what is known of it.

Knows nothing of who runs the acquisition: Micro-Manager, another program, or a loop of one's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from parfocal.control.clock import Clock
from parfocal.control.focus_result import FocusResult
from parfocal.control.focus_routine import FocusRoutine
from parfocal.control.frame_focus import FocusState, FrameFocus
from parfocal.control.places import Places
from parfocal.estimate import NORMAL_90, FocusEstimate

Place = tuple[int, int]
NOWHERE = (math.nan, math.nan)


@dataclass(frozen=True)
class Spot:
    """A place of the sample at a time point.

    Attributes
    ----------
    place : tuple of int
        Which one it is: number of the position in the plan, and of the tile there.
    time_point : int
    x_um, y_um : float
        Where the stage has it.
    plan_um : float
        Where the plan has the focus drive for it, in um.
    """

    place: Place
    time_point: int
    x_um: float
    y_um: float
    plan_um: float


class AcquisitionFocus:
    """Keeps the focus of all places of an acquisition.

    Parameters
    ----------
    routine : FocusRoutine
        Brings one of them into focus.
    clock : Clock
    target_um : float
        The defocus that the plan wants.
    """

    def __init__(self, routine: FocusRoutine, *, clock: Clock, target_um: float = 0.0) -> None:
        self._routine, self._clock = routine, clock
        self.target_um = target_um
        self._places = Places()
        self._states: dict[Place, tuple[FocusState, int]] = {}
        self._moved_um: dict[Place, float] = {}

    def begin(self) -> None:
        """A new acquisition: nothing was tried yet, but what was learned is kept."""
        self._states.clear()
        self._moved_um.clear()

    def stage_um(self, spot: Spot, *, above_um: float = 0.0) -> float | None:
        """Where the drive has to stand for a plane so far above the focus; None where nothing is known."""
        shift = self._places.expect(spot.place, t_s=self._clock.now_s())
        return None if shift is None else spot.plan_um + shift.um + self.target_um + above_um

    def focus(self, spot: Spot) -> FocusResult:
        """Bring a spot into focus; the stage is there already.

        Raises
        ------
        DeviceError, LimitError, ModelError
            See `FocusRoutine.run`.
        """
        result = self._routine.run(target_um=self.target_um)
        state = FocusState.FOCUSED if result.is_focused else FocusState.FAILED
        self._states[spot.place] = state, spot.time_point
        self._moved_um[spot.place] = result.moved_um
        if result.is_focused:
            self._learn(spot, focus_um=result.z_um - result.defocus_um, sd_um=result.std_um)
        return result

    def look_at(self, spot: Spot, frame_yx: NDArray[Any], *, z_um: float, learn: bool) -> FocusEstimate:
        """What an image of the acquisition tells, and learn from it where the focus goes.

        Raises
        ------
        ModelError
            If the model was not made for the camera's images.
        """
        estimate = self._routine.estimate(frame_yx)
        if learn and estimate.accepted:
            self._learn(spot, focus_um=z_um - estimate.defocus_um, sd_um=estimate.std_um)
            if self.state_of(spot) is FocusState.EXPECTED:
                self._states[spot.place] = FocusState.FOLLOWED, spot.time_point
        return estimate

    def about(self, spot: Spot, *, z_um: float, image: FocusEstimate | None = None) -> FrameFocus:
        """What is known of the focus of an image that is taken at a stage position."""
        shift = self._places.expect(spot.place, t_s=self._clock.now_s())
        state = self.state_of(spot)
        if shift is None or state is FocusState.FAILED:
            return FrameFocus(state, math.nan, math.nan, NOWHERE, self._moved_um.get(spot.place, 0.0), image)
        defocus_um, half_um = z_um - spot.plan_um - shift.um, NORMAL_90 * shift.sd_um
        return FrameFocus(
            state,
            defocus_um,
            shift.sd_um,
            (defocus_um - half_um, defocus_um + half_um),
            self._moved_um.get(spot.place, 0.0),
            image,
        )

    def state_of(self, spot: Spot) -> FocusState:
        """How it stands with a spot."""
        state, time_point = self._states.get(spot.place, (FocusState.UNKNOWN, spot.time_point))
        if state is FocusState.UNKNOWN:
            is_expected = self._places.expect(spot.place, t_s=self._clock.now_s()) is not None
            return FocusState.EXPECTED if is_expected else state
        if time_point == spot.time_point or state is FocusState.FAILED:
            return state
        return FocusState.EXPECTED

    def was_tried(self, spot: Spot) -> bool:
        """Whether it was brought into focus in this time point, or could not be."""
        state, time_point = self._states.get(spot.place, (FocusState.UNKNOWN, -1))
        return time_point == spot.time_point and state in (FocusState.FOCUSED, FocusState.FAILED)

    def _learn(self, spot: Spot, *, focus_um: float, sd_um: float) -> None:
        shift_um = focus_um - spot.plan_um
        self._places.learn(spot.place, shift_um=shift_um, sd_um=sd_um, t_s=self._clock.now_s())
