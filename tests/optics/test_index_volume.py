from dataclasses import replace

import numpy as np
import pytest

from parfocal.errors import InputError
from parfocal.optics import Cylinder, Ellipsoid, IndexVolume, Scene, coarser, index_volume, sharpened

FIELD_YX_UM, HEIGHT_UM, GRID_YX = (12.0, 9.0), 6.0, (96, 72)
DX_UM = 0.125


def scene_of(*bodies):
    return Scene(FIELD_YX_UM, HEIGHT_UM, 1.337, bodies, (), 2.0)


def ellipsoid(centre_um, semi_axes_um, *, yaw_rad=0.0, pitch_rad=0.0, delta_index=0.05):
    return Ellipsoid.turned(centre_um, semi_axes_um, delta_index, yaw_rad=yaw_rad, pitch_rad=pitch_rad)


def optical_path_um(scene, *, n_slices=12):
    volume = index_volume(scene, grid_yx=GRID_YX, n_slices=n_slices)
    return volume.delta_index.sum(axis=0) * HEIGHT_UM / n_slices


def chord_um(centre_um, semi_axes_um, *, yaw_rad):
    """Thickness of an ellipsoid along each vertical, the mean over lines at +-1/4 of a grid point."""
    lines_y, lines_x = (((np.arange(n)[:, None] + [-0.25, 0.25]) * DX_UM).ravel() for n in GRID_YX)
    x, y = np.meshgrid(lines_x - centre_um[0], lines_y - centre_um[1])
    along = np.cos(yaw_rad) * x + np.sin(yaw_rad) * y
    across = np.cos(yaw_rad) * y - np.sin(yaw_rad) * x
    a, b, c = semi_axes_um
    thickness = 2 * c * np.sqrt(np.maximum(1 - (along / a) ** 2 - (across / b) ** 2, 0))
    return thickness.reshape(GRID_YX[0], 2, GRID_YX[1], 2).mean(axis=(1, 3))


@pytest.mark.parametrize("n_slices", [1, 5, 12, 24])
def test_the_optical_path_of_an_ellipsoid_is_exact_however_thick_the_slices(n_slices):
    centre_um, semi_axes_um, yaw_rad = (4.6, 5.8, 2.9), (2.6, 1.9, 2.2), 0.7
    scene = scene_of(ellipsoid(centre_um, semi_axes_um, yaw_rad=yaw_rad))
    expected = 0.05 * chord_um(centre_um, semi_axes_um, yaw_rad=yaw_rad)
    np.testing.assert_allclose(optical_path_um(scene, n_slices=n_slices), expected, atol=1e-6)


def test_a_tilted_ellipsoid_has_its_volume_and_its_box():
    tilted = ellipsoid((4.5, 6.0, 3.0), (2.5, 1.5, 1.5), pitch_rad=np.arcsin(0.6))
    path_um = optical_path_um(scene_of(tilted)) / 0.05
    assert path_um.sum() * DX_UM**2 == pytest.approx(4 / 3 * np.pi * 2.5 * 1.5**2, rel=2e-3)
    half_x_um = np.hypot(0.8 * 2.5, 0.6 * 1.5)
    assert tilted.reach_um[0] == pytest.approx(half_x_um)
    filled_um = np.flatnonzero(path_um.max(axis=0)) * DX_UM
    assert filled_um.max() - filled_um.min() == pytest.approx(2 * half_x_um, abs=0.3)


def test_slice_0_lies_under_the_ceiling():
    under_ceiling = scene_of(ellipsoid((6.0, 6.0, 4.5), (1.0, 1.0, 1.0)))
    by_slice = index_volume(under_ceiling, grid_yx=GRID_YX, n_slices=6).delta_index.sum(axis=(1, 2))
    assert np.flatnonzero(by_slice > 0).tolist() == [0, 1, 2]  # heights 5.5 down to 3.5


@pytest.mark.parametrize("fields_xy", [(1, 0), (-1, 2)])
def test_scenes_are_periodic(fields_xy):
    pillar = Cylinder(8.6, 3.0, 1.5, 0.0, HEIGHT_UM, 0.07)
    cell = ellipsoid((0.3, 11.7, 3.0), (2.0, 1.5, 1.8), yaw_rad=0.4)
    away_um = np.array([fields_xy[0] * FIELD_YX_UM[1], fields_xy[1] * FIELD_YX_UM[0], 0.0])
    moved = (
        replace(pillar, x_um=pillar.x_um + away_um[0], y_um=pillar.y_um + away_um[1]),
        replace(cell, centre_um=cell.centre_um + away_um),
    )
    one, other = (
        index_volume(scene_of(*bodies), grid_yx=GRID_YX, n_slices=6).delta_index
        for bodies in ((pillar, cell), moved)
    )
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert one[:, 0, 0].max() > 0.04  # the cell reaches over the corner


