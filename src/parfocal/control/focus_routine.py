"""FocusRoutine: brings one field into focus, once, and says how it went."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray
from pydantic import Field

from parfocal.control.belief import Belief, BeliefSettings, predict, update
from parfocal.control.checking import CHECKS_PER_RANGE
from parfocal.control.clock import Clock
from parfocal.control.controller import ControllerSettings, decide
from parfocal.control.devices import Camera, FocusDrive
from parfocal.control.focus_result import FocusLook, FocusResult, Outcome
from parfocal.control.recovery import Recovery, SearchSettings, places_to_look_from
from parfocal.control.sample_trust import SampleTrust
from parfocal.control.self_check import Look, SelfCheckSettings, planned_offset_um
from parfocal.control.supervisor import CutBy, LimitSettings, Move, Supervisor
from parfocal.estimate import Estimator, FocusEstimate
from parfocal.settings import Settings

NARROW = 0.4
"""Of the largest standard deviation to move by: an answer so narrow is that of a field with cells."""
AGREES_SDS, FAR_UM = 2.0, 4.0
"""So near to what is expected, an answer agrees with it; and what is expected must be known that well."""
LIES = 2
"""Times that the answers may contradict the stage's moves before they are not followed any more."""
ARRIVED_UM = 0.05
"""No further, and a move was as good as refused."""


class RoutineSettings(Settings):
    """How a field is brought into focus.

    Attributes
    ----------
    tolerance_um : float
        Believed this close to the target, it is left as it is.
    trusted_move_um : float
        A move to the target that is no longer than this needs no second look; 0: each is looked at again.
    most_frames : int
        After so many with an answer, the routine ends without focus.
    looks : int
        Frames that cannot be told before another place is looked from.
    search : SearchSettings, optional
        How far a focus is looked for that cannot be told from where the drive stands; None: not at all.
    self_check : SelfCheckSettings, optional
        Known moves at the first place that can be told: does the model fit this sample? If its answers follow
        well, images are trusted that look strange to it. None: it is taken at its word.
    controller : ControllerSettings
        Target and dead band are the routine's own.
    belief : BeliefSettings
    """

    tolerance_um: float = Field(default=0.3, gt=0)
    trusted_move_um: float = Field(default=1.0, ge=0)
    most_frames: int = Field(default=20, ge=1)
    looks: int = Field(default=2, ge=1)
    search: SearchSettings | None = SearchSettings(reach_um=30.0, reach_toward_um=15.0)
    self_check: SelfCheckSettings | None = SelfCheckSettings()
    controller: ControllerSettings = ControllerSettings()
    belief: BeliefSettings = BeliefSettings()


class FocusRoutine:
    """Brings the field that a microscope sees into focus.

    Looks, believes, decides and moves as `FocusLock` does, until the focus is found or cannot be. Every move
    passes a supervisor of its own, which lasts as long as this object does. Nothing here knows of windows or
    of Micro-Manager.

    Parameters
    ----------
    camera : Camera
    drive : FocusDrive
    estimator : Estimator
    limits : LimitSettings
    settings : RoutineSettings
    clock : Clock
    on_look : callable, optional
        Called with every `FocusLook` and its frame (Y, X), before the next.

    Raises
    ------
    LimitError
        If the drive is outside the window to begin with.
    """

    def __init__(
        self,
        camera: Camera,
        drive: FocusDrive,
        estimator: Estimator,
        *,
        limits: LimitSettings,
        settings: RoutineSettings | None = None,
        clock: Clock,
        on_look: Callable[[FocusLook, NDArray[Any]], None] | None = None,
    ) -> None:
        self._settings = settings or RoutineSettings()
        self._rig = _Rig(
            camera=camera,
            estimator=estimator,
            clock=clock,
            limits=limits,
            supervisor=Supervisor(drive, limits, clock=clock),
            recovery=Recovery(
                limits, z_range_um=estimator.z_range_um, settings=self._settings.search, start_um=0.0
            ),
            on_look=on_look or _ignore,
            trust=SampleTrust(self._settings.self_check),
        )

    @property
    def settings(self) -> RoutineSettings:
        """How a field is brought into focus."""
        return self._settings

    @property
    def trust(self) -> SampleTrust:
        """Whether the model fits the sample."""
        return self._rig.trust

    @property
    def limits(self) -> LimitSettings:
        """Where the drive may be."""
        return self._rig.limits

    def run(
        self, *, target_um: float = 0.0, expected_sd_um: float = math.inf, may_be_empty: bool = True
    ) -> FocusResult:
        """Bring the field into focus, or to the defocus `target_um`.

        Parameters
        ----------
        target_um : float
        expected_sd_um : float
            How well it is known from elsewhere that the field is in focus already, as a standard deviation.
            On a sample on which the model was checked, a narrow answer that agrees with that is believed
            however strange the image.
        may_be_empty : bool
            Whether a field that shows nothing may be one without anything in it: then nothing is looked for.

        Raises
        ------
        DeviceError, LimitError
            If camera or drive fail; the drive was stopped.
        ModelError
            If the model was not made for the camera's images.
        """
        self._rig.supervisor.take_over()
        try:
            return _Run(
                self._rig,
                self._settings,
                target_um,
                expected_sd_um=expected_sd_um,
                may_be_empty=may_be_empty,
            ).to_the_end()
        except BaseException:
            self._rig.supervisor.stop()
            raise

    def estimate(self, frame_yx: NDArray[Any]) -> FocusEstimate:
        """What the model says of a frame (Y, X); accepted also where the stage vouches for it."""
        return self._rig.estimate(frame_yx)


