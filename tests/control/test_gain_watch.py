"""The moves of a lock tell on and on whether the answers follow the stage."""

import math

import numpy as np
import pytest
from lock_fakes import TinyMicroscope, TruthfulEstimator

from parfocal.control import (
    FocusLock,
    GainWatch,
    GainWatchSettings,
    LimitSettings,
    LockSettings,
    RunLog,
    SimulatedClock,
)


def watched(
    gain: float, *, noise_um: float = 0.05, moves: int = 60, drift_um_per_s: float = 0.0
) -> GainWatch:
    """A lock that moves by what it is told, three frames after each move."""
    random, watch = np.random.default_rng(3), GainWatch(GainWatchSettings())
    z_um = 0.0
    for k in range(3 * moves):
        true_um = z_um + drift_um_per_s * k
        told_um = gain * true_um + noise_um * random.standard_normal()
        watch.look(t_s=float(k), z_um=z_um, told_um=told_um, drift_um_per_s=drift_um_per_s)
        z_um -= told_um if k % 3 == 2 else 0.0
        z_um += random.uniform(-0.5, 0.5) if k % 3 == 2 else 0.0
    return watch


@pytest.mark.parametrize("gain", [0.4, 1.0, 1.9])
def test_the_gain_is_found_though_each_move_was_made_because_of_an_answer(gain):
    watch = watched(gain)
    assert watch.gain == pytest.approx(gain, abs=0.15)
    assert watch.gain_sd < 0.1
    assert bool(watch.warning) == (gain != 1.0)


def test_drift_that_is_known_does_not_count():
    assert watched(1.0, drift_um_per_s=0.05).gain == pytest.approx(1.0, abs=0.1)


def test_before_the_first_moves_nothing_is_known():
    watch = GainWatch(GainWatchSettings())
    assert (math.isnan(watch.gain), watch.gain_sd, watch.warning) == (True, math.inf, "")


def test_a_model_that_stops_following_is_told_in_the_record(tmp_path):
    clock = SimulatedClock(720, paced=False)
    microscope = TinyMicroscope(clock, focus_um=lambda t_s: 6 * math.sin(t_s / 2000))
    told = TruthfulEstimator(microscope, noise_um=0.03, bias_um=0.0)
    limits = LimitSettings(lowest_z_um=-60, highest_z_um=60)
    log = RunLog.create(tmp_path / "run", settings={}, model_fingerprint="")
    settings = LockSettings(limits=limits, controller={"dead_band_um": 0.3})
    lock = FocusLock(microscope, microscope, told, settings=settings, clock=clock, log=log)
    for k in range(1500):
        told._sign = 1.0 if k < 300 else 0.4
        clock.wait_until(clock.now_s() + 36)
        lock.step()
    log.close()
    warnings = [e for e in RunLog.open(tmp_path / "run").events() if e.text.startswith("warning: ")]
    assert len(warnings) == 1 and warnings[0].t_s > 300 * 36
    assert "times as much as the stage moves" in warnings[0].text


@pytest.mark.parametrize("gain", [0.4, 1.0])
def test_the_errors_of_the_answers_that_led_to_a_move_do_not_count_as_its_effect(gain):
    def told_gain(seed: int) -> float:
        clock = SimulatedClock(20, paced=False)  # a frame a second
        microscope = TinyMicroscope(clock, focus_um=lambda t_s: 5 * t_s / 3600)
        told = TruthfulEstimator(microscope, noise_um=0.2, bias_um=0.1, sign=gain)
        told._generator = np.random.default_rng(seed)
        limits = LimitSettings(lowest_z_um=-60, highest_z_um=60)
        lock = FocusLock(microscope, microscope, told, settings=LockSettings(limits=limits), clock=clock)
        lock.run(4000)
        assert lock.gain_watch.warning == ""  # some thirty moves: .2 of standard error
        return lock.gain_watch.gain

    # 1.1 and 1.7 if the frame just before the decision is taken
    assert np.mean([told_gain(seed) for seed in range(4)]) == pytest.approx(gain, abs=0.2)


def test_drift_over_a_gap_is_not_taken_for_the_effect_of_a_move(tmp_path):
    clock = SimulatedClock(720, paced=False)
    microscope = TinyMicroscope(clock, focus_um=lambda t_s: 4 * math.sin(t_s / 1500))
    told = TruthfulEstimator(microscope, noise_um=0.05, bias_um=0.0, accepted=lambda frame: frame % 40 < 25)
    limits = LimitSettings(lowest_z_um=-60, highest_z_um=60)
    log = RunLog.create(tmp_path / "run", settings={}, model_fingerprint="")
    lock = FocusLock(microscope, microscope, told, settings=LockSettings(limits=limits), clock=clock, log=log)
    lock.run(20 * 3600)
    assert not [e for e in RunLog.open(tmp_path / "run").events() if e.text.startswith("warning: ")]