def test_moving_a_body_by_whole_grid_points_moves_its_picture():
    one, other = (optical_path_um(scene_of(ellipsoid((x, 6.0, 3.0), (2.0, 1.5, 1.8)))) for x in (4.0, 4.5))
    np.testing.assert_allclose(np.roll(one, 4, axis=1), other, atol=1e-6)


def test_a_pillar_stands_from_floor_to_ceiling_with_its_area():
    pillar = Cylinder(4.0, 7.0, 2.5, 0.0, HEIGHT_UM, 0.07)
    delta_index = index_volume(scene_of(pillar), grid_yx=GRID_YX, n_slices=3).delta_index
    np.testing.assert_array_equal(delta_index[0], delta_index[2])
    assert delta_index.max() == pytest.approx(0.07)
    assert delta_index[1].sum() / 0.07 * DX_UM**2 == pytest.approx(np.pi * 2.5**2, rel=5e-3)
    assert delta_index[1][int(7.0 / DX_UM), int(4.0 / DX_UM)] > 0


def test_absorption_makes_the_volume_complex():
    assert index_volume(scene_of(), grid_yx=(8, 8), n_slices=1).delta_index.dtype == np.float32
    absorbing = scene_of(ellipsoid((4.5, 6.0, 3.0), (2.0, 2.0, 2.0), delta_index=0.01 + 0.02j))
    path_um = optical_path_um(absorbing)
    assert path_um.dtype == np.complex64
    np.testing.assert_allclose(path_um.imag, 2 * path_um.real, atol=1e-6)


def test_sharpening_gives_back_what_the_mean_over_a_grid_cell_took():
    # A ball's own spectrum, known in closed form, against that of its means over grid cells.
    ball = scene_of(Ellipsoid.ball((4.5, 6.0, 3.0), 2.0, 0.05))
    means = index_volume(ball, grid_yx=GRID_YX, n_slices=12)
    cycles = 24
    q = 2 * np.pi * cycles / FIELD_YX_UM[1]
    exact = 4 * np.pi * (np.sin(2 * q) - 2 * q * np.cos(2 * q)) / q**3
    found = [
        abs(np.fft.fft2(volume.delta_index.sum(axis=0))[0, cycles]) * DX_UM**2 * 0.5 / 0.05
        for volume in (means, sharpened(means))
    ]
    assert found[0] < 0.9 * abs(exact)
    assert found[1] == pytest.approx(abs(exact), rel=0.03)


def test_sharpening_makes_no_absorber_amplify():
    absorber = scene_of(Ellipsoid.ball((4.5, 6.0, 3.0), 2.0, 0.02 + 0.05j))
    sharp = sharpened(index_volume(absorber, grid_yx=GRID_YX, n_slices=12)).delta_index
    assert sharp.imag.min() == 0
    assert sharp.real.min() < 0


@pytest.mark.parametrize("delta_index", [0.05, 0.05 + 0.01j], ids=["clear", "absorbing"])
def test_a_coarser_volume_keeps_the_optical_path_of_broad_things(delta_index):
    x = np.arange(72) * DX_UM
    wave = (delta_index * (1 + np.cos(2 * np.pi * x / FIELD_YX_UM[1]))).astype(np.complex64)
    array = np.broadcast_to(wave, (6, 96, 72)).copy()
    if not np.iscomplex(delta_index):
        array = array.real.copy()
    array[::2] = 0
    volume = IndexVolume(array, FIELD_YX_UM, HEIGHT_UM, 1.337)
    coarse = coarser(volume, grid_yx=(32, 24), slices_joined=2)
    assert coarse.delta_index.shape == (3, 32, 24)
    assert coarse.delta_index.dtype == array.dtype
    np.testing.assert_allclose(coarse.delta_index[0], array[1, ::3, ::3] / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((8, 8), np.float32), r"shape \(slices, Y, X\), got \(8, 8\)"),
        (np.zeros((0, 8, 8), np.float32), r"got \(0, 8, 8\)"),
        (np.zeros((4, 8, 8)), "float32 or complex64, got float64"),
    ],
    ids=["not a volume", "nothing", "double precision"],
)
def test_an_array_that_is_no_index_volume_is_refused(array, said):
    with pytest.raises(InputError, match=said):
        IndexVolume(array, (10.0, 10.0), 6.0, 1.337)
