from dataclasses import replace

import numpy as np
import pytest
from specimen_cases import LOW_CHAMBER, chamber_of

from parfocal.errors import SettingsError
from parfocal.optics.specimens import YeastCell, YeastSettings, scene_of, yeast_bodies

FIELD_YX_UM = (61.0, 61.0)
SETTINGS = YeastSettings()
CELL = YeastCell((10.0, 20.0, 3.0), (2.6, 2.2, 2.1), 0.4, "floor", seed=5)


def yeast(settings, *, seed=0, n_cells, chamber=LOW_CHAMBER, field_yx_um=FIELD_YX_UM):
    return scene_of((settings,), chamber, field_yx_um, seed=seed, n_cells=n_cells)


def bodies_of(cell, settings=SETTINGS):
    return yeast_bodies(cell, settings, medium_index=1.337)


def test_a_cell_has_a_wall_of_the_given_thickness_around_its_cytoplasm():
    wall, cytoplasm, *organelles = bodies_of(CELL)
    np.testing.assert_allclose(wall.reach_um - cytoplasm.reach_um, 0.12, atol=0.005)
    np.testing.assert_array_equal(wall.centre_um, cytoplasm.centre_um)
    assert wall.delta_index + cytoplasm.delta_index == pytest.approx(1.390 - 1.337)
    assert len(organelles) >= 3


def test_the_smallest_bud_still_has_an_inside():
    _, cytoplasm, *organelles = bodies_of(replace(CELL, semi_axes_um=(0.1, 0.1, 0.1)))
    assert all(np.all(body.reach_um > 0) for body in (cytoplasm, *organelles))


@pytest.mark.parametrize(
    "later",
    [
        replace(CELL, semi_axes_um=(2.601, 2.201, 2.101)),
        replace(CELL, yaw_rad=0.401),
        replace(CELL, centre_um=(10.001, 20.0, 3.001)),
    ],
    ids=["grown", "turned", "moved"],
)
def test_organelles_follow_a_cell_that_changes_little_by_little(later):
    before, after = bodies_of(CELL), bodies_of(later)
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        assert one.delta_index == other.delta_index
        np.testing.assert_allclose(one.centre_um, other.centre_um, atol=0.003)
        np.testing.assert_allclose(one.reach_um, other.reach_um, atol=0.003)


def test_organelles_turn_with_the_cell_and_grow_with_it():
    centre = np.array(CELL.centre_um)
    for before, after in zip(bodies_of(CELL), bodies_of(replace(CELL, yaw_rad=0.4 + np.pi)), strict=True):
        np.testing.assert_allclose(
            after.centre_um - centre, (before.centre_um - centre) * [-1, -1, 1], atol=1e-9
        )
    twice = replace(CELL, semi_axes_um=tuple(2 * axis for axis in CELL.semi_axes_um))
    thin = SETTINGS.replace(wall_um=1e-6)
    for before, after in zip(bodies_of(CELL, thin), bodies_of(twice, thin), strict=True):
        np.testing.assert_allclose(after.reach_um, 2 * before.reach_um, rtol=1e-5)
        np.testing.assert_allclose(after.centre_um - centre, 2 * (before.centre_um - centre), atol=1e-5)


def test_sizes_stay_within_their_range():
    settings = SETTINGS.replace(budded=0.0, diameter_std_um=2.0)
    radii = [cell.radius_um for cell in yeast(settings, n_cells=80, chamber=chamber_of(9.0)).cells]
    assert min(radii) >= 3.0 / 2
    assert max(radii) <= 6.0 / 2 * np.sqrt(1.2)
    assert max(radii) - min(radii) > 1


def test_most_cells_lie_on_the_floor_and_focus_is_at_their_middle():
    scene = yeast(SETTINGS.replace(budded=0.0), n_cells=90)
    on_floor = [cell for cell in scene.cells if cell.layer == "floor"]
    assert 0.45 < len(on_floor) / len(scene.cells) < 0.75
    assert scene.focus_height_um == pytest.approx(np.mean([cell.height_um for cell in on_floor]), abs=0.1)
    assert {cell.layer for cell in scene.cells} == {"floor", "ceiling", "between"}


def test_cells_touch_where_they_grow_in_clusters():
    def nearest_um(clustered):
        settings = SETTINGS.replace(clustered=clustered, budded=0.0, on_floor=1.0, under_ceiling=0.0)
        xy = yeast(settings, seed=3, n_cells=25).cells_xyh_um[:, :2]
        return np.median(np.sort(np.linalg.norm(xy[:, None] - xy[None], axis=-1), axis=1)[:, 1])

    assert nearest_um(1.0) < 5.5 < nearest_um(0.0)


def test_a_chamber_without_cells_has_a_focus_where_they_would_be():
    scene = yeast(SETTINGS, n_cells=0)
    assert scene.cells == ()
    assert scene.cells_xyh_um.shape == (0, 3)
    assert scene.focus_height_um == pytest.approx(SETTINGS.diameter_um / 2)


def test_a_full_chamber_takes_no_more_cells():
    scene = yeast(SETTINGS, n_cells=60, chamber=chamber_of(6.0), field_yx_um=(15.0, 20.0))
    assert 5 < len(scene.cells) < 60


def test_budding_is_a_setting_and_a_bud_belongs_to_the_layer_of_its_mother():
    assert len(yeast(SETTINGS.replace(budded=0.0), n_cells=20).cells) == 20
    scene = yeast(SETTINGS.replace(budded=1.0, on_floor=0.0, under_ceiling=1.0), n_cells=20)
    assert 30 < len(scene.cells) <= 40
    assert {cell.layer for cell in scene.cells} == {"ceiling"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"on_floor": 0.9, "under_ceiling": 0.2}, r"on_floor \+ under_ceiling <= 1, got 0.9 and 0.2"),
        ({"diameter_um": 9.0}, "smallest_diameter_um <= diameter_um <= largest_diameter_um, got 3, 9 and 6"),
        ({"wall_um": 0.5}, "wall of at most an eighth"),
    ],
    ids=["layers", "sizes", "wall"],
)
def test_settings_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        SETTINGS.replace(**changes)
