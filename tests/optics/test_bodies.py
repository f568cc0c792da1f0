from dataclasses import replace

import numpy as np
import pytest
from scipy.special import beta

from parfocal.optics.bodies import Capsule, Cylinder, Ellipsoid, Mound, Raised, Spindle

DELTA = 0.05
YAW, PITCH = 0.7, 0.4


def capsule(start, end, radius_um=0.9):
    return Capsule(np.array(start, float), np.array(end, float), radius_um, DELTA)


MOUND = Mound(5.0, -3.0, 8.0, (0.1, 0.25, 0.1), (0.3, 1.0, 2.0), 1.5, 5.0, DELTA, steepness=2.5)
SPINDLE = Spindle((1.0, 2.0, 6.0), 9.0, 2.5, YAW, DELTA, rise=0.15, bend_um=1.2, taper=0.3, sharpness=0.75)
BODIES = {
    "ball": Ellipsoid.ball((1.0, 2.0, 3.0), 1.5, DELTA),
    "tilted ellipsoid": Ellipsoid.turned(
        (1.0, 2.0, 3.0), (3.0, 1.0, 0.5), DELTA, yaw_rad=YAW, pitch_rad=PITCH
    ),
    "pillar": Cylinder(1.0, -2.0, 2.5, 0.5, 4.0, DELTA),
    "lying rod": capsule((0.0, 0.0, 1.0), (3.0, 2.0, 1.0)),
    "tilted rod": capsule((0.0, 0.0, 1.0), (-3.0, 2.0, 2.0)),
    "standing rod": capsule((0.0, 0.0, 1.0), (0.0, 0.0, 4.0)),
    "round rod": capsule((1.0, 1.0, 2.0), (1.0, 1.0, 2.0)),
    "spindle": SPINDLE,
    "straight spindle": Spindle((0.0, 0.0, 3.0), 6.0, 2.0, 0.0, DELTA),
    "mound": MOUND,
    "raised mound": Raised(MOUND, 1.25),
}


def ellipsoid_volume(a, b, c):
    return 4 / 3 * np.pi * a * b * c


def rod_volume(length_um, radius_um=0.9):
    return np.pi * radius_um**2 * length_um + ellipsoid_volume(radius_um, radius_um, radius_um)


def spindle_volume(spindle):
    p = spindle.sharpness
    profile = beta(0.5, 2 * p + 1) + spindle.taper**2 * beta(1.5, 2 * p + 1)
    return np.pi * spindle.radius_um**2 * spindle.half_length_um * profile


def mound_volume(mound):
    brim, dome = mound.brim_um * 8 / 10, (mound.peak_um - mound.brim_um) / (mound.steepness + 1)
    return mound.outline_area_um2 * (brim + dome)


VOLUMES_UM3 = {
    "ball": ellipsoid_volume(1.5, 1.5, 1.5),
    "tilted ellipsoid": ellipsoid_volume(3.0, 1.0, 0.5),
    "pillar": np.pi * 2.5**2 * 3.5,
    "lying rod": rod_volume(np.hypot(3, 2)),
    "tilted rod": rod_volume(np.sqrt(14)),
    "standing rod": rod_volume(3.0),
    "round rod": rod_volume(0.0),
    "spindle": spindle_volume(SPINDLE),
    "straight spindle": np.pi * 2.0**2 * 6.0 * 16 / 15,
    "mound": mound_volume(MOUND),
    "raised mound": mound_volume(MOUND),
}
SHADOWS_UM2 = {
    "ball": np.pi * 1.5**2,
    "tilted ellipsoid": np.pi * np.hypot(3.0 * np.cos(PITCH), 0.5 * np.sin(PITCH)),
    "pillar": np.pi * 2.5**2,
    "lying rod": np.pi * 0.9**2 + 1.8 * np.hypot(3, 2),
    "tilted rod": np.pi * 0.9**2 + 1.8 * np.hypot(3, 2),
    "standing rod": np.pi * 0.9**2,
    "spindle": 2 * 2.5 * 9.0 * beta(0.5, 1.75),
    "mound": np.pi * 8.0**2 * (1 + (0.1**2 + 0.25**2 + 0.1**2) / 2),
}


def is_inside(body, points):
    """Whether points (..., 3) lie inside, by the definition of each body rather than by its cuts."""
    match body:
        case Raised():
            return is_inside(body.body, points - np.array([0.0, 0.0, body.by_um]))
        case Ellipsoid():
            away = points - body.centre_um
            return np.einsum("...i,ij,...j", away, body.shape, away) < 1
        case Cylinder():
            across = np.hypot(points[..., 0] - body.x_um, points[..., 1] - body.y_um) < body.radius_um
            return across & (points[..., 2] > body.low_um) & (points[..., 2] < body.high_um)
        case Capsule():
            axis = body.end_um - body.start_um
            along = np.clip((points - body.start_um) @ axis / max(axis @ axis, 1e-12), 0, 1)
            return np.linalg.norm(points - body.start_um - along[..., None] * axis, axis=-1) < body.radius_um
        case Spindle():
            ahead = np.array([np.cos(body.yaw_rad), np.sin(body.yaw_rad)])
            u = (points[..., :2] - body.at_um[:2]) @ ahead / body.half_length_um
            from_axis = np.linalg.norm(points - body.axis_at(u), axis=-1)
            return from_axis < body.radius_at(u)
        case Mound():
            x, y = points[..., 0] - body.x_um, points[..., 1] - body.y_um
            q = np.hypot(x, y) / body.outline_um(np.arctan2(y, x))
            return (points[..., 2] > 0) & (points[..., 2] < body.height_at(q)) & (q < 1)


