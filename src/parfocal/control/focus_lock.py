"""FocusLock: the loop that looks, believes, decides and moves, and its states."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from parfocal.control.belief import Belief, predict, update
from parfocal.control.clock import Clock
from parfocal.control.controller import Decision, decide
from parfocal.control.devices import Camera, FocusDrive
from parfocal.control.frame_watch import FrameWatch
from parfocal.control.gain_watch import AT_REST_UM, GainWatch
from parfocal.control.lock_settings import LockSettings
from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_state import LockState, Standing, next_state
from parfocal.control.lock_summary import LockSummary, LockTally
from parfocal.control.play import Play
from parfocal.control.recovery import Recovery
from parfocal.control.requests import Requests, refuse_unreachable_target, target_event
from parfocal.control.run_log import RunLog
from parfocal.control.self_check import (
    Look,
    SelfCheck,
    SelfCheckSettings,
    check_looks,
    planned_offset_um,
)
from parfocal.control.supervisor import CutBy, Move, Supervisor
from parfocal.errors import DeviceError, OutputError
from parfocal.estimate import Estimator, FocusEstimate

_HELD_BY = {
    CutBy.WINDOW: "at the limit of the window: the focus lies beyond it",
    CutBy.TRAVEL: "held still: the travel allowed in an hour is used up",
}
BY_HAND = "somebody moved the drive"
"""So begins the reason of a frame, and the event, where somebody did."""
HARDLY = 0.1
"""Of a move that was asked for: no more, and the drive was held."""
TEXTURE_EVERY_S = 10.0
"""What there is to see in focus changes slowly, and looking at it takes a part of a millisecond."""
BLIND_EVERY = 20
"""Frames that cannot be told, of which one is looked at."""
CHECKS_PER_RANGE = 24
"""A known move is that part of what the model can tell, unless the settings say how long it is."""


class FocusLock:
    """Holds the focus of a microscope.

    Parameters
    ----------
    camera : Camera
    drive : FocusDrive
    estimator : Estimator
    settings : LockSettings
    clock : Clock
    log : RunLog, optional
        Gets every snapshot and event; closed when `run` ends.
    on_step : callable, optional
        Called with every `LockSnapshot`, in the loop's own thread: must be quick.
    on_event : callable, optional
        Called in the same way with the time and the words of every event of the record.
    truth : callable, optional
        Gives the true defocus in um, where a virtual microscope knows it. For the record only.
    good_z_um : float, optional
        Where it was last in focus, if an earlier lock knew; where the drive stands, if not given.
    first_event : str
        What the record says of the start.

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
        settings: LockSettings,
        clock: Clock,
        log: RunLog | None = None,
        on_step: Callable[[LockSnapshot], None] | None = None,
        on_event: Callable[[float, str], None] | None = None,
        truth: Callable[[], float] | None = None,
        good_z_um: float | None = None,
        first_event: str = "started",
    ) -> None:
        self._camera = camera
        self._estimator = estimator
        self._settings = settings
        self._clock = clock
        self._log = log
        self._on_step, self._on_event = on_step, on_event
        self._truth = truth
        self._supervisor = Supervisor(drive, settings.limits, clock=clock)
        self._watch = FrameWatch(settings.watch)
        self._tally = LockTally(target_um=settings.controller.target_um, tolerance_um=settings.tolerance_um)
        self._gain_watch = GainWatch(settings.gain_watch)
        self._recovery = Recovery(
            settings.limits,
            z_range_um=estimator.z_range_um,
            settings=settings.search,
            start_um=self._supervisor.position_um() if good_z_um is None else good_z_um,
        )
        self._stop_requested, self._pause_requested = threading.Event(), threading.Event()
        self._requests = Requests()
        self._state = LockState.IDLE
        self._belief = Belief.unknown()
        self._before_s: float | None = None  # time of the last frame
        self._play = Play(settings.backlash_um, self._supervisor.position_um())
        self._bad_frames = self._blind_frames = 0
        self._moves_help = True
        self._cut_by = CutBy.NOTHING
        self._doubt = self._warning = ""
        self._is_empty = self._is_trusted = False
        self._textured_s = -math.inf
        self._tries_strange = True
        self._first_event = first_event
        self._frame_yx: NDArray[Any] | None = None
        self._last_look: tuple[NDArray[Any], FocusEstimate] | None = None
        self._looks: list[Look] = []
        self._check: SelfCheck | None = None
        if settings.self_check is not None:
            self._state = LockState.VERIFYING

    @property
    def self_check(self) -> SelfCheck | None:
        """What the moves at the beginning told of the model; None if there were none, or not yet."""
        return self._check

    @property
    def state(self) -> LockState:
        """What the lock says of itself now."""
        return self._state

    @property
    def gain_watch(self) -> GainWatch:
        """What the lock's own moves tell of the model."""
        return self._gain_watch

    @property
    def last_look(self) -> tuple[NDArray[Any], FocusEstimate] | None:
        """The last frame, shape (Y, X), and what the model said of it; None before the first."""
        return self._last_look

    def request_pause(self) -> None:
        """Move nothing from the next frame on, but go on looking. May be called from any thread."""
        self._pause_requested.set()

    def request_resume(self) -> None:
        """End a pause with the next frame. May be called from any thread."""
        self._pause_requested.clear()

    def request_stop(self) -> None:
        """Let `run` end after the frame at hand. May be called from any thread."""
        self._stop_requested.set()

    def request_target(self, target_um: float) -> None:
        """Hold another defocus from the next frame on. May be called from any thread.

        Raises
        ------
        InputError
            If the model cannot tell that defocus.
        """
        refuse_unreachable_target(target_um, self._estimator.z_range_um)
        self._requests.target(target_um)

    def request_note(self, text: str) -> None:
        """Let the record have one more event with the next frame. May be called from any thread."""
        self._requests.note(text)

    def stop_drive(self) -> None:
        """End any motion now, whatever the loop waits for. May be called from any thread."""
        self._supervisor.stop()

    def run(self, duration_s: float) -> LockSummary:
        """Hold the focus for `duration_s` seconds of the clock; ends early on a failure, or Ctrl-C.

        A failure of the hardware or of the record stops the drive, is written as an event and stands in the
        summary's ``fault``. Any other error is raised, after the drive was stopped.
        """
        fault = ""
        try:
            self._event(self._first_event)
            self._loop(duration_s)
            fault = self._refusal
            self._end(LockState.STOPPED, fault or "stopped")
        except KeyboardInterrupt:
            self._end(LockState.STOPPED, "interrupted by the user")
        except (DeviceError, OutputError) as error:
            fault = str(error)
        finally:
            if self._log is not None:
                self._log.close()
        return self._tally.summary(fault=fault)

    def step(self) -> LockSnapshot:
        """One frame: look, believe, decide, move.

        Raises
        ------
        DeviceError
            If camera or drive fail. The drive was stopped first.
        """
        try:
            return self._publish(self._look_and_move())
        except KeyboardInterrupt:
            self._supervisor.stop()
            raise
        except BaseException as error:
            self._end(LockState.FAULT, f"fault: {error}")
            raise

    def _loop(self, duration_s: float) -> None:
        clock = self._clock
        start_s = due_s = clock.now_s()
        period_s = clock.speed / self._settings.frame_rate_hz
        # Half a period of slack, so that rounding cannot add a frame.
        while (
            due_s < start_s + duration_s - period_s / 2
            and not self._stop_requested.is_set()
            and not self._refusal
        ):
            clock.wait_until(due_s)
            self.step()
            due_s = max(due_s + period_s, clock.now_s())

    def _look_and_move(self) -> LockSnapshot:
        self._heed_requests()
        t_s, z_um = self._clock.now_s(), self._supervisor.position_um()
        is_displaced = self._supervisor.is_displaced
        frame_yx = self._frame_yx = self._camera.snap()
        estimate = self._see(frame_yx, t_s=t_s)
        self._last_look = frame_yx, estimate
        true_defocus_um = None if self._truth is None else self._truth()
        if self._pause_or_resume():
            decision = Decision(0.0, "paused" if self._state is LockState.PAUSED else "the pause is over")
        elif self._is_unchecked and self._state is not LockState.PAUSED:
            decision = self._verify(estimate, frame_yx, z_um=z_um)
        else:
            self._believe(estimate, t_s=t_s, z_um=z_um)
            self._notice_useless_moves()
            self._judge(estimate, frame_yx, z_um=z_um)
            decision = self._decide(estimate, z_um=z_um)
        if is_displaced:
            decision = self._yield_to_a_hand(z_um)
        move = self._supervisor.move_by(decision.move_um) if decision.move_um else Move(0.0)
        if move.cut_by is CutBy.HAND:
            self._yield_to_a_hand(self._supervisor.position_um())
        if self._state is not LockState.VERIFYING:  # a known move that is cut short proves nothing of focus
            self._notice_cut(move, wanted_um=decision.move_um)
        return LockSnapshot(
            t_s=t_s,
            wall_time_s=time.time(),
            z_um=z_um,
            defocus_um=estimate.defocus_um,
            std_um=estimate.std_um,
            in_distribution=estimate.in_distribution,
            accepted=estimate.accepted,
            latency_ms=estimate.latency_ms,
            belief_um=self._belief.mean_um,
            belief_sd_um=self._belief.sd_um,
            state=self._state,
            move_um=move.um,
            reason=decision.reason,
            true_defocus_um=true_defocus_um,
        )

    def _heed_requests(self) -> None:
        self._heed_notes()
        target_um = self._requests.take_target()
        controller = self._settings.controller
        if target_um is None or target_um == controller.target_um:
            return
        self._event(target_event(controller.target_um, target_um))
        controller = controller.replace(target_um=target_um)
        self._settings = self._settings.replace(controller=controller.model_dump())
        self._tally.aim(target_um)
        self._bad_frames = 0
        is_on_its_way = abs(self._belief.mean_um - target_um) > self._settings.tolerance_um
        if is_on_its_way and self._state in (LockState.LOCKED, LockState.UNCERTAIN):
            self._enter(LockState.IDLE)  # nothing is lost, but it is not there yet

    def _heed_notes(self) -> None:
        for text in self._requests.take_notes():
            self._write_event(text)

    def _yield_to_a_hand(self, z_um: float) -> Decision:
        """Somebody wants the drive elsewhere: nothing goes back from there but by what an image says."""
        self._event(f"{BY_HAND} to {z_um:.2f} um")
        self._recovery.left_by_a_hand(z_um)
        self._looks.clear()
        self._gain_watch.forget_looks()
        return Decision(0.0, f"{BY_HAND}: holding still")

    def _pause_or_resume(self) -> bool:
        """Whether a pause began or ended with this frame."""
        is_paused, is_wanted = self._state is LockState.PAUSED, self._pause_requested.is_set()
        if is_paused == is_wanted:
            return False
        if is_wanted:
            self._looks.clear()  # an interrupted self-check begins anew
            self._enter(LockState.PAUSED)
        else:
            self._bad_frames = self._blind_frames = 0
            self._belief = replace(Belief.unknown(), drift_um_per_s=self._belief.drift_um_per_s)
            self._enter(LockState.VERIFYING if self._is_unchecked else LockState.IDLE)
        return True

    def _see(self, frame_yx: NDArray[Any], *, t_s: float) -> FocusEstimate:
        """What the model says of a new frame; not to be acted on where the frame is old."""
        doubt = self._watch.doubt(frame_yx, took_s=self._clock.now_s() - t_s)
        if doubt and not self._doubt:
            self._event(doubt)
        self._doubt = doubt
        estimate = self._estimator.estimate(frame_yx, pixel_size_um=self._camera.pixel_size_um)
        if doubt:
            return replace(estimate, accepted=False, is_strange=False)
        return replace(estimate, accepted=True) if self._is_vouched_for(estimate) else estimate

    def _is_vouched_for(self, estimate: FocusEstimate) -> bool:
        """Whether an image looks strange, but the stage has shown that the model is right on this sample."""
        if not estimate.is_strange or self._warning:
            return False
        if self._is_unchecked:  # that is what the self-check is to find out
            return self._tries_strange and self._state is LockState.VERIFYING
        return self._check is not None and estimate.in_distribution >= self._check.vouched_from

    @property
    def _is_unchecked(self) -> bool:
        return self._settings.self_check is not None and self._check is None

    def _verify(self, estimate: FocusEstimate, frame_yx: NDArray[Any], *, z_um: float) -> Decision:
        """One more look of the self-check, and the known move to the next; after the last, its verdict."""
        settings = self._settings.self_check
        assert settings
        if not (self._looks or estimate.accepted):
            return self._look_around(frame_yx, z_um=z_um)
        self._enter(LockState.VERIFYING)
        self._blind_frames = 0
        look = Look(
            z_um, estimate.defocus_um, estimate.accepted, estimate.in_distribution, estimate.is_strange
        )
        self._looks.append(look)
        done = len(self._looks)
        if done < settings.looks:
            there_um = self._looks[0].z_um + planned_offset_um(done, step_um=self._check_step_um(settings))
            return Decision(there_um - z_um, "a known move, to check the model")
        check = check_looks(self._looks, settings)
        if check.refusal and any(look.is_strange for look in self._looks):
            # Of strange images that proves little: one that looks familiar may be found.
            self._event(f"self-check on images that look strange: {check.refusal}")
            self._tries_strange = False
            self._looks.clear()
            return Decision(0.0, "waiting for an image that can be told")
        self._check = check
        self._state = LockState.IDLE  # the event that follows tells more
        self._event(f"self-check: {self._check.in_words}")
        return Decision(0.0, "the self-check is done")

    def _look_around(self, frame_yx: NDArray[Any], *, z_um: float) -> Decision:
        """Before the self-check: an image that can be told is waited for, and after a while looked for."""
        self._blind_frames += 1
        self._notice_emptiness(frame_yx, good=False)
        may_search = self._recovery.is_due and not (self._is_empty or self._doubt)
        is_late = self._blind_frames >= self._settings.lost_after_s * self._settings.frame_rate_hz
        if may_search and is_late:
            self._enter(LockState.SEARCHING)
            place_um = self._recovery.next_place_um(z_um)
            if place_um is not None:
                return Decision(place_um - z_um, "looking for an image that can be told")
        self._enter(LockState.VERIFYING)
        away_um = z_um - self._recovery.home_um
        if (
            is_late
            and not self._recovery.is_due
            and abs(away_um) > self._settings.limits.arrival_tolerance_um
        ):
            return Decision(-away_um, "no image could be told: back to where it began")
        return Decision(0.0, "waiting for an image that can be told")

    def _check_step_um(self, settings: SelfCheckSettings) -> float:
        lowest_um, highest_um = self._estimator.z_range_um
        step_um = settings.step_um or (highest_um - lowest_um) / CHECKS_PER_RANGE
        return min(step_um, self._settings.limits.step_toward_um)

    @property
    def _refusal(self) -> str:
        if self._check is None or not self._check.refusal:
            return ""
        return f"not locked, as the model does not fit this sample: {self._check.refusal}"

    def _believe(self, estimate: FocusEstimate, *, t_s: float, z_um: float) -> None:
        settings, dt_s = self._settings.belief, 0.0
        # The stage as it reads: this counts our own moves and anybody else's alike.
        before_um, self._play = self._play.objective_um, self._play.after(z_um)
        if self._before_s is not None:
            dt_s, moved_um = t_s - self._before_s, self._play.objective_um - before_um
            self._belief = predict(self._belief, move_um=moved_um, dt_s=dt_s, settings=settings)
        self._before_s = t_s
        self._belief = update(self._belief, estimate, settings=settings, dt_s=dt_s)

    def _decide(self, estimate: FocusEstimate, *, z_um: float) -> Decision:
        controller = self._settings.controller
        if self._state is LockState.PAUSED:
            return Decision(0.0, "paused")
        if self._refusal:
            return Decision(0.0, self._refusal)
        if not self._moves_help:
            return self._back(z_um, "moves did not help")
        if self._doubt or not estimate.accepted:
            seen = "the field is empty: waiting" if self._is_empty else "the estimate was not accepted"
            return self._without_an_answer(z_um, self._doubt or seen)
        if not self._is_trusted:
            return self._without_an_answer(z_um, "the estimate is too uncertain")
        decision = decide(self._belief, controller)
        return replace(decision, move_um=self._play.move_for(decision.move_um, z_um=z_um))

    def _without_an_answer(self, z_um: float, reason: str) -> Decision:
        if self._state is LockState.SEARCHING and not self._doubt:
            place_um = self._recovery.next_place_um(z_um)
            if place_um is not None:
                return Decision(place_um - z_um, "looking for the lost focus")
        return self._back(z_um, reason)

    def _back(self, z_um: float, reason: str) -> Decision:
        """Nothing to go by: hold still; but once the lock is lost, where it was last in focus is better."""
        away_um, settings = z_um - self._recovery.home_um, self._settings
        blind_s = self._blind_frames / settings.frame_rate_hz
        is_over = not self._moves_help or blind_s >= settings.lost_after_s
        if self._state is LockState.LOST and is_over and abs(away_um) > settings.limits.arrival_tolerance_um:
            return Decision(-away_um, f"{reason}: back to where it was last in focus")
        return Decision(0.0, reason)

    def _notice_useless_moves(self) -> None:
        """After moves that again and again did not do what the estimates promised, there are no more."""
        if self._state is LockState.PAUSED:  # whatever moved then, it was not the lock
            return
        if self._moves_help and self._belief.n_resets >= self._settings.useless_moves:
            self._moves_help = False
            self._recovery.distrust()
            self._event("lost: moves do not help; the model may have the wrong sign for this sample")

    def _judge(self, estimate: FocusEstimate, frame_yx: NDArray[Any], *, z_um: float) -> None:
        if self._state is LockState.PAUSED:
            return
        settings = self._settings
        error_um = self._belief.mean_um - settings.controller.target_um
        widest_um = max(estimate.std_um, self._belief.sd_um)
        trusted = estimate.accepted and not settings.controller.is_unsure(error_um=error_um, sd_um=widest_um)
        self._is_trusted = trusted
        good = trusted and abs(error_um) <= settings.tolerance_um and self._moves_help
        self._bad_frames = 0 if good else self._bad_frames + 1
        self._blind_frames = 0 if trusted else self._blind_frames + 1
        self._notice_emptiness(frame_yx, good=good and not self._belief.n_outliers)
        if trusted and self._moves_help:
            self._recovery.answered(z_um, error_um=error_um)
            self._notice_gain(estimate, z_um=z_um)
        if not trusted:  # over a gap, drift would count as the effect of a move
            self._gain_watch.forget_looks()
        if good and not self._belief.n_outliers:
            self._recovery.in_focus(z_um)
        waits = self._belief.half90_um <= settings.lost_um and (
            self._is_empty or self._recovery.is_where_an_answer_led(z_um, within_um=settings.tolerance_um)
        )
        standing = Standing(
            error_um=error_um,
            is_trusted=trusted,
            bad_s=self._bad_frames / settings.frame_rate_hz,
            blind_s=self._blind_frames / settings.frame_rate_hz,
            waits=waits,
            may_search=self._recovery.is_due and not (waits or self._is_empty or self._doubt),
            moves_help=self._moves_help,
        )
        self._enter(next_state(self._state, standing, settings))

    def _enter(self, state: LockState) -> None:
        if state is self._state:
            return
        self._event(str(state))
        self._state = state
        if state is LockState.SEARCHING:
            self._recovery.begin()
            # What was believed of a focus that is nowhere to be seen must not stand against the next answer.
            self._belief = replace(Belief.unknown(), drift_um_per_s=self._belief.drift_um_per_s)

    def _notice_emptiness(self, frame_yx: NDArray[Any], *, good: bool) -> None:
        """Keeps in mind what a field in focus shows; and whether one that cannot be told shows much less."""
        pixel_size_um = self._camera.pixel_size_um
        now_s = self._clock.now_s()
        if good and now_s - self._textured_s >= TEXTURE_EVERY_S:
            self._recovery.keep_texture(frame_yx, pixel_size_um=pixel_size_um)
            self._textured_s = now_s
        if not self._blind_frames:
            self._is_empty = False
        elif self._blind_frames % BLIND_EVERY == 1:
            self._is_empty = self._recovery.is_empty(frame_yx, pixel_size_um=pixel_size_um)

    def _notice_gain(self, estimate: FocusEstimate, *, z_um: float) -> None:
        """Every move is one more known move: the self-check goes on for as long as the lock does."""
        self._gain_watch.look(
            t_s=self._clock.now_s(),
            z_um=z_um,
            told_um=estimate.defocus_um,
            drift_um_per_s=self._belief.drift_um_per_s,
        )
        warning = self._gain_watch.warning
        if warning and not self._warning:
            self._event(f"warning: {warning}")
            self._warning = warning
        elif self._warning and self._gain_watch.is_fine:
            self._event("the answers follow the stage again")
            self._warning = ""

    def _notice_cut(self, move: Move, *, wanted_um: float) -> None:
        is_held = abs(move.um) <= HARDLY * abs(wanted_um)
        is_at_the_end = move.cut_by is CutBy.WINDOW and abs(move.um) < AT_REST_UM
        if is_at_the_end and self._state is LockState.SEARCHING:
            self._recovery.skip()
        cut_by = move.cut_by if is_held else CutBy.NOTHING
        if cut_by is not self._cut_by and cut_by in _HELD_BY:
            self._event(_HELD_BY[cut_by])
        self._cut_by = cut_by

    def _publish(self, snapshot: LockSnapshot) -> LockSnapshot:
        self._tally.add(snapshot)
        if self._log is not None:
            self._log.append(snapshot, self._frame_yx)
        if self._on_step is not None:
            self._on_step(snapshot)
        return snapshot

    def _end(self, state: LockState, text: str) -> None:
        self._state = state
        try:
            self._supervisor.stop()
        finally:
            self._event(text)

    def _event(self, text: str) -> None:
        self._heed_notes()  # a note of what was asked stands before what came of it
        self._write_event(text)

    def _write_event(self, text: str) -> None:
        t_s = self._clock.now_s()
        if self._log is not None:
            self._log.event(t_s, text)
        if self._on_event is not None:
            self._on_event(t_s, text)
