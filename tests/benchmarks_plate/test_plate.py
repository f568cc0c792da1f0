"""The plate benchmark: what lies where, how contenders are scored, and that a small plate runs through."""

from __future__ import annotations

import numpy as np
import plate as bench
import pytest
from plate_microscope import PITCH_UM, Layout, Samples, experiment_of, microscope_settings

from parfocal.control import SimulatedClock


def test_a_plate_has_ten_empty_wells_and_two_with_bubbles_and_is_visited_to_and_fro() -> None:
    layout = Layout.of(1)
    assert (layout.empty.sum(), layout.bubbly.sum(), (layout.empty & layout.bubbly).sum()) == (10, 2, 0)
    steps_um = np.hypot(*np.diff(layout.xy_um, axis=0).T)
    assert steps_um == pytest.approx(PITCH_UM)
    assert [layout.well_at(*xy_um) for xy_um in layout.xy_um] == list(range(96))


def test_the_sweep_takes_the_nearest_least_gradient_and_stays_where_there_is_none() -> None:
    assert bench.least_near_the_middle(np.array([9.0, 0.0, 9.0, 9.5, 8.0, 9.0, 9.0])) == 4
    assert bench.least_near_the_middle(np.arange(5.0)) == 2


def test_a_small_plate_runs_through_and_is_scored_by_its_wells_with_cells() -> None:
    seed, layout = 3, Layout.of(3, wells=6)
    samples = Samples(microscope_settings(seed), seed=seed, experiment=experiment_of())
    plate = bench.Plate(seed, layout, samples, hours=0.5)
    focus_um = plate.focus_at_start_um()
    told = bench.run(plate, focus_um, None)
    assert told["frames"] == 6
    assert told["images_that_count"] == 6 - layout.empty.sum()
    assert told["within_1um"] == 1.0
    assert "6 wells, 1 rounds" in bench.table(
        {"seed": 3, "wells": 6, "time_points": 1, "model": "m", "contenders": {"none": told}}
    )


def test_all_wells_drift_together_and_each_has_a_height_of_its_own() -> None:
    seed, layout = 3, Layout.of(3)
    samples = Samples(microscope_settings(seed), seed=seed, experiment=experiment_of())
    plate = bench.Plate(seed, layout, samples, hours=24.0)
    clock = SimulatedClock(paced=False)
    microscope = plate.microscope(clock)
    heights_um = []
    for _ in range(2):
        for x_um, y_um in layout.xy_um[:4].tolist():
            microscope.move_xy_to(x_um, y_um)
            heights_um.append(microscope.focus_z_um())
        clock.wait_until(6 * 3600.0)
    before, after = np.array(heights_um).reshape(2, 4)
    assert np.ptp(after - before) < 0.1 < abs((after - before).mean())
    assert np.ptp(before) > 1.0


def test_the_plane_goes_through_three_corners() -> None:
    layout = Layout.of(3)
    plate = bench.Plate(3, layout, None, hours=24.0)
    tilted_um = layout.xy_um @ [1e-3, 2e-3] + 5.0
    assert bench.three_points(plate, tilted_um) == pytest.approx(tilted_um)
