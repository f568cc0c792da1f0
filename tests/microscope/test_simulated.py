from itertools import pairwise

import numpy as np
import pytest

from parfocal.control import FocusLock, LimitSettings, LockSettings, SimulatedClock
from parfocal.errors import DeviceError, SettingsError
from parfocal.estimate import FocusEstimate
from parfocal.microscope import (
    ExperimentSettings,
    MicroManagerCamera,
    MicroManagerFocusDrive,
    Sample,
    SimulatedMicroscope,
    virtual_core,
)
from parfocal.optics import VirtualMicroscope, preset
from tiny_microscope import TINY

DAY_S = 24 * 3600
IDEAL = {
    "cells_at_start": 2,
    "cells_at_end": 2,
    "drift_um": 0.0,
    "start_defocus_um": 0.0,
    "colony": {"cycle_h": 1e6, "let_go_per_h": 0.0},
    "flow": {"clusters_per_day": 0.0, "bubbles_per_day": 0.0, "debris_per_day": 0.0},
    "surface": {"tilt_um_per_mm": 0.0, "profile_um": 0.0},
    "vibration": {"rms_um": 0.0},
    "motor": {"backlash_um": 0.0, "settling_ms": 0.0, "arrival_ms": 0.0},
    "lamp": {"flicker": 0.0, "mains_beat": 0.0, "dimming_per_day": 0.0},
    "link": {"latency_ms": 0.0, "dropped": 0.0},
}
"""Nothing happens: each test lets one thing happen."""
QUIET = {
    **{"prnu": 0.0, "vignetting": 0.0, "light_tilt": 0.0, "dust_spots": 0, "hot_pixels": 0.0},
    **{"height_px": 64, "width_px": 64},
}


def simulated(
    settings: VirtualMicroscope = TINY, *, seed: int = 3, clock: SimulatedClock | None = None, **experiment
) -> SimulatedMicroscope:
    return SimulatedMicroscope(
        settings,
        seed=seed,
        clock=clock or SimulatedClock(paced=False),
        experiment=ExperimentSettings(**{**IDEAL, **experiment}),
    )


def test_the_same_seed_gives_the_same_frames_and_every_frame_its_own_noise():
    one, other = (SimulatedMicroscope(TINY, seed=3, clock=SimulatedClock(paced=False)) for _ in range(2))
    first, second = one.snap(), one.snap()
    np.testing.assert_array_equal(first, other.snap())
    assert np.any(first != second)
    assert first.dtype == np.uint16
    assert first.shape == one.frame_shape_yx


def test_a_microscope_that_is_made_later_shows_what_the_first_one_would():
    clock = SimulatedClock(paced=False)
    first = simulated(clock=clock, drift_um=40.0)
    for _ in range(3):
        clock.wait_until(clock.now_s() + 2000)
        first.snap()
    first.move_to(104.0)
    later = SimulatedMicroscope(
        TINY,
        seed=3,
        clock=SimulatedClock(paced=False, start_s=clock.now_s()),
        experiment=ExperimentSettings(**{**IDEAL, "drift_um": 40.0}),
        start_z_um=first.position_um(),
        first_frame=3,
    )
    assert later.true_defocus_um() == first.true_defocus_um()
    np.testing.assert_array_equal(later.snap(), first.snap())


def test_what_is_seen_at_a_time_does_not_depend_on_when_else_one_looked():
    def last_frame(times_s):
        clock = SimulatedClock(paced=False)
        microscope = SimulatedMicroscope(
            TINY, seed=3, clock=clock, experiment=ExperimentSettings(cells_at_start=2, cells_at_end=6)
        )
        for t_s in times_s:
            clock.wait_until(t_s)
            frame = microscope.snap()
        return frame

    often, seldom = last_frame([0.0, 5000.0, 40_000.0, 60_300.0]), last_frame([0.0, 0.0, 0.0, 60_300.0])
    np.testing.assert_array_equal(often, seldom)


def test_microscopes_that_share_a_sample_see_what_each_would_alone_and_pay_for_a_scene_once():
    experiment = ExperimentSettings(cells_at_start=2, cells_at_end=6)
    sample = Sample(TINY, seed=3, experiment=experiment)

    def frame(defocus_um, **sharing):
        clock = SimulatedClock(paced=False)
        microscope = SimulatedMicroscope(TINY, seed=3, clock=clock, experiment=experiment, **sharing)
        microscope.move_to(100.0 + defocus_um)
        clock.wait_until(1300.0)
        return microscope.snap()

    for defocus_um in (0.0, 2.0):
        np.testing.assert_array_equal(frame(defocus_um, sample=sample), frame(defocus_um))
    assert sample.light_at(1300.0) is sample.light_at(1799.0)
    assert sample.light_at(1800.0) is not sample.light_at(1799.0)


