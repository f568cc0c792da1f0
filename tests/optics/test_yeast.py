import numpy as np
import pytest

from parfocal.optics import index_volume, preset, yeast_scene

SETTINGS = preset("yeast-40x", quality="ci")
SEEDS = (0, 1, 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_cells_stay_where_they_are_as_more_come(seed):
    few, many = (yeast_scene(SETTINGS, seed=seed, n_cells=n) for n in (12, 30))
    assert few.pillars == many.pillars
    assert len(many.cells_xyh_um) > len(few.cells_xyh_um) >= 12
    np.testing.assert_array_equal(few.cells_xyh_um, many.cells_xyh_um[: len(few.cells_xyh_um)])
    n = len(few.ellipsoids)
    np.testing.assert_array_equal(few.ellipsoids.centres_um, many.ellipsoids.centres_um[:n])
    np.testing.assert_array_equal(few.ellipsoids.shapes, many.ellipsoids.shapes[:n])
    np.testing.assert_array_equal(few.ellipsoids.delta_index, many.ellipsoids.delta_index[:n])


def test_another_seed_gives_another_scene():
    one, other = (yeast_scene(SETTINGS, seed=seed, n_cells=5) for seed in SEEDS[:2])
    assert not np.array_equal(one.cells_xyh_um[0], other.cells_xyh_um[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_no_cell_or_bud_reaches_into_a_pillar(seed):
    scene = yeast_scene(SETTINGS, seed=seed, n_cells=80)
    (pillar,) = scene.pillars
    walls = [e for e in scene.ellipsoids if np.isclose(e.delta_index.real, 1.42 - 1.337)]
    assert len(walls) == len(scene.cells_xyh_um) > 60
    rim = pillar.radius_um * np.exp(1j * np.linspace(0, 2 * np.pi, 180))
    for wall in walls:
        middle = complex(pillar.x_um - wall.centre_um[0], pillar.y_um - wall.centre_um[1])
        x, y = (middle + rim).real, (middle + rim).imag
        x, y = ((d + scene.field_um / 2) % scene.field_um - scene.field_um / 2 for d in (x, y))
        low, high = wall.vertical_cut(x + wall.centre_um[0], y + wall.centre_um[1])
        assert np.all(high == low)
        assert np.hypot(x, y).min() > 0.5  # nor lies inside it


def test_a_cell_has_a_wall_of_the_given_thickness_around_its_cytoplasm():
    wall, cytoplasm, *organelles = yeast_scene(SETTINGS, seed=0, n_cells=1).ellipsoids
    np.testing.assert_allclose(wall.reach_um - cytoplasm.reach_um, 0.12, atol=0.005)
    np.testing.assert_array_equal(wall.centre_um, cytoplasm.centre_um)
    assert wall.delta_index.real + cytoplasm.delta_index.real == pytest.approx(1.390 - 1.337)
    assert len(organelles) >= 3


@pytest.mark.parametrize("seed", SEEDS)
def test_cells_stay_in_the_chamber_and_their_parts_inside_them(seed):
    scene = yeast_scene(SETTINGS, seed=seed, n_cells=80)
    for ellipsoid in scene.ellipsoids:
        assert ellipsoid.centre_um[2] - ellipsoid.reach_um[2] > -1e-9
        assert ellipsoid.centre_um[2] + ellipsoid.reach_um[2] < scene.height_um + 1e-9
    assert np.all((scene.cells_xyh_um[:, :2] >= 0) & (scene.cells_xyh_um[:, :2] <= scene.field_um))
    index = 1.337 + index_volume(scene, grid_px=128, n_slices=12).delta_index
    assert index.min() > 1.337 - 1e-4


@pytest.mark.parametrize("seed", SEEDS)
def test_no_two_cells_lie_in_one_place(seed):
    xyh = yeast_scene(SETTINGS, seed=seed, n_cells=80).cells_xyh_um
    apart = xyh[:, None] - xyh[None]
    field_um = SETTINGS.camera.field_um
    apart[..., :2] = (apart[..., :2] + field_um / 2) % field_um - field_um / 2
    distance = np.linalg.norm(apart, axis=-1) + 1e3 * np.eye(len(xyh))
    assert distance.min() > 1.5


def test_most_cells_lie_on_the_floor_and_focus_is_at_their_middle():
    scene = yeast_scene(SETTINGS.replace(yeast={"budded": 0.0}), seed=0, n_cells=90)
    heights = scene.cells_xyh_um[:, 2]
    near_floor = heights < 2.8
    assert 0.45 < near_floor.mean() < 0.85
    assert scene.focus_height_um == pytest.approx(heights[near_floor].mean(), abs=0.25)


def test_cells_touch_where_they_grow_in_clusters():
    def nearest_um(clustered):
        settings = SETTINGS.replace(
            yeast={"clustered": clustered, "budded": 0.0, "on_floor": 1.0, "under_ceiling": 0.0}
        )
        xy = yeast_scene(settings, seed=3, n_cells=25).cells_xyh_um[:, :2]
        return np.median(np.sort(np.linalg.norm(xy[:, None] - xy[None], axis=-1), axis=1)[:, 1])

    assert nearest_um(1.0) < 5.5 < nearest_um(0.0)


def test_an_empty_chamber_has_a_focus_where_cells_would_be():
    scene = yeast_scene(SETTINGS, seed=0, n_cells=0)
    assert len(scene.ellipsoids) == 0
    assert scene.cells_xyh_um.shape == (0, 3)
    assert scene.focus_height_um == pytest.approx(SETTINGS.yeast.diameter_um / 2)


def test_a_full_chamber_takes_no_more_cells():
    settings = SETTINGS.replace(camera={"frame_px": 64}, chamber={"pillars": False})
    assert 5 < len(yeast_scene(settings, seed=0, n_cells=60).cells_xyh_um) < 60


def test_budding_is_a_setting():
    buds = [
        len(yeast_scene(SETTINGS.replace(yeast={"budded": p}), seed=0, n_cells=20).cells_xyh_um)
        for p in (0.0, 1.0)
    ]
    assert buds[0] == 20
    assert 30 < buds[1] <= 40
