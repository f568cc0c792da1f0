import numpy as np
import pytest
from specimen_cases import chamber_of

from parfocal.optics.specimens import BeadSettings, scene_of


def beads(settings, *, n_cells=40, height_um=6.0):
    return scene_of((settings,), chamber_of(height_um), (61.0, 61.0), seed=0, n_cells=n_cells)


def test_beads_are_balls_of_the_given_sizes_and_index():
    scene = beads(BeadSettings(smallest_diameter_um=0.5, largest_diameter_um=2.0, index=1.45))
    radii = np.array([cell.radius_um for cell in scene.cells])
    assert 0.25 <= radii.min() < 0.4 < 0.85 < radii.max() <= 1.0
    for cell, body in zip(scene.cells, scene.bodies, strict=True):
        np.testing.assert_allclose(body.reach_um, cell.radius_um)
        np.testing.assert_allclose(body.centre_um, (cell.x_um, cell.y_um, cell.height_um))
        assert body.delta_index == pytest.approx(1.45 - 1.337)


def test_beads_in_a_gel_lie_at_any_height():
    heights = beads(BeadSettings(on_floor=0.0)).cells_xyh_um[:, 2]
    assert np.ptp(heights) > 3
    assert {cell.layer for cell in beads(BeadSettings(on_floor=0.0)).cells} == {"between"}


def test_beads_on_the_floor_are_in_focus_at_their_mean_height_by_area():
    scene = beads(BeadSettings(on_floor=1.0))
    radii = np.array([cell.radius_um for cell in scene.cells])
    assert scene.focus_height_um == pytest.approx(np.sum(radii**3) / np.sum(radii**2))


def test_no_bead_is_higher_than_the_chamber():
    scene = beads(BeadSettings(smallest_diameter_um=3.0, largest_diameter_um=5.0), height_um=2.0, n_cells=10)
    assert all(cell.radius_um == 1.0 for cell in scene.cells)