def test_defocus_is_the_stage_minus_the_focus_and_drift_changes_it():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock, start_defocus_um=2.0, drift_um=40.0)
    assert microscope.true_defocus_um() == pytest.approx(2.0, abs=0.03)
    clock.wait_until(DAY_S / 2)
    assert microscope.true_defocus_um() == pytest.approx(microscope.position_um() - microscope.focus_z_um())
    assert abs(microscope.true_defocus_um() - 2.0) > 1.0
    microscope.move_to(microscope.focus_z_um())
    assert abs(microscope.true_defocus_um()) <= 0.03


def test_the_focus_stays_where_it_is_while_cells_join():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock, cells_at_end=8, colony={})
    counts = set()
    for hour in range(25):
        clock.wait_until(3600.0 * hour)
        assert microscope.focus_z_um() == 100.0
        counts.add(microscope.n_cells())
    assert len(counts) > 2


def small_field() -> VirtualMicroscope:
    settings = preset("yeast-40x", quality="ci")
    return settings.replace(camera={"height_px": 96, "width_px": 96}, chamber={"pillars": False})


def contrast(microscope: SimulatedMicroscope, defocus_um: float) -> float:
    microscope.move_to(microscope.focus_z_um() + defocus_um)
    frame = microscope.snap()
    return float(frame.std() / frame.mean())


def test_unstained_cells_have_least_contrast_in_focus_and_most_with_the_focal_plane_below_them():
    microscope = simulated(
        small_field(), seed=2, cells_at_start=4, cells_at_end=4
    )  # all of them on the floor
    below, at_focus, above = (contrast(microscope, defocus_um) for defocus_um in (-5.0, 0.0, 5.0))
    assert below > 1.1 * above > 1.2 * at_focus


def test_the_same_defocus_looks_the_same_wherever_drift_took_the_focus():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock, drift_um=40.0)
    before = contrast(microscope, -4.0)
    clock.wait_until(DAY_S / 3)
    assert contrast(microscope, -4.0) == pytest.approx(before, rel=0.05)


def test_the_room_warms_by_three_degrees_while_the_focus_drifts():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock, drift_um=40.0)
    degc, focus_um = [], []
    for minute in range(0, 24 * 60 + 1, 5):
        clock.wait_until(60.0 * minute)
        degc.append(microscope.room_degc())
        focus_um.append(microscope.focus_z_um())
    assert np.ptp(degc) == pytest.approx(3.0, rel=0.01)
    assert np.ptp(focus_um) == pytest.approx(40.0, rel=0.01)


def test_the_sample_is_looked_at_anew_at_multiples_of_a_fixed_time():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock, cells_at_end=8, colony={}, scene_every_s=7200.0)
    seen = []
    for t_s in (0.0, 7100.0, 7300.0, 14_300.0, DAY_S):
        clock.wait_until(t_s)
        seen.append(microscope.snap().astype(float))
    noise = np.std(seen[0] - seen[1])
    assert np.std(seen[2] - seen[3]) < 1.2 * noise
    assert np.std(seen[4] - seen[0]) > 2 * noise
    assert microscope.n_cells() > 4


class KnowsTheTruth:
    fingerprint = "truth"
    z_range_um = (-15.0, 15.0)

    def __init__(self, microscope: SimulatedMicroscope):
        self._microscope = microscope

    def estimate(self, frame_yx: np.ndarray, *, pixel_size_um: float) -> FocusEstimate:
        z_um = self._microscope.true_defocus_um()
        return FocusEstimate(z_um, 0.2, (z_um, z_um), np.ones(1), np.zeros(1), 1.0, True, (z_um,), 0.0)


@pytest.mark.parametrize("speed", [1.0, 720.0], ids=["every 50 ms", "every 36 s"])
def test_focus_is_held_through_micromanager_while_everything_happens(speed):
    clock = SimulatedClock(speed, paced=False)
    hours = 200 * speed / 20 / 3600
    experiment = ExperimentSettings(hours=hours, drift_um=4.0, cells_at_start=2, cells_at_end=6)
    microscope = SimulatedMicroscope(TINY, seed=3, clock=clock, experiment=experiment)
    core = virtual_core(microscope)
    lock = FocusLock(
        MicroManagerCamera(core),
        MicroManagerFocusDrive(core),
        KnowsTheTruth(microscope),
        settings=LockSettings(limits=LimitSettings.around(100.0, reach_um=20.0)),
        clock=clock,
        truth=microscope.true_defocus_um,
    )
    summary = lock.run(3600 * hours)
    assert summary.held
    assert 200 - summary.n_moves <= summary.n_frames <= 200  # a move may take the time of a frame
    assert summary.residual_rms_um < 1.0
    assert summary.stage_travel_um >= 3


