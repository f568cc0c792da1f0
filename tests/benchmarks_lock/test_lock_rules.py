"""What each contender does about a frame, on a microscope without optics and with truthful answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from holders import LockHolder, RuleHolder, StandsStill, TimedCamera
from lock_fakes import TinyMicroscope, TruthfulEstimator, estimate_of
from rules import EachAnswer, HillClimber, Smoothed

from parfocal.control import FocusLock, LimitSettings, LockSettings, SimulatedClock, Supervisor

LIMITS = LimitSettings(lowest_z_um=-100.0, highest_z_um=100.0)
PERIOD_S = 72.0


class Answers:
    """Gives the answers that it was told to give."""

    fingerprint = "answers"
    z_range_um = (-15.0, 15.0)

    def __init__(self, *told_um: float, accepted: bool = True):
        self._left = [estimate_of(um, accepted=accepted) for um in told_um]

    def estimate(self, frame_yx, *, pixel_size_um):
        return self._left.pop(0)


FRAME = np.zeros((4, 4), np.uint16)


def wishes(rule, n: int) -> list[float]:
    """The moves that a rule wants, each of which is made."""
    moves = []
    for _ in range(n):
        wish = rule.look(FRAME, pixel_size_um=0.24)
        rule.moved(wish.move_um)
        moves.append(round(wish.move_um, 6))
    return moves


def test_the_paper_moves_by_each_answer_outside_its_band_also_by_a_refused_one() -> None:
    assert wishes(EachAnswer(Answers(0.9, -1.5, 1.0, 4.0, accepted=False)), 4) == [0.0, 1.5, 0.0, -4.0]


def test_the_mean_begins_with_the_first_answer_and_a_move_is_taken_off_it() -> None:
    rule = Smoothed(Answers(0.2, 1.2, 1.2, 0.0), alpha=0.5, dead_band_um=0.5)
    assert wishes(rule, 4) == [0.0, -0.7, -0.6, 0.0]


def test_the_mean_leaves_out_what_is_refused() -> None:
    assert wishes(Smoothed(Answers(9.0, 9.0, accepted=False)), 2) == [0.0, 0.0]
    assert Smoothed(Answers(9.0, accepted=False)).look(FRAME, pixel_size_um=0.24).is_refused


def test_the_climber_turns_round_when_the_last_step_made_it_worse() -> None:
    scores = iter([5.0, 4.0, 4.5, 4.0, 3.0])
    rule = HillClimber(measure=lambda frames_zyx: np.array([next(scores)]), step_um=0.3)
    assert wishes(rule, 5) == [0.3, 0.3, -0.3, -0.3, -0.3]


def holder_of(name: str, microscope: TinyMicroscope, clock: SimulatedClock):
    estimator = TruthfulEstimator(microscope, noise_um=0.1, bias_um=0.05)
    if name == "parfocal":
        settings = LockSettings(limits=LIMITS)
        return LockHolder(FocusLock(microscope, microscope, estimator, settings=settings, clock=clock))
    rules: dict[str, Callable[[], object]] = {
        "2018": lambda: EachAnswer(estimator),
        "ewma": lambda: Smoothed(estimator),
        "hill climber": lambda: HillClimber(measure=lambda _: np.array([microscope.true_defocus_um() ** 2])),
    }
    return RuleHolder(microscope, Supervisor(microscope, LIMITS, clock=clock), rules[name]())


@pytest.mark.parametrize(
    ("name", "largest_um"), [("parfocal", 0.6), ("2018", 1.5), ("ewma", 0.8), ("hill climber", 0.8)]
)
def test_a_truthful_answer_lets_everybody_follow_a_drift(name: str, largest_um: float) -> None:
    clock = SimulatedClock(1440.0, paced=False)
    microscope = TinyMicroscope(clock, focus_um=lambda t_s: 2.0 * t_s / 3600)
    holder = holder_of(name, microscope, clock)
    residuals_um, moved_um = [], 0.0
    for k in range(300):
        clock.wait_until(k * PERIOD_S)
        residuals_um.append(abs(microscope.true_defocus_um()))
        moved_um += holder.step().move_um
    assert max(residuals_um) < largest_um
    assert moved_um == pytest.approx(microscope.position_um())


def test_no_move_of_a_rule_is_longer_than_the_supervisor_allows() -> None:
    clock = SimulatedClock(1440.0, paced=False)
    microscope = TinyMicroscope(clock, z_um=40.0)
    step = holder_of("2018", microscope, clock).step()
    assert step.move_um == -LIMITS.largest_step_um and step.told_um == pytest.approx(40.0, abs=0.5)


def test_who_stands_still_takes_no_frame() -> None:
    assert StandsStill().step().move_um == 0.0


def test_the_time_in_the_camera_is_counted_apart() -> None:
    camera = TimedCamera(TinyMicroscope(SimulatedClock(paced=False)))
    assert camera.snap().shape == (4, 4) and camera.pixel_size_um == 0.24
    assert camera.spent.wall_s > 0