@dataclass(frozen=True)
class _Rig:
    """What a routine works with."""

    camera: Camera
    estimator: Estimator
    clock: Clock
    limits: LimitSettings
    supervisor: Supervisor
    recovery: Recovery
    on_look: Callable[[FocusLook, NDArray[Any]], None]
    trust: SampleTrust

    def estimate(self, frame_yx: NDArray[Any]) -> FocusEstimate:
        return self.trust.of(self.estimator.estimate(frame_yx, pixel_size_um=self.camera.pixel_size_um))

    def check_step_um(self, settings: SelfCheckSettings) -> float:
        lowest_um, highest_um = self.estimator.z_range_um
        step_um = settings.step_um or (highest_um - lowest_um) / CHECKS_PER_RANGE
        return min(step_um, self.limits.step_toward_um)

    def is_empty(self, frame_yx: NDArray[Any]) -> bool:
        return self.recovery.is_empty(frame_yx, pixel_size_um=self.camera.pixel_size_um)

    def keep_texture(self, frame_yx: NDArray[Any]) -> None:
        self.recovery.keep_texture(frame_yx, pixel_size_um=self.camera.pixel_size_um)

    def go(self, move_um: float) -> Move:
        """In steps, as far as that is allowed; where it goes too fast it waits."""
        gone_um, clock, limits = 0.0, self.clock, self.limits
        while True:
            move = self.supervisor.move_by(move_um - gone_um)
            gone_um += move.um
            if move.cut_by is CutBy.RATE:
                clock.wait_until(clock.now_s() + limits.largest_step_um / limits.rate_um_per_s)
            elif move.cut_by is not CutBy.STEP:
                return Move(gone_um, move.cut_by)


def _look_of(estimate: FocusEstimate, z_um: float) -> Look:
    is_usable = estimate.accepted or estimate.is_strange
    return Look(z_um, estimate.defocus_um, is_usable, estimate.in_distribution, estimate.is_strange)


def _ignore(look: FocusLook, frame_yx: NDArray[Any]) -> None:
    """Nobody asked to be told."""


