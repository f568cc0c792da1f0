from dataclasses import replace

import numpy as np
import pytest

from parfocal.errors import InputError
from parfocal.optics import Ellipsoids, IndexVolume, Pillar, Scene, ellipsoid_shapes, index_volume

FIELD_UM, HEIGHT_UM, GRID_PX = 12.0, 6.0, 96


def scene_of(centre_um, semi_axes_um, *, yaw_rad=0.0, delta_index=0.05, pillars=()):
    shapes = ellipsoid_shapes(np.array([semi_axes_um], float), np.array([yaw_rad]))
    ellipsoids = Ellipsoids(np.array([centre_um], float), shapes, np.array([delta_index], np.complex128))
    return Scene(FIELD_UM, HEIGHT_UM, 1.337, ellipsoids, pillars, np.array([centre_um]), centre_um[2])


def empty(*pillars):
    nothing = Ellipsoids(np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros(0, np.complex128))
    return Scene(FIELD_UM, HEIGHT_UM, 1.337, nothing, pillars, np.zeros((0, 3)), 2.0)


def optical_path_um(scene, *, n_slices=12):
    volume = index_volume(scene, grid_px=GRID_PX, n_slices=n_slices)
    return volume.delta_index.sum(axis=0) * HEIGHT_UM / n_slices


def chord_um(centre_um, semi_axes_um, *, yaw_rad):
    """Thickness of an ellipsoid along each vertical, the mean over lines at +-1/4 of a grid point."""
    dx_um = FIELD_UM / GRID_PX
    line = ((np.arange(GRID_PX)[:, None] + [-0.25, 0.25]) * dx_um).ravel()
    x, y = np.meshgrid(line - centre_um[0], line - centre_um[1])
    along = np.cos(yaw_rad) * x + np.sin(yaw_rad) * y
    across = np.cos(yaw_rad) * y - np.sin(yaw_rad) * x
    a, b, c = semi_axes_um
    thickness = 2 * c * np.sqrt(np.maximum(1 - (along / a) ** 2 - (across / b) ** 2, 0))
    return thickness.reshape(GRID_PX, 2, GRID_PX, 2).mean(axis=(1, 3))


@pytest.mark.parametrize("n_slices", [1, 5, 12, 24])
def test_the_optical_path_of_an_ellipsoid_is_exact_however_thick_the_slices(n_slices):
    centre_um, semi_axes_um, yaw_rad = (6.1, 5.8, 2.9), (2.6, 1.9, 2.2), 0.7
    scene = scene_of(centre_um, semi_axes_um, yaw_rad=yaw_rad)
    expected = 0.05 * chord_um(centre_um, semi_axes_um, yaw_rad=yaw_rad)
    np.testing.assert_allclose(optical_path_um(scene, n_slices=n_slices), expected, atol=1e-6)


def test_a_tilted_ellipsoid_has_its_volume_and_its_box():
    tilt = np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]])
    shape = tilt @ np.diag(np.array([2.5, 1.5, 1.5]) ** -2.0) @ tilt.T
    scene = scene_of((6.0, 6.0, 3.0), (1, 1, 1))
    scene = replace(scene, ellipsoids=replace(scene.ellipsoids, shapes=shape[None]))
    path_um = optical_path_um(scene) / 0.05
    assert path_um.sum() * (FIELD_UM / GRID_PX) ** 2 == pytest.approx(4 / 3 * np.pi * 2.5 * 1.5**2, rel=2e-3)
    (ellipsoid,) = scene.ellipsoids
    half_x_um = np.hypot(0.8 * 2.5, 0.6 * 1.5)
    assert ellipsoid.reach_um[0] == pytest.approx(half_x_um)
    filled_um = np.flatnonzero(path_um.max(axis=0)) * FIELD_UM / GRID_PX
    assert filled_um.max() - filled_um.min() == pytest.approx(2 * half_x_um, abs=0.3)


def test_slice_0_lies_under_the_ceiling():
    under_ceiling = scene_of((6.0, 6.0, 4.5), (1.0, 1.0, 1.0))
    by_slice = index_volume(under_ceiling, grid_px=GRID_PX, n_slices=6).delta_index.sum(axis=(1, 2))
    assert np.flatnonzero(by_slice > 0).tolist() == [0, 1, 2]  # heights 5.5 down to 3.5


@pytest.mark.parametrize("moved_um", [(FIELD_UM, 0, 0), (-FIELD_UM, 2 * FIELD_UM, 0)])
def test_scenes_are_periodic(moved_um):
    pillar = Pillar(11.5, 3.0, 1.5, 0.07)
    scene = scene_of((0.3, 11.7, 3.0), (2.0, 1.5, 1.8), yaw_rad=0.4, pillars=(pillar,))
    ellipsoids = replace(scene.ellipsoids, centres_um=scene.ellipsoids.centres_um + np.array(moved_um))
    moved = replace(
        scene,
        ellipsoids=ellipsoids,
        pillars=(replace(pillar, x_um=pillar.x_um + moved_um[0], y_um=pillar.y_um + moved_um[1]),),
    )
    one, other = (index_volume(s, grid_px=GRID_PX, n_slices=6).delta_index for s in (scene, moved))
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert one[:, 0, 0].max() > 0.04  # the body reaches over the corner


def test_moving_a_body_by_whole_grid_points_moves_its_picture():
    one, other = (optical_path_um(scene_of((x, 6.0, 3.0), (2.0, 1.5, 1.8))) for x in (6.0, 6.5))
    np.testing.assert_allclose(np.roll(one, 4, axis=1), other, atol=1e-6)


def test_a_pillar_stands_from_floor_to_ceiling_with_its_area():
    delta_index = index_volume(empty(Pillar(4.0, 7.0, 2.5, 0.07)), grid_px=GRID_PX, n_slices=3).delta_index
    np.testing.assert_array_equal(delta_index[0], delta_index[2])
    assert delta_index.max() == pytest.approx(0.07)
    area_um2 = delta_index[1].sum() / 0.07 * (FIELD_UM / GRID_PX) ** 2
    assert area_um2 == pytest.approx(np.pi * 2.5**2, rel=5e-3)
    assert delta_index[1][int(7.0 / FIELD_UM * GRID_PX), int(4.0 / FIELD_UM * GRID_PX)] > 0


def test_absorption_makes_the_volume_complex():
    assert index_volume(empty(), grid_px=8, n_slices=1).delta_index.dtype == np.float32
    absorbing = scene_of((6.0, 6.0, 3.0), (2.0, 2.0, 2.0), delta_index=0.01 + 0.02j)
    path_um = optical_path_um(absorbing)
    assert path_um.dtype == np.complex64
    np.testing.assert_allclose(path_um.imag, 2 * path_um.real, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((4, 8, 9), np.float32), r"shape \(slices, grid, grid\), got \(4, 8, 9\)"),
        (np.zeros((8, 8), np.float32), r"got \(8, 8\)"),
        (np.zeros((4, 8, 8)), "float32 or complex64, got float64"),
    ],
    ids=["not square", "not a volume", "double precision"],
)
def test_an_array_that_is_no_index_volume_is_refused(array, said):
    with pytest.raises(InputError, match=said):
        IndexVolume(array, 10.0, 6.0, 1.337)