def lines_through(body, n):
    """Positions of n x n vertical lines over the body and a little beyond, and the area each stands for."""
    (x, y), (dx, dy) = body.centre_um[:2], 1.05 * body.reach_um[:2]
    steps = (np.arange(n) + 0.5) / n * 2 - 1
    return x + dx * steps[None, :], y + dy * steps[:, None], 4 * dx * dy / n**2


@pytest.mark.parametrize("name", BODIES)
def test_vertical_cuts_add_up_to_the_volume(name):
    x, y, area_um2 = lines_through(BODIES[name], 600)
    low, high = BODIES[name].vertical_cut(x, y)
    assert np.sum(high - low) * area_um2 == pytest.approx(VOLUMES_UM3[name], rel=2e-3)


@pytest.mark.parametrize("name", SHADOWS_UM2)
def test_the_lines_that_hit_cover_the_outline(name):
    x, y, area_um2 = lines_through(BODIES[name], 600)
    low, high = BODIES[name].vertical_cut(x, y)
    assert np.sum(high > low) * area_um2 == pytest.approx(SHADOWS_UM2[name], rel=5e-3)


@pytest.mark.parametrize("name", BODIES)
def test_a_cut_holds_the_points_that_are_inside_and_no_others(name):
    body = BODIES[name]
    generator = np.random.default_rng(0)
    points = body.centre_um + 1.1 * body.reach_um * generator.uniform(-1, 1, (20_000, 3))
    low, high = body.vertical_cut(points[:, 0], points[:, 1])
    within_cut = (points[:, 2] > low) & (points[:, 2] < high)
    np.testing.assert_array_equal(within_cut, is_inside(body, points))
    assert 0.05 < within_cut.mean() < 0.95


@pytest.mark.parametrize("name", BODIES)
def test_the_box_is_the_smallest_that_holds_the_body(name):
    body = BODIES[name]
    x, y, _ = lines_through(body, 800)
    low, high = body.vertical_cut(x, y)
    hit = high > low
    x, y = np.broadcast_to(x, hit.shape)[hit], np.broadcast_to(y, hit.shape)[hit]
    lowest, highest = body.centre_um - body.reach_um, body.centre_um + body.reach_um
    for axis, (smallest, largest) in enumerate(
        [(x.min(), x.max()), (y.min(), y.max()), (low[hit].min(), high[hit].max())]
    ):
        assert lowest[axis] - 1e-3 < smallest < lowest[axis] + 0.04 * body.reach_um[axis]
        assert highest[axis] + 1e-3 > largest > highest[axis] - 0.04 * body.reach_um[axis]


@pytest.mark.parametrize("name", BODIES)
def test_a_line_that_misses_has_an_empty_cut_of_finite_height(name):
    body = BODIES[name]
    low, high = body.vertical_cut(
        body.centre_um[0] + 3 * body.reach_um[:1], body.centre_um[1] + np.zeros((2, 1))
    )
    np.testing.assert_array_equal(low, high)
    assert low.shape == (2, 1)
    assert np.all(np.isfinite(low))


def test_a_turned_ellipsoid_is_long_along_its_own_axis():
    ahead = np.array([np.cos(PITCH) * np.cos(YAW), np.cos(PITCH) * np.sin(YAW), np.sin(PITCH)])
    body = BODIES["tilted ellipsoid"]
    assert is_inside(body, body.centre_um + 2.99 * ahead)
    assert not is_inside(body, body.centre_um + 3.01 * ahead)


def test_a_rod_nearly_lying_is_cut_like_a_lying_one():
    lying, nearly = BODIES["lying rod"], capsule((0.0, 0.0, 1.0), (3.0, 2.0, 1.0 + 1e-7))
    x, y, _ = lines_through(lying, 60)
    np.testing.assert_allclose(nearly.vertical_cut(x, y), lying.vertical_cut(x, y), atol=1e-5)


def test_an_index_is_all_that_changes_with_the_index():
    x, y, _ = lines_through(MOUND, 20)
    absorbing = replace(MOUND, delta_index=0.02 + 0.003j)
    np.testing.assert_array_equal(absorbing.vertical_cut(x, y), MOUND.vertical_cut(x, y))


def test_a_raised_body_is_the_same_body_higher_up():
    x, y, _ = lines_through(MOUND, 20)
    low, high = MOUND.vertical_cut(x, y)
    raised_low, raised_high = Raised(MOUND, 0.75).vertical_cut(x, y)
    np.testing.assert_allclose(raised_low, low + 0.75)
    np.testing.assert_allclose(raised_high, high + 0.75)
