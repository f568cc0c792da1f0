import numpy as np
import pytest
from specimen_cases import CASES, cells_and_parts, chamber_of

from parfocal.errors import SettingsError
from parfocal.optics.bodies import Capsule, Ellipsoid
from parfocal.optics.specimens import BACTERIA, RodSettings, scene_of


def rods_of(scene, outer_index):
    return [outer for outer, _ in cells_and_parts(scene, outer_index)]


def length_um(rod):
    return np.linalg.norm(rod.end_um - rod.start_um) + 2 * rod.radius_um


@pytest.mark.parametrize(
    ("name", "widths_um", "lengths_um", "steepest_deg"),
    [("rods", (3.5, 4.0), (7, 14), 3), ("bacteria", (0.8, 1.0), (2, 5), 8)],
)
def test_rods_are_as_wide_and_long_and_flat_as_their_settings_say(name, widths_um, lengths_um, steepest_deg):
    rods = rods_of(CASES[name].scene(seed=0), CASES[name].outer_index)
    widths, lengths = [2 * rod.radius_um for rod in rods], [length_um(rod) for rod in rods]
    rises = [(rod.end_um - rod.start_um)[2] / np.linalg.norm(rod.end_um - rod.start_um) for rod in rods]
    assert widths_um[0] <= min(widths) < max(widths) <= widths_um[1]
    assert lengths_um[0] - 1e-9 <= min(lengths) < max(lengths) <= lengths_um[1] + 1e-9
    assert max(lengths) - min(lengths) > 0.6 * np.ptp(lengths_um)
    assert 0 < np.abs(rises).max() <= np.sin(np.deg2rad(steepest_deg))


def test_a_fission_yeast_has_a_wall_and_a_nucleus_and_a_long_one_a_septum_between_two():
    settings = RodSettings(dividing=0.4, most_lipids=0)
    scene = scene_of((settings,), chamber_of(6.0), (61.0, 61.0), seed=1, n_cells=30)
    families = cells_and_parts(scene, settings.wall_index)
    septate = [(outer, parts) for outer, parts in families if len(parts) == 4]
    single = [(outer, parts) for outer, parts in families if len(parts) == 2]
    assert len(septate) > 5
    assert len(single) + len(septate) == len(families)
    assert min(length_um(outer) for outer, _ in septate) > max(length_um(outer) for outer, _ in single)
    outer, (inner, septum, *nuclei) = septate[0]
    assert outer.radius_um - inner.radius_um == pytest.approx(settings.wall_um)
    axis = (outer.end_um - outer.start_um) / np.linalg.norm(outer.end_um - outer.start_um)
    assert np.sqrt(axis @ np.linalg.inv(septum.shape) @ axis) == pytest.approx(settings.septum_um / 2)
    sides = [np.sign((nucleus.centre_um - outer.centre_um) @ axis) for nucleus in nuclei]
    assert sorted(sides) == [-1, 1]


def test_bacteria_are_one_body_each():
    scene = scene_of((BACTERIA,), chamber_of(6.0), (30.0, 30.0), seed=0, n_cells=30)
    assert len(scene.bodies) == len(scene.cells) == 30
    assert all(isinstance(body, Capsule) for body in scene.bodies)


def test_a_lipid_drop_is_small_and_dense():
    scene = scene_of((RodSettings(dividing=0.0),), chamber_of(6.0), (61.0, 61.0), seed=0, n_cells=10)
    drops = [b for b in scene.bodies if isinstance(b, Ellipsoid) and b.delta_index > 0.07]
    assert 5 < len(drops) <= 60
    assert all(drop.reach_um.max() <= 0.3 for drop in drops)


def test_rods_lie_side_by_side_where_they_grow_in_clusters():
    def turns(clustered):
        settings = RodSettings(clustered=clustered, on_floor=1.0, under_ceiling=0.0)
        scene = scene_of((settings,), chamber_of(6.0), (90.0, 90.0), seed=2, n_cells=30)
        rods = rods_of(scene, settings.wall_index)
        xy = scene.cells_xyh_um[:, :2]
        apart = np.linalg.norm(xy[:, None] - xy[None], axis=-1) + 1e3 * np.eye(len(xy))
        axes = np.array(
            [(rod.end_um - rod.start_um) / np.linalg.norm(rod.end_um - rod.start_um) for rod in rods]
        )
        along = np.abs(np.sum(axes * axes[apart.argmin(axis=1)], axis=1))
        return np.median(np.rad2deg(np.arccos(np.minimum(along, 1))))

    assert turns(1.0) < 15 < turns(0.0)


def test_a_low_chamber_holds_no_steep_rods():
    settings = RodSettings(largest_tilt_deg=60.0, on_floor=0.5)
    scene = scene_of((settings,), chamber_of(4.5), (61.0, 61.0), seed=0, n_cells=20)
    rods = rods_of(scene, settings.wall_index)
    assert all(rod.centre_um[2] - rod.reach_um[2] > -1e-9 for rod in rods)
    assert all(rod.centre_um[2] + rod.reach_um[2] < 4.5 + 1e-9 for rod in rods)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"shortest_um": 2.0},
            "narrowest_um <= widest_um <= shortest_um <= longest_um, got 3.5, 4, 2 and 14",
        ),
        ({"wall_um": 1.0}, "leaves half of narrowest_um and the nucleus inside"),
        ({"largest_tilt_deg": 90.0}, "largest_tilt_deg <= 80"),
    ],
    ids=["sizes", "wall", "tilt"],
)
def test_settings_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        RodSettings().replace(**changes)