def test_rendering_takes_none_of_the_clocks_time_but_frames_and_moves_do():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock)
    microscope.snap()
    microscope.move_to(101.0)
    assert clock.now_s() == 0
    slow = simulated(clock=clock, link={"latency_ms": 30.0}, motor={"arrival_ms": 50.0})
    slow.snap()
    assert clock.now_s() == pytest.approx(0.03)
    slow.move_to(103.0)
    assert clock.now_s() == pytest.approx(0.08)


def test_a_frame_shows_the_sample_as_it_was_one_latency_ago():
    clock = SimulatedClock(paced=False)
    late = simulated(clock=clock, drift_um=40.0, link={"latency_ms": 3.6e6, "dropped": 0.0})
    prompt = simulated(drift_um=40.0)
    frame = late.snap()
    assert clock.now_s() == 3600
    assert abs(late.true_defocus_um()) > 0.2
    np.testing.assert_array_equal(frame, prompt.snap())


def test_backlash_is_seen_as_a_defocus_that_depends_on_where_the_stage_came_from():
    microscope = simulated(motor={"backlash_um": 0.4, "settling_ms": 0.0})
    microscope.move_to(90.0)
    microscope.move_to(100.0)
    from_below_um = microscope.true_defocus_um()
    microscope.move_to(110.0)
    microscope.move_to(100.0)
    assert microscope.position_um() == 100.0
    assert from_below_um == pytest.approx(-0.2)
    assert microscope.true_defocus_um() == pytest.approx(0.2)


def test_the_objective_settles_while_the_clock_goes_on_and_the_frames_show_it():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock, motor={"backlash_um": 0.0, "settling_ms": 1000.0, "arrival_ms": 0.0})
    focused = microscope.snap().std()
    microscope.move_to(94.0)
    assert microscope.position_um() == 94.0
    assert microscope.snap().std() == pytest.approx(focused, rel=0.05)
    clock.wait_until(1.0)
    assert microscope.true_defocus_um() == pytest.approx(-6.0 * (1 - np.exp(-1)))
    clock.wait_until(20.0)
    assert microscope.true_defocus_um() == pytest.approx(-6.0)
    assert microscope.snap().std() > 1.5 * focused


def test_vibration_shakes_the_true_defocus_and_not_the_position():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock, vibration={"rms_um": 0.05})
    shaken_um = []
    for k in range(2000):
        clock.wait_until(0.0137 * k)
        shaken_um.append(microscope.true_defocus_um())
        assert microscope.position_um() == 100.0
    assert np.std(shaken_um) == pytest.approx(0.05, rel=0.1)


def test_the_focus_follows_the_tilt_as_the_stage_scans():
    microscope = simulated(surface={"tilt_um_per_mm": 2.0, "profile_um": 0.0})
    microscope.move_xy_to(1000.0, 0.0)
    along_x = microscope.true_defocus_um()
    microscope.move_xy_to(0.0, 1000.0)
    assert np.hypot(along_x, microscope.true_defocus_um()) == pytest.approx(2.0)
    microscope.move_xy_to(0.0, 0.0)
    assert microscope.true_defocus_um() == pytest.approx(0.0)


def test_an_uneven_chamber_keeps_the_focus_on_the_move():
    microscope = simulated(surface={"tilt_um_per_mm": 0.0, "profile_um": 1.0, "profile_mm": 2.0})
    focus_um = []
    for x_um in range(0, 10_000, 50):
        microscope.move_xy_to(float(x_um), 0.0)
        focus_um.append(microscope.focus_z_um())
    assert 2.0 < np.ptp(focus_um) < 10.0
    assert np.abs(np.diff(focus_um)).max() < 0.5


def test_the_picture_moves_with_the_stage_and_the_dust_does_not():
    microscope = simulated(TINY.replace(camera=QUIET))
    still = microscope.snap().astype(float)
    assert microscope.xy_um() == (0.0, 0.0)
    microscope.move_xy_to(10 * 0.24, -5 * 0.24)
    moved = microscope.snap().astype(float)
    expected = np.roll(still, (5, -10), axis=(0, 1))
    assert np.corrcoef(moved.ravel(), expected.ravel())[0, 1] > 0.97
    dusty = simulated(TINY.replace(camera={**QUIET, "vignetting": 0.5}, specimens=[]))
    here = dusty.snap().astype(float)
    dusty.move_xy_to(7.0, 7.0)
    assert dusty.snap()[:8, :8].mean() == pytest.approx(here[:8, :8].mean(), rel=0.01)


