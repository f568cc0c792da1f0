"""AcquisitionFocus: where the drive has to stand at each place of an acquisition, and what is known of it.

Knows nothing of who runs the acquisition: Micro-Manager, another program, or a loop of one's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from parfocal.control.clock import Clock
from parfocal.control.focus_measurement import FocusMeasurement, FocusPrediction
from parfocal.control.focus_result import FocusResult
from parfocal.control.focus_routine import FocusRoutine
from parfocal.control.frame_focus import FocusState, FrameFocus
from parfocal.control.learned_surface import LearnedSurface
from parfocal.control.self_check import SelfCheck
from parfocal.control.surface_prior import SurfacePrior
from parfocal.estimate import NORMAL_90, FocusEstimate

Place = tuple[int, int]
NOWHERE = (math.nan, math.nan)
PLANNED = SurfacePrior(level_um=30.0, tilt_um_per_mm=1.0, near_um=5.0)
"""Of positions that somebody planned: the focus is not far from there."""
FOLLOWED_UM = 5.0
"""Of drift that images alone have told: then the stage has to tell again that the model is right."""
AGREES_SDS = 2.0
"""Where little was known then, it was no drift that is known now."""
LEAST_SD_UM, OUTLIER_SDS = 0.15, 4.0
"""What all images of one place err alike; and an image so far off is none of it."""
NEAR_UM = 5.0
"""Focus is expected to within that: what looks empty is so. Far from focus every field looks empty."""


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

    What is learned is how far the focus lies from where the plan has it, as a surface over the stage that
    drifts (`LearnedSurface`): each place tells something of the others, and of what comes next.

    Parameters
    ----------
    routine : FocusRoutine
        Brings one of them into focus.
    clock : Clock
    target_um : float
        The defocus that the plan wants.
    prior : SurfacePrior, optional
        What is known of the surface before the first image; `PLANNED` if not given.
    """

    def __init__(
        self,
        routine: FocusRoutine,
        *,
        clock: Clock,
        target_um: float = 0.0,
        prior: SurfacePrior | None = None,
    ) -> None:
        self._routine, self._clock = routine, clock
        self.target_um = target_um
        self._surface = LearnedSurface(prior=prior or PLANNED)
        self._states: dict[Place, tuple[FocusState, int]] = {}
        self._found: dict[Place, FocusResult] = {}
        self._seen: set[Place] = set()
        self._check: SelfCheck | None = None
        self._checked: tuple[LearnedSurface, float] | None = None  # what was known when, and vouched for

    @property
    def surface(self) -> LearnedSurface:
        """How far the focus lies from where the plan has it, over the stage and in time."""
        return self._surface

    def begin(self) -> None:
        """A new acquisition: nothing was tried yet, but what was learned is kept."""
        self._states.clear()
        self._found.clear()
        self._seen.clear()

    def forget(self) -> None:
        """Another plan: what was learned is counted from the positions of the last one."""
        self._surface = LearnedSurface(prior=self._surface.prior)
        self._checked = None

    def has_gone_far(self, spot: Spot) -> bool:
        """Whether images alone led so far since the stage last told, anywhere, that the model is right."""
        if self._checked is None:
            return False
        surface, t_s = self._checked
        then = surface.at(spot.x_um, spot.y_um, t_s=t_s)
        now = self._surface.at(spot.x_um, spot.y_um, t_s=self._clock.now_s())
        return abs(now.focus_z_um - then.focus_z_um) > FOLLOWED_UM + AGREES_SDS * then.std_um

    def stage_um(self, spot: Spot, *, above_um: float = 0.0) -> float | None:
        """Where the drive has to stand for a plane so far above the focus; None where nothing is known."""
        focus = self._focus_of(spot)
        return None if focus is None else focus.focus_z_um + self.target_um + above_um

    def focus(self, spot: Spot) -> FocusResult:
        """Bring a spot into focus; the stage is there already.

        Raises
        ------
        DeviceError, LimitError, ModelError
            See `FocusRoutine.run`.
        """
        if self.has_gone_far(spot):
            self._routine.trust.doubt()  # known moves have to tell again that the model is right
        expected = self._focus_of(spot)
        result = self._routine.run(
            target_um=self.target_um,
            expected_sd_um=math.inf if expected is None else expected.std_um,
            may_be_empty=self._may_be_empty(spot),
        )
        state = FocusState.FOCUSED if result.is_focused else FocusState.FAILED
        self._states[spot.place] = state, spot.time_point
        self._found[spot.place] = result
        if result.is_focused:
            self._seen.add(spot.place)
            self._learn(spot, focus_z_um=result.z_um - result.defocus_um, std_um=result.std_um)
            self._notice_check()
        return result

    def look_at(self, spot: Spot, frame_yx: NDArray[Any], *, z_um: float, learn: bool) -> FocusEstimate:
        """What an image of the acquisition tells, and learn from it where the focus goes.

        Raises
        ------
        ModelError
            If the model was not made for the camera's images.
        """
        estimate = self._routine.estimate(frame_yx)
        if self._routine.trust.refusal:
            return estimate
        if learn and estimate.accepted:
            self._refine(spot, focus_z_um=z_um - estimate.defocus_um, std_um=estimate.std_um)
            self._learn(spot, focus_z_um=z_um - estimate.defocus_um, std_um=estimate.std_um)
            if self.state_of(spot) is FocusState.EXPECTED:
                self._states[spot.place] = FocusState.FOLLOWED, spot.time_point
        return estimate

    def remember(self, spot: Spot, *, t_s: float, focus_z_um: float, std_um: float) -> None:
        """Take in what an earlier part of the acquisition told of a spot, at a time on the clock."""
        self._learn(spot, focus_z_um=focus_z_um, std_um=std_um, t_s=t_s)

    def about(self, spot: Spot, *, z_um: float, image: FocusEstimate | None = None) -> FrameFocus:
        """What is known of the focus of an image that is taken at a stage position."""
        focus, state = self._focus_of(spot), self.state_of(spot)
        moved_um = self._found[spot.place].moved_um if spot.place in self._found else 0.0
        if focus is None or state is FocusState.FAILED:
            return FrameFocus(state, math.nan, math.nan, NOWHERE, moved_um, image)
        defocus_um, half_um = z_um - focus.focus_z_um, NORMAL_90 * focus.std_um
        interval90_um = defocus_um - half_um, defocus_um + half_um
        return FrameFocus(state, defocus_um, focus.std_um, interval90_um, moved_um, image)

    def state_of(self, spot: Spot) -> FocusState:
        """How it stands with a spot."""
        state, time_point = self._states.get(spot.place, (FocusState.UNKNOWN, spot.time_point))
        if state is FocusState.UNKNOWN:
            return FocusState.EXPECTED if self._surface.n_taken else state
        if time_point == spot.time_point or state is FocusState.FAILED:
            return state
        return FocusState.EXPECTED

    def is_sure(self, spot: Spot, *, within_um: float) -> bool:
        """Whether the focus of a spot that was seen before is expected to within a standard deviation."""
        if self.state_of(spot) is FocusState.FAILED or spot.place not in self._states:
            return False
        if self.has_gone_far(spot):
            return False
        focus = self._focus_of(spot)
        return focus is not None and focus.std_um <= within_um

    def was_tried(self, spot: Spot) -> bool:
        """Whether it was brought into focus in this time point, or could not be."""
        state, time_point = self._states.get(spot.place, (FocusState.UNKNOWN, -1))
        return time_point == spot.time_point and state in (FocusState.FOCUSED, FocusState.FAILED)

    def _notice_check(self) -> None:
        """Known moves have told that the model is right: so far, what the surface knows is vouched for."""
        check = self._routine.trust.check
        if check is not None and check is not self._check:
            self._check, self._checked = check, (self._surface, self._clock.now_s())

    def _refine(self, spot: Spot, *, focus_z_um: float, std_um: float) -> None:
        """Where a spot was found in this time point, after one more image of it; outliers tell nothing."""
        if self._states.get(spot.place) != (FocusState.FOCUSED, spot.time_point):
            return
        found = self._found[spot.place]
        found_um, sd_um = found.z_um - found.defocus_um, max(found.std_um, LEAST_SD_UM)
        noise_um = max(std_um, LEAST_SD_UM)
        off_um = focus_z_um - found_um
        if abs(off_um) > OUTLIER_SDS * math.hypot(sd_um, noise_um):
            return
        gain = sd_um**2 / (sd_um**2 + noise_um**2)
        self._found[spot.place] = replace(
            found,
            defocus_um=found.defocus_um - gain * off_um,
            std_um=max(math.sqrt(1 - gain) * sd_um, LEAST_SD_UM),
        )

    def _may_be_empty(self, spot: Spot) -> bool:
        """Whether a field that shows nothing is empty, and not just far from focus."""
        focus = self._focus_of(spot)
        return spot.place not in self._seen and focus is not None and focus.std_um <= NEAR_UM

    def _focus_of(self, spot: Spot) -> FocusPrediction | None:
        """Where the focus of a spot is: as it was just found, or as it is expected."""
        if self._states.get(spot.place) == (FocusState.FOCUSED, spot.time_point):
            found = self._found[spot.place]
            return FocusPrediction(found.z_um - found.defocus_um, found.std_um)
        if not self._surface.n_taken:
            return None
        off = self._surface.at(spot.x_um, spot.y_um, t_s=self._clock.now_s())
        return replace(off, focus_z_um=spot.plan_um + off.focus_z_um)

    def _learn(self, spot: Spot, *, focus_z_um: float, std_um: float, t_s: float | None = None) -> None:
        self._surface = self._surface.learn(
            FocusMeasurement(
                t_s=self._clock.now_s() if t_s is None else t_s,
                x_um=spot.x_um,
                y_um=spot.y_um,
                focus_z_um=focus_z_um - spot.plan_um,
                std_um=std_um,
            )
        )
