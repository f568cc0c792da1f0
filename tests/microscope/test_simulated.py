import numpy as np
import pytest

from parfocal.control import FocusLock, LimitSettings, LockSettings, SimulatedClock
from parfocal.estimate import FocusEstimate
from parfocal.microscope import (
    ExperimentSettings,
    MicroManagerCamera,
    MicroManagerFocusDrive,
    SimulatedMicroscope,
    virtual_core,
)
from parfocal.optics import VirtualMicroscope, preset

DAY_S = 24 * 3600


def small_field() -> VirtualMicroscope:
    settings = preset("yeast-40x", quality="ci")
    return settings.replace(camera={"frame_px": 96}, chamber={"pillars": False})


def simulated(*, seed: int = 3, clock: SimulatedClock | None = None, **experiment) -> SimulatedMicroscope:
    return SimulatedMicroscope(
        small_field(),
        seed=seed,
        clock=clock or SimulatedClock(paced=False),
        experiment=ExperimentSettings(**{"cells_at_start": 4, "cells_at_end": 8, **experiment}),
    )


def test_the_same_seed_gives_the_same_frames_and_every_frame_its_own_noise():
    one, other = simulated(), simulated()
    first, second = one.snap(), one.snap()
    np.testing.assert_array_equal(first, other.snap())
    assert np.any(first != second)
    assert first.dtype == np.uint16
    assert first.shape == one.frame_shape_yx


def test_defocus_is_the_stage_minus_the_focus_and_drift_changes_it():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock, start_defocus_um=2.0)
    assert microscope.true_defocus_um() == pytest.approx(2.0, abs=0.03)
    clock.wait_until(DAY_S / 2)
    assert microscope.true_defocus_um() == pytest.approx(microscope.position_um() - microscope.focus_z_um())
    assert abs(microscope.true_defocus_um() - 2.0) > 1.0
    microscope.move_to(microscope.focus_z_um())
    assert abs(microscope.true_defocus_um()) <= 0.03


def contrast(microscope: SimulatedMicroscope, defocus_um: float) -> float:
    microscope.move_to(microscope.focus_z_um() + defocus_um)
    frame = microscope.snap()
    return float(frame.std() / frame.mean())


def test_unstained_cells_have_least_contrast_in_focus_and_most_with_the_focal_plane_below_them():
    microscope = simulated()
    below, at_focus, above = (contrast(microscope, defocus_um) for defocus_um in (-5.0, 0.0, 5.0))
    assert below > 1.1 * above > 1.2 * at_focus


def test_the_same_defocus_looks_the_same_wherever_drift_took_the_focus():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock, cells_at_end=4)
    before = contrast(microscope, -4.0)
    clock.wait_until(DAY_S / 3)
    assert contrast(microscope, -4.0) == pytest.approx(before, rel=0.05)


def test_cells_multiply_in_steps_of_fifteen_percent():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock, cells_at_start=15, cells_at_end=120)
    counts = [microscope.n_cells()]
    for k in range(1, 97):
        clock.wait_until(k * 900.0)
        counts.append(microscope.n_cells())
    assert counts[0] == 15
    assert counts[-1] == pytest.approx(120, rel=0.15)
    assert counts == sorted(counts)
    assert len(set(counts)) == 15


class KnowsTheTruth:
    fingerprint = "truth"
    z_range_um = (-15.0, 15.0)

    def __init__(self, microscope: SimulatedMicroscope):
        self._microscope = microscope

    def estimate(self, frame_yx: np.ndarray, *, pixel_size_um: float) -> FocusEstimate:
        z_um = self._microscope.true_defocus_um()
        return FocusEstimate(z_um, 0.2, (z_um, z_um), np.ones(1), np.zeros(1), 1.0, True, (z_um,), 0.0)


def test_focus_is_held_through_micromanager_while_the_specimen_drifts():
    clock = SimulatedClock(720, paced=False)
    microscope = simulated(clock=clock, hours=2.0, drift_um=4.0)
    core = virtual_core(microscope)
    lock = FocusLock(
        MicroManagerCamera(core),
        MicroManagerFocusDrive(core),
        KnowsTheTruth(microscope),
        settings=LockSettings(limits=LimitSettings.around(100.0, reach_um=20.0)),
        clock=clock,
        truth=microscope.true_defocus_um,
    )
    summary = lock.run(2 * 3600)
    assert summary.held
    assert summary.n_frames == 200
    assert summary.residual_largest_um < 1.3
    assert summary.stage_travel_um > 3


def test_rendering_takes_none_of_the_clocks_time():
    clock = SimulatedClock(paced=False)
    microscope = simulated(clock=clock)
    microscope.snap()
    assert clock.now_s() == 0