class _Run:
    """One run of a routine."""

    def __init__(
        self,
        rig: _Rig,
        settings: RoutineSettings,
        target_um: float,
        *,
        expected_sd_um: float,
        may_be_empty: bool,
    ) -> None:
        self._rig, self._settings = rig, settings
        self._expected_sd_um, self._may_be_empty = expected_sd_um, may_be_empty
        self._controller = self._settings.controller.replace(
            target_um=target_um, dead_band_um=self._settings.tolerance_um
        )
        self._target_um = target_um
        self._belief = Belief.unknown()
        self._looks: list[FocusLook] = []
        self._n_answers = 0
        self._start_um = rig.supervisor.position_um()

    def to_the_end(self) -> FocusResult:
        outcome = self._from_here()
        for place_um in self._places() if outcome is Outcome.NOT_TOLD else ():
            if abs(self._go_to(place_um) - place_um) > self._rig.limits.arrival_tolerance_um:
                continue
            self._belief = Belief.unknown()
            outcome = self._from_here()
            if outcome is not Outcome.NOT_TOLD:
                break
        if outcome is not Outcome.FOCUSED:
            self._go_to(self._start_um)
            self._belief = Belief.unknown()
        return self._result(outcome)

    def _from_here(self) -> Outcome:
        """Follow the answers until the focus is found, or for as long as there are some."""
        n_blind = 0
        while self._n_answers < self._settings.most_frames:
            estimate, frame_yx, t_s, z_um = self._look()
            if (estimate.accepted or estimate.is_strange) and self._rig.trust.settings:
                self._note(estimate, frame_yx, t_s=t_s, z_um=z_um)
                self._check_the_model(estimate, z_um=z_um)
                continue
            if self._rig.trust.refusal:
                self._note(estimate, frame_yx, t_s=t_s, z_um=z_um)
                return Outcome.MISFIT
            if not (estimate.accepted or self._is_as_expected(estimate)):
                if self._is_in_focus:  # as a trusted answer had it, which led here
                    self._note(estimate, frame_yx, t_s=t_s, z_um=z_um)
                    return Outcome.FOCUSED
                self._note(estimate, frame_yx, t_s=t_s, z_um=z_um)
                n_blind += 1
                if self._may_be_empty and self._rig.is_empty(frame_yx):
                    return Outcome.EMPTY
                if n_blind >= self._settings.looks:
                    return Outcome.NOT_TOLD
                continue
            n_blind = 0
            outcome = self._follow(estimate, frame_yx, t_s=t_s, z_um=z_um)
            if outcome is not None:
                return outcome
        return Outcome.NOT_SETTLED

    def _is_as_expected(self, estimate: FocusEstimate) -> bool:
        """Whether a strange image says, and narrowly, what is believed of its place, or known from others."""
        check = self._rig.trust.check
        if not (estimate.is_strange and check is not None and check.vouches):
            return False
        mean_um, sd_um = self._target_um, self._expected_sd_um
        if self._belief.n_agreed:
            mean_um, sd_um = self._belief.mean_um, self._belief.sd_um
        is_narrow = estimate.std_um <= NARROW * self._controller.largest_sd_um
        nearest_um = AGREES_SDS * math.hypot(sd_um, estimate.std_um)
        return is_narrow and abs(estimate.defocus_um - mean_um) <= nearest_um <= FAR_UM

    def _look(self) -> tuple[FocusEstimate, NDArray[Any], float, float]:
        """A frame, what the model says of it, when, and where the stage stands."""
        z_um, t_s = self._rig.supervisor.position_um(), self._rig.clock.now_s()
        frame_yx = self._rig.camera.snap()
        return self._rig.estimate(frame_yx), frame_yx, t_s, z_um

    def _check_the_model(self, first: FocusEstimate, *, z_um: float) -> None:
        """Known moves to and fro about where the stage stands, where it ends."""
        settings = self._rig.trust.settings
        assert settings
        looks = [_look_of(first, z_um)]
        for number in range(1, settings.looks):
            self._go_to(z_um + planned_offset_um(number, step_um=self._rig.check_step_um(settings)))
            estimate, frame_yx, t_s, there_um = self._look()
            looks.append(_look_of(estimate, there_um))
            self._note(estimate, frame_yx, t_s=t_s, z_um=there_um)
        self._rig.trust.seen(looks)

    def _follow(
        self, estimate: FocusEstimate, frame_yx: NDArray[Any], *, t_s: float, z_um: float
    ) -> Outcome | None:
        """Believe an answer and move by it; None if there is more to be done."""
        self._n_answers += 1
        self._belief = update(self._belief, replace(estimate, accepted=True), settings=self._settings.belief)
        wanted_um = decide(self._belief, self._controller).move_um
        move = self._rig.go(wanted_um) if wanted_um else Move(0.0)
        self._note(estimate, frame_yx, t_s=t_s, z_um=z_um, move_um=move.um)
        if self._is_in_focus:
            self._rig.keep_texture(frame_yx)
            return Outcome.FOCUSED
        self._belief = predict(self._belief, move_um=move.um, dt_s=0.0, settings=self._settings.belief)
        if self._belief.n_resets >= LIES:
            return Outcome.NOT_SETTLED
        if move.cut_by in (CutBy.WINDOW, CutBy.TRAVEL) and abs(move.um) < ARRIVED_UM:
            return Outcome.NOT_REACHED
        is_trusted = 0 < abs(move.um) <= self._settings.trusted_move_um
        return Outcome.FOCUSED if is_trusted and self._is_in_focus else None

    @property
    def _is_in_focus(self) -> bool:
        error_um = self._belief.mean_um - self._target_um
        is_sure = not self._controller.is_unsure(error_um=error_um, sd_um=self._belief.sd_um)
        return is_sure and not self._belief.n_outliers and abs(error_um) <= self._settings.tolerance_um

    def _places(self) -> tuple[float, ...]:
        """Where else to look from: the first of them is where it stands."""
        if self._settings.search is None:
            return ()
        return places_to_look_from(
            self._start_um,
            z_range_um=self._rig.estimator.z_range_um,
            limits=self._rig.limits,
            settings=self._settings.search,
        )[1:]

    def _go_to(self, z_um: float) -> float:
        """As far as that is allowed; where that ended."""
        here_um = self._rig.supervisor.position_um()
        return here_um + self._rig.go(z_um - here_um).um

    def _note(
        self,
        estimate: FocusEstimate,
        frame_yx: NDArray[Any],
        *,
        t_s: float,
        z_um: float,
        move_um: float = 0.0,
    ) -> None:
        look = FocusLook(
            t_s=t_s,
            z_um=z_um,
            defocus_um=estimate.defocus_um,
            std_um=estimate.std_um,
            interval90_um=estimate.interval90_um,
            in_distribution=estimate.in_distribution,
            accepted=estimate.accepted,
            move_um=move_um,
        )
        self._looks.append(look)
        self._rig.on_look(look, frame_yx)

    def _result(self, outcome: Outcome) -> FocusResult:
        is_known = outcome is Outcome.FOCUSED
        return FocusResult(
            outcome=outcome,
            t_s=self._rig.clock.now_s(),
            z_um=self._rig.supervisor.position_um(),
            start_z_um=self._start_um,
            target_um=self._target_um,
            defocus_um=self._belief.mean_um if is_known else math.nan,
            std_um=self._belief.sd_um if is_known else math.nan,
            looks=tuple(self._looks),
        )
