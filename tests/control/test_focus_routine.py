"""One field is brought into focus, once, in few frames, and it is told how that went."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from lock_fakes import TinyMicroscope, TruthfulEstimator

from parfocal.control import (
    FocusLook,
    FocusRoutine,
    LimitSettings,
    Outcome,
    RoutineSettings,
    SimulatedClock,
)
from parfocal.errors import DeviceError, LimitError

UNCHECKED = RoutineSettings(self_check=None)


class Textured(TinyMicroscope):
    """Its frames show something, wherever it stands."""

    def snap(self) -> np.ndarray:
        super().snap()
        coarse = np.random.default_rng(self.n_snaps).integers(0, 999, (8, 8), dtype=np.uint16)
        return np.kron(coarse, np.ones((16, 16), np.uint16))


class Bench:
    """A microscope, an estimator and a routine, with their common clock."""

    def __init__(
        self, *, z_um: float, reach_um: float = 60.0, settings: RoutineSettings | None = None, **about
    ):
        self.clock = SimulatedClock(paced=False)
        self.microscope = Textured(self.clock, z_um=z_um)
        self.estimator = TruthfulEstimator(self.microscope, **about)
        self.model = _InRange(self.estimator, self.microscope)
        self.looks: list[FocusLook] = []
        self.routine = FocusRoutine(
            self.microscope,
            self.microscope,
            self.model,
            limits=LimitSettings.around(0.0, reach_um=reach_um),
            settings=settings or UNCHECKED,
            clock=self.clock,
            on_look=lambda look, frame_yx: self.looks.append(look),
        )


class _InRange:
    """Abstains beyond its range, as a model does, and where there is nothing to be seen."""

    fingerprint, z_range_um = "in range", (-15.0, 15.0)

    def __init__(self, estimator: TruthfulEstimator, microscope: TinyMicroscope):
        self._estimator, self._microscope = estimator, microscope
        self.is_strange: Callable[[float], bool] = lambda defocus_um: False
        self.score = 0.01

    def estimate(self, frame_yx: np.ndarray, *, pixel_size_um: float):
        estimate = self._estimator.estimate(frame_yx, pixel_size_um=pixel_size_um)
        defocus_um = self._microscope.true_defocus_um()
        if self.is_strange(defocus_um):
            return replace(estimate, accepted=False, is_strange=True, in_distribution=self.score)
        return replace(estimate, accepted=estimate.accepted and abs(defocus_um) <= 15)


@pytest.mark.parametrize("z_um", [-14.0, -6.0, -2.0, -0.7, 0.1, 0.8, 3.0, 14.0])
def test_a_field_in_sight_is_in_focus_after_a_few_frames(z_um: float) -> None:
    bench = Bench(z_um=z_um, noise_um=0.1, bias_um=0.05)
    result = bench.routine.run()
    assert result.is_focused
    assert abs(bench.microscope.true_defocus_um()) < 0.5
    assert len(result.looks) <= 8
    assert tuple(bench.looks) == result.looks
    assert result.z_um == bench.microscope.z_um
    assert result.moved_um == pytest.approx(result.z_um - z_um)


def test_a_field_that_is_nearly_in_focus_costs_one_frame() -> None:
    bench = Bench(z_um=0.7, noise_um=0.02, bias_um=0.02)
    result = bench.routine.run()
    assert (len(result.looks), result.is_focused) == (1, True)
    assert abs(bench.microscope.true_defocus_um()) < 0.2


def test_each_move_is_looked_at_again_where_that_is_wanted() -> None:
    bench = Bench(z_um=0.7, noise_um=0.02, bias_um=0.02, settings=UNCHECKED.replace(trusted_move_um=0.0))
    assert len(bench.routine.run().looks) == 2


def test_a_target_beside_the_focus_is_reached() -> None:
    bench = Bench(z_um=0.0, noise_um=0.05, bias_um=0.02)
    result = bench.routine.run(target_um=3.0)
    assert result.is_focused and result.target_um == 3.0
    assert bench.microscope.true_defocus_um() == pytest.approx(3.0, abs=0.4)


@pytest.mark.parametrize("z_um", [-25.0, 28.0])
def test_a_focus_out_of_sight_is_looked_for(z_um: float) -> None:
    settings = UNCHECKED.replace(search={"reach_um": 30.0, "reach_toward_um": 30.0})
    bench = Bench(z_um=z_um, noise_um=0.1, bias_um=0.05, settings=settings)
    assert bench.routine.run().is_focused
    assert abs(bench.microscope.true_defocus_um()) < 0.5


def test_where_no_image_can_be_told_the_drive_goes_back_to_where_it_stood() -> None:
    bench = Bench(z_um=50.0)
    result = bench.routine.run()
    assert result.outcome is Outcome.NOT_TOLD
    assert (result.z_um, bench.microscope.z_um) == pytest.approx((50.0, 50.0))
    assert np.isnan([result.defocus_um, result.std_um]).all()
    assert "no image could be told" in result.in_words


def test_an_empty_field_is_told_without_moving() -> None:
    bench = Bench(z_um=20.0)
    bench.microscope.snap = lambda: np.full((64, 64), 100, np.uint16)
    result = bench.routine.run()
    assert (result.outcome, len(result.looks), bench.microscope.commands) == (Outcome.EMPTY, 1, [])


def test_without_a_search_nothing_is_moved_by_an_image_that_cannot_be_told() -> None:
    bench = Bench(z_um=20.0, settings=UNCHECKED.replace(search=None))
    assert bench.routine.run().outcome is Outcome.NOT_TOLD
    assert bench.microscope.commands == []


def test_a_focus_beyond_the_window_is_not_reached_and_the_window_never_left() -> None:
    bench = Bench(z_um=8.0, reach_um=60.0, noise_um=0.05)
    bench.microscope._focus_um = lambda t_s: 61.5
    bench.microscope.z_um = 52.0
    result = bench.routine.run()
    assert result.outcome is Outcome.NOT_REACHED
    assert max(bench.microscope.commands) <= 60.0
    assert result.z_um == pytest.approx(52.0)


def test_a_model_with_the_wrong_sign_is_not_followed_far() -> None:
    bench = Bench(z_um=3.0, sign=-1.0, noise_um=0.1)
    result = bench.routine.run()
    assert not result.is_focused
    assert result.z_um == pytest.approx(3.0)
    assert max(abs(z_um) for z_um in bench.microscope.commands) < 30


def test_what_others_did_to_the_drive_in_between_is_not_held_against_them() -> None:
    bench = Bench(z_um=0.0, noise_um=0.02, bias_um=0.02)
    for _ in range(6):  # an acquisition that goes elsewhere after each focusing
        bench.microscope.z_um -= 1.0
        assert bench.routine.run().is_focused


def test_no_step_is_longer_than_the_limits_allow() -> None:
    bench = Bench(z_um=-50.0)
    bench.microscope._focus_um = lambda t_s: -25.0
    bench.routine.run()
    steps = np.diff([-50.0, *bench.microscope.commands])
    assert steps.max() <= 2.5 and steps.min() >= -5.0


def test_a_drive_outside_the_window_is_refused() -> None:
    bench = Bench(z_um=0.0)
    bench.microscope.z_um = 99.0
    with pytest.raises(LimitError, match="between -60"):
        bench.routine.run()


def test_a_camera_that_fails_stops_the_drive() -> None:
    bench = Bench(z_um=0.0)
    bench.microscope.camera_fails_at = 0
    with pytest.raises(DeviceError, match="unplugged"):
        bench.routine.run()
    assert bench.microscope.calls[-1] == "stop"


CHECKED = RoutineSettings(search=None)


def test_the_first_place_of_a_sample_is_where_the_model_is_checked() -> None:
    bench = Bench(z_um=3.0, noise_um=0.1, bias_um=0.02, settings=CHECKED)
    first = bench.routine.run()
    assert first.is_focused and len(first.looks) > 9
    bench.microscope.z_um += 2.0
    assert len(bench.routine.run().looks) <= 3
    check = bench.routine.trust.check
    assert check is not None and check.gain == pytest.approx(1.0, abs=0.2)


def test_a_model_whose_answers_fall_where_the_stage_rises_is_not_followed_at_all() -> None:
    bench = Bench(z_um=3.0, sign=-1.0, noise_um=0.1, settings=CHECKED)
    result = bench.routine.run()
    assert result.outcome is Outcome.MISFIT
    assert result.z_um == pytest.approx(3.0)
    assert np.abs(np.array(bench.microscope.commands) - 3.0).max() < 1.5
    assert "contrast were inverted" in bench.routine.trust.refusal


def test_strange_images_are_trusted_where_the_stage_vouches_for_the_model() -> None:
    bench = Bench(z_um=3.0, noise_um=0.05, bias_um=0.02, settings=CHECKED)
    bench.model.is_strange = lambda defocus_um: True
    assert bench.routine.run().is_focused
    assert abs(bench.microscope.true_defocus_um()) < 0.5
    unchecked = Bench(z_um=3.0, settings=UNCHECKED.replace(search=None))
    unchecked.model.is_strange = lambda defocus_um: True
    assert unchecked.routine.run().outcome is Outcome.NOT_TOLD
    assert unchecked.microscope.commands == []


@pytest.mark.parametrize("expected_sd_um", [0.5, math.inf])
def test_an_image_that_nobody_vouches_for_is_believed_where_it_says_what_is_expected(
    expected_sd_um: float,
) -> None:
    bench = Bench(z_um=3.0, noise_um=0.05, bias_um=0.02, settings=CHECKED)
    assert bench.routine.run().is_focused  # which checks the model
    bench.microscope.z_um += 0.8
    bench.model.is_strange, bench.model.score = lambda defocus_um: True, 1e-9
    result = bench.routine.run(expected_sd_um=expected_sd_um, may_be_empty=False)
    assert result.is_focused == math.isfinite(expected_sd_um)
    assert abs(bench.microscope.true_defocus_um()) < (0.5 if result.is_focused else 1.5)


def test_a_focus_that_a_trusted_answer_led_to_is_not_left_for_a_strange_image_there() -> None:
    bench = Bench(z_um=3.0, noise_um=0.05, bias_um=0.02, settings=CHECKED)
    assert bench.routine.run().is_focused
    bench.microscope.z_um += 4.0
    bench.model.is_strange, bench.model.score = lambda defocus_um: abs(defocus_um) < 1.0, 1e-9
    assert bench.routine.run(may_be_empty=False).is_focused
    assert abs(bench.microscope.true_defocus_um()) < 0.6
