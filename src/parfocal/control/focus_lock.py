"""FocusLock: the loop that looks, believes, decides and moves, and its states."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from parfocal.control.checking import WAITING, Checking
from parfocal.control.clock import Clock
from parfocal.control.controller import Decision, decide
from parfocal.control.devices import Camera, FocusDrive
from parfocal.control.fallback import EMPTY, LOOKING, NOT_ACCEPTED, fallback
from parfocal.control.frame_watch import FrameWatch
from parfocal.control.gain_watch import AT_REST_UM, GainWatch
from parfocal.control.held import Held
from parfocal.control.judge import Judge
from parfocal.control.lock_report import LockReport
from parfocal.control.lock_settings import LockSettings
from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_state import LockState, next_state
from parfocal.control.lock_summary import LockSummary, LockTally
from parfocal.control.pause import OUTSIDE, Pause
from parfocal.control.recovery import Recovery
from parfocal.control.requests import Requests, refuse_unreachable_target, target_event
from parfocal.control.run_log import RunLog
from parfocal.control.self_check import SelfCheck
from parfocal.control.supervisor import CutBy, Move, Supervisor
from parfocal.control.tracker import Tracker
from parfocal.errors import DeviceError, OutputError
from parfocal.estimate import Estimator, FocusEstimate

BY_HAND = "somebody moved the drive"
"""So begins the reason of a frame, and the event, where somebody did."""


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
        self._truth = truth
        self._supervisor = Supervisor(drive, settings.limits, clock=clock)
        self._watch = FrameWatch(settings.watch)
        tally = LockTally(target_um=settings.controller.target_um, tolerance_um=settings.tolerance_um)
        self._requests = Requests()
        self._report = LockReport(
            clock, tally, log=log, on_step=on_step, on_event=on_event, notes=self._requests.take_notes
        )
        self._gain_watch = GainWatch(settings.gain_watch)
        self._recovery = Recovery(
            settings.limits,
            z_range_um=estimator.z_range_um,
            settings=settings.search,
            start_um=self._supervisor.position_um() if good_z_um is None else good_z_um,
        )
        z_um = self._supervisor.position_um()
        self._tracker = Tracker(settings.belief, backlash_um=settings.backlash_um, z_um=z_um)
        self._judge = Judge(settings, self._recovery, pixel_size_um=camera.pixel_size_um)
        self._checking = Checking(
            settings.self_check,
            z_range_um=estimator.z_range_um,
            longest_um=settings.limits.step_toward_um,
        )
        self._stop_requested, self._pause = threading.Event(), Pause()
        self._state = LockState.VERIFYING if self._checking.is_wanted else LockState.IDLE
        self._held = Held()
        self._doubt = ""
        self._first_event = first_event
        self._last_look: tuple[NDArray[Any], FocusEstimate] | None = None

    @property
    def self_check(self) -> SelfCheck | None:
        """What the moves at the beginning told of the model; None if there were none, or not yet."""
        return self._checking.verdict

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
        self._pause.request()

    def request_resume(self) -> None:
        """End a pause with the next frame. May be called from any thread."""
        self._pause.request_end()

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
            self._report.event(self._first_event)
            self._loop(duration_s)
            fault = self._refusal
            self._end(LockState.STOPPED, fault or "stopped")
        except KeyboardInterrupt:
            self._end(LockState.STOPPED, "interrupted by the user")
        except (DeviceError, OutputError) as error:
            fault = str(error)
        finally:
            self._report.close()
        return self._report.summary(fault=fault)

    def step(self) -> LockSnapshot:
        """One frame: look, believe, decide, move.

        Raises
        ------
        DeviceError
            If camera or drive fail. The drive was stopped first.
        """
        try:
            return self._look_and_move()
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
        t_s, pauses = self._clock.now_s(), self._pause.is_wanted
        is_left_alone = pauses or self._state is LockState.PAUSED
        z_um = self._supervisor.glance_um() if is_left_alone else self._supervisor.position_um()
        is_displaced = self._supervisor.is_displaced
        frame_yx = self._camera.snap()
        estimate = self._see(frame_yx, t_s=t_s)
        self._last_look = frame_yx, estimate
        true_defocus_um = None if self._truth is None else self._truth()
        decision = self._think(estimate, frame_yx, t_s=t_s, z_um=z_um, pauses=pauses)
        if is_displaced:
            decision = self._yield_to_a_hand(z_um)
        move = self._supervisor.move_by(decision.move_um) if decision.move_um else Move(0.0)
        if move.cut_by is CutBy.HAND:
            decision = self._yield_to_a_hand(self._supervisor.position_um())
        if self._state is not LockState.VERIFYING:  # a known move that is cut short proves nothing of focus
            self._notice_cut(move, wanted_um=decision.move_um)
        snapshot = LockSnapshot.of(
            estimate,
            self._tracker.belief,
            t_s=t_s,
            z_um=z_um,
            state=self._state,
            move_um=move.um,
            reason=decision.reason,
            true_defocus_um=true_defocus_um,
        )
        self._report.frame(snapshot, frame_yx)
        return snapshot

    def _heed_requests(self) -> None:
        self._report.heed_notes()
        target_um, controller = self._requests.take_target(), self._settings.controller
        if target_um is None or target_um == controller.target_um:
            return
        self._report.event(target_event(controller.target_um, target_um))
        controller = controller.replace(target_um=target_um)
        self._settings = self._settings.replace(controller=controller.model_dump())
        self._report.aim(target_um)
        self._judge.aim(self._settings)
        is_on_its_way = abs(self._tracker.belief.mean_um - target_um) > self._settings.tolerance_um
        if is_on_its_way and self._state in (LockState.LOCKED, LockState.UNCERTAIN):
            self._enter(LockState.IDLE)  # nothing is lost, but it is not there yet

    def _see(self, frame_yx: NDArray[Any], *, t_s: float) -> FocusEstimate:
        """What the model says of a new frame; not to be acted on where the frame is old."""
        doubt = self._watch.doubt(frame_yx, took_s=self._clock.now_s() - t_s)
        if doubt and not self._doubt:
            self._report.may_repeat(doubt)
        self._doubt = doubt
        estimate = self._estimator.estimate(frame_yx, pixel_size_um=self._camera.pixel_size_um)
        if doubt:
            return replace(estimate, accepted=False, is_strange=False)
        self._check_anew(estimate, t_s=t_s)
        is_verifying = self._state is LockState.VERIFYING
        is_vouched_for = self._checking.vouches_for(estimate, is_verifying=is_verifying)
        return replace(estimate, accepted=True) if is_vouched_for else estimate

    def _check_anew(self, estimate: FocusEstimate, *, t_s: float) -> None:
        """A warning about images that are trusted for their answers alone leads to a new self-check."""
        if self._state is LockState.PAUSED or not self._judge.moves_help:
            return
        if self._checking.begins_anew(estimate, t_s=t_s, is_warned=self._gain_watch.is_warned):
            self._enter(LockState.VERIFYING)

    def _think(
        self, estimate: FocusEstimate, frame_yx: NDArray[Any], *, t_s: float, z_um: float, pauses: bool
    ) -> Decision:
        """The state after a frame, and what to do about it."""
        if self._pause_or_resume(pauses, z_um=z_um):
            return Decision(0.0, "paused" if self._state is LockState.PAUSED else "the pause is over")
        is_paused = self._state is LockState.PAUSED
        if self._checking.is_wanted and not is_paused:
            return self._verify(estimate, frame_yx, z_um=z_um)
        self._tracker.follow(estimate, t_s=t_s, z_um=z_um)
        if is_paused:
            return Decision(0.0, "paused" if pauses else OUTSIDE)
        self._judge_frame(estimate, frame_yx, t_s=t_s, z_um=z_um)
        return self._decide(estimate, z_um=z_um)

    def _yield_to_a_hand(self, z_um: float) -> Decision:
        """Somebody wants the drive elsewhere: nothing goes back from there but by what an image says."""
        self._report.may_repeat(f"{BY_HAND} to {z_um:.2f} um", kind=BY_HAND)
        self._recovery.left_by_a_hand(z_um)
        self._checking.interrupt()
        self._gain_watch.forget_looks()
        if self._state is LockState.VERIFYING:  # what it waits for is waited for from here
            self._judge.start_over()
        return Decision(0.0, f"{BY_HAND}: holding still")

    def _pause_or_resume(self, pauses: bool, *, z_um: float) -> bool:
        """Whether a pause began or ended with this frame; none ends where nothing may be moved."""
        is_paused = self._state is LockState.PAUSED
        if is_paused and not pauses:
            return self._resume(z_um)
        if is_paused or not pauses:
            return False
        self._pause.begin(self._state)
        self._checking.interrupt()
        self._enter(LockState.PAUSED)
        return True

    def _resume(self, z_um: float) -> bool:
        is_outside = not self._supervisor.is_within(z_um)
        news = self._pause.goes_on(is_outside=is_outside)
        if news:
            self._report.event(news)
        if is_outside:
            return False
        self._judge.start_over()
        self._tracker.start_over()
        state = LockState.VERIFYING if self._checking.is_wanted else LockState.IDLE
        self._enter(self._pause.state_after(state))
        return True

    def _verify(self, estimate: FocusEstimate, frame_yx: NDArray[Any], *, z_um: float) -> Decision:
        """One more look of the self-check, or of looking for an image to begin it with."""
        if self._doubt or not (self._checking.is_under_way or estimate.accepted):
            self._judge.saw_nothing(frame_yx, is_doubted=bool(self._doubt))
            if self._judge.is_blind_for_long:
                self._checking.interrupt()
            return self._look_around(z_um)
        self._judge.saw()
        self._enter(LockState.VERIFYING)
        self._tracker.pass_by(z_um)
        step = self._checking.look(estimate, z_um=z_um)
        if step.is_over:
            self._state = LockState.IDLE  # the event that follows tells more
            self._end_check()
        if step.event:
            self._report.event(step.event)
        return step.decision

    def _end_check(self) -> None:
        """What the known moves did is no news of focus; a watch that was wrong begins anew."""
        self._tracker.start_over()
        self._gain_watch.forget_looks()
        if self._checking.has_vouched:
            self._gain_watch.start_over()

    def _look_around(self, z_um: float) -> Decision:
        """Before the self-check: an image that can be told is waited for, and after a while looked for."""
        is_late, is_empty = self._judge.is_blind_for_long, self._judge.is_empty
        if is_late and self._recovery.is_due and not (is_empty or self._doubt):
            self._enter(LockState.SEARCHING)
            place_um = self._recovery.next_place_um(z_um)
            if place_um is not None:
                return Decision(place_um - z_um, f"{LOOKING}an image that can be told")
        is_in_vain = is_late and not self._recovery.is_due
        if is_in_vain or (is_late and not is_empty):
            self._enter(LockState.LOST)
        elif self._state is not LockState.LOST:
            self._enter(LockState.VERIFYING)
        way_um = self._recovery.way_home_um(z_um)
        if is_in_vain and way_um and not self._doubt:
            return Decision(way_um, "no image could be told: back to where it began")
        return Decision(0.0, self._doubt or (EMPTY if is_empty else WAITING))

    @property
    def _refusal(self) -> str:
        check = self._checking.verdict
        return check.why_not_locked if check else ""

    def _judge_frame(
        self, estimate: FocusEstimate, frame_yx: NDArray[Any], *, t_s: float, z_um: float
    ) -> None:
        """What a frame says of the model, the moves and the state."""
        judge, belief = self._judge, self._tracker.belief
        if judge.moves_are_useless(belief):
            self._report.event("lost: moves do not help; the model may have the wrong sign for this sample")
        standing = judge.standing(
            estimate, belief, frame_yx, t_s=t_s, z_um=z_um, is_doubted=bool(self._doubt)
        )
        if not standing.is_trusted:  # over a gap, drift would count as the effect of a move
            self._gain_watch.forget_looks()
        elif standing.moves_help:
            self._notice_gain(estimate, t_s=t_s, z_um=z_um)
        self._enter(next_state(self._state, standing, self._settings))

    def _decide(self, estimate: FocusEstimate, *, z_um: float) -> Decision:
        if self._refusal:
            return Decision(0.0, self._refusal)
        if not self._judge.moves_help:
            return self._fall_back("moves did not help", z_um=z_um)
        if self._doubt:  # whatever is wrong with the camera, a move would be blind
            return Decision(0.0, self._doubt)
        if not estimate.accepted:
            return self._fall_back(EMPTY if self._judge.is_empty else NOT_ACCEPTED, z_um=z_um)
        if not self._judge.is_trusted:
            return self._fall_back("the estimate is too uncertain", z_um=z_um)
        decision = decide(self._tracker.belief, self._settings.controller)
        return replace(decision, move_um=self._tracker.move_for(decision.move_um, z_um=z_um))

    def _fall_back(self, reason: str, *, z_um: float) -> Decision:
        return fallback(reason, state=self._state, z_um=z_um, judge=self._judge, recovery=self._recovery)

    def _enter(self, state: LockState) -> None:
        if state is self._state:
            return
        self._report.may_repeat(str(state))
        self._state = state
        if state is LockState.SEARCHING:
            self._recovery.begin()
            # What was believed of a focus that is nowhere to be seen must not stand against the next answer.
            self._tracker.start_over()

    def _notice_gain(self, estimate: FocusEstimate, *, t_s: float, z_um: float) -> None:
        """Every move is one more known move: the self-check goes on for as long as the lock does."""
        drift_um_per_s = self._tracker.belief.drift_um_per_s
        self._gain_watch.look(t_s=t_s, z_um=z_um, told_um=estimate.defocus_um, drift_um_per_s=drift_um_per_s)
        news = self._gain_watch.news()
        if news:
            self._report.may_repeat(news, kind=news.split(":")[0])

    def _notice_cut(self, move: Move, *, wanted_um: float) -> None:
        is_at_the_end = move.cut_by is CutBy.WINDOW and abs(move.um) < AT_REST_UM
        if is_at_the_end and self._state is LockState.SEARCHING:
            self._recovery.skip()
        news = self._held.news(move, wanted_um=wanted_um)
        if news:
            self._report.may_repeat(news)

    def _end(self, state: LockState, text: str) -> None:
        self._state = state
        try:
            self._supervisor.stop()
        finally:
            self._report.last(text)