@pytest.mark.parametrize("place", [(1e6, 0.0), (0.0, -1e6), (np.nan, 0.0), (0.0, np.inf)])
def test_a_place_beyond_the_stage_is_refused(place):
    microscope = simulated()
    with pytest.raises(DeviceError, match="within 20000 um"):
        microscope.move_xy_to(*place)
    assert microscope.xy_um() == (0.0, 0.0)


def test_micromanager_scans_the_stage():
    microscope = simulated(surface={"tilt_um_per_mm": 5.0})
    core = virtual_core(microscope)
    core.setXYPosition(300.0, -200.0)
    core.waitForDevice(core.getXYStageDevice())
    assert (core.getXPosition(), core.getYPosition()) == microscope.xy_um() == (300.0, -200.0)
    assert abs(microscope.true_defocus_um()) > 0.1


def test_a_dropped_frame_is_the_one_before_it_once_more():
    microscope = simulated(link={"latency_ms": 0.0, "dropped": 0.3})
    frames = [microscope.snap() for _ in range(100)]
    repeats = [np.array_equal(a, b) for a, b in pairwise(frames)]
    assert np.mean(repeats) == pytest.approx(0.3, abs=0.12)
    sound = simulated()
    for frame in frames[:10]:  # those that came are the frames of their number
        own = sound.snap()
        assert np.array_equal(frame, own) or any(np.array_equal(frame, earlier) for earlier in frames[:9])
    frames[0][:] = 0
    assert np.all(microscope.snap() > 0)


def test_the_lamp_flickers_and_dims():
    clock = SimulatedClock(paced=False)
    lamp = {"flicker": 0.02, "mains_beat": 0.0, "dimming_per_day": 0.2}
    microscope = simulated(TINY.replace(camera=QUIET, specimens=[]), clock=clock, lamp=lamp)
    early = [microscope.snap().mean() for _ in range(60)]
    clock.wait_until(DAY_S)
    late = [microscope.snap().mean() for _ in range(60)]
    assert np.std(early) / np.mean(early) == pytest.approx(0.02, rel=0.3)
    assert np.mean(late) / np.mean(early) == pytest.approx(0.8, abs=0.02)


def test_hot_pixels_stay_where_they_are():
    settings = TINY.replace(camera={**QUIET, "hot_pixels": 0.01}, specimens=[])
    microscope = simulated(settings)
    one, other = microscope.snap().astype(float), microscope.snap().astype(float)
    hot = one > one.mean() + 6 * np.sqrt(16_000) / 8.9
    assert 10 < hot.sum() < 80
    np.testing.assert_array_equal(hot[other > other.mean() + 8 * np.sqrt(16_000) / 8.9], True)


@pytest.mark.parametrize("bit_depth", [8, 12, 16])
def test_cameras_of_any_depth_see_the_same(bit_depth):
    camera = TINY.camera
    deep = TINY.replace(camera=camera.at_bit_depth(bit_depth).model_dump())
    frame = simulated(deep).snap() / deep.camera.largest_count
    usual = simulated().snap() / camera.largest_count
    assert frame.mean() == pytest.approx(usual.mean(), rel=0.01)
    assert frame.max() <= 1
    assert np.corrcoef(frame.ravel(), usual.ravel())[0, 1] > 0.9


def test_the_defaults_are_gentle_enough_to_hold_a_focus():
    settings = ExperimentSettings()
    shaken_um = np.hypot(settings.vibration.rms_um, settings.motor.backlash_um / 2)
    assert shaken_um + settings.stage_resolution_um / 2 < 0.1
    assert settings.lamp.flicker < 0.01
    assert settings.link.dropped < 1e-3


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("flow", {"smallest_bubble_um": 5.0, "largest_bubble_um": 2.0}),
        ("vibration", {"slowest_hz": 50.0}),
        ("lamp", {"dimming_per_day": 1.0}),
        ("link", {"dropped": 1.0}),
        ("motor", {"backlash_um": -0.1}),
        ("colony", {"bud_size": 1.0}),
    ],
)
def test_settings_that_cannot_be_are_refused(part, values):
    with pytest.raises(SettingsError, match=part):
        ExperimentSettings().replace(**{part: values})
