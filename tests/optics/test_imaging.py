"""Images of simple objects against closed-form optics."""

from dataclasses import replace

import numpy as np
import pytest
from optical_bench import (
    PINHOLE_NA,
    WAVELENGTH_UM,
    grid_um,
    microscope,
    relative_difference,
    sphere,
    thin,
)
from scipy.special import j1

from parfocal.errors import InputError
from parfocal.optics import IndexVolume, exit_field, exit_field_of_volume, preset, yeast_scene

N_OIL, N_MEDIUM = 1.515, 1.337


def harmonic(image, cycles):
    """Amplitude of ``cos(2 pi cycles x / field)`` in an image."""
    return 2 * np.fft.fft2(image, norm="forward")[0, cycles].real


@pytest.mark.parametrize("z_um", [-15.0, 0.0, 4.0])
@pytest.mark.parametrize("condenser_na", [PINHOLE_NA, 0.3, 1.3])
def test_an_empty_field_is_one(condenser_na, z_um):
    settings = microscope(condenser_na=condenser_na, n_source_points=7, frame_px=64)
    image = thin(np.zeros((64, 64)), settings).intensity(z_um)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, 1, atol=1e-5)


@pytest.mark.parametrize("z_um", [-3.0, -0.7, 0.4, 2.5])
def test_a_phase_grating_shows_as_defocus_theory_says(z_um):
    settings = microscope(immersion_index=N_MEDIUM)
    cycles, eps, height_um = 9, 0.01, 3.0
    x, _ = grid_um(settings, 128)
    q = 2 * np.pi * cycles / settings.camera.field_um
    field = thin(np.broadcast_to(eps * np.cos(q * x), (128, 128)), settings, height_um=height_um)
    k = 2 * np.pi * N_MEDIUM / WAVELENGTH_UM
    pixel = np.sinc(cycles / 128)
    expected = 2 * eps * np.sin(-z_um * (k - np.sqrt(k**2 - q**2))) * pixel
    # The grid's origin is the field's corner, where an odd number of half periods turns the sign.
    found = harmonic(field.intensity(height_um + z_um), cycles) * (-1) ** cycles
    assert found == pytest.approx(expected, rel=1e-3)


def airy(x_um, y_um, *, numerical_aperture):
    v = 2 * np.pi * numerical_aperture / WAVELENGTH_UM * np.hypot(x_um, y_um)
    v = np.maximum(v, 1e-9)
    return (2 * j1(v) / v) ** 2


def mean_over_pixel(pattern, x_um, y_um, *, pixel_size_um):
    nodes, weights = np.polynomial.legendre.leggauss(4)
    shifts = nodes * pixel_size_um / 2
    return sum(
        wx * wy / 4 * pattern(x_um + sx, y_um + sy)
        for sx, wx in zip(shifts, weights, strict=True)
        for sy, wy in zip(shifts, weights, strict=True)
    )


@pytest.mark.parametrize("numerical_aperture", [0.95, 1.3])
def test_a_point_of_light_shows_as_an_airy_pattern(numerical_aperture):
    n, pixel_size_um = 384, 0.08
    settings = microscope(
        numerical_aperture=numerical_aperture,
        immersion_index=N_MEDIUM,
        pixel_size_um=pixel_size_um,
        frame_px=n,
        grid_um=pixel_size_um,
    )
    opaque = np.full((n, n), 50j)
    opaque[n // 2, n // 2] = 0  # a hole much smaller than the light resolves
    image = thin(opaque, settings).intensity(0.0)
    x, y = grid_um(settings, n)
    expected = mean_over_pixel(
        lambda x, y: airy(x, y, numerical_aperture=numerical_aperture), x, y, pixel_size_um=pixel_size_um
    )
    centre = n // 2
    np.testing.assert_allclose(image / image[centre, centre], expected / expected.max(), atol=1e-3)


def test_a_weak_object_shows_nothing_finer_than_both_apertures_together_pass():
    settings = microscope(condenser_na=0.3, n_source_points=16, pixel_size_um=0.1, frame_px=192, grid_um=0.1)
    rough = 1e-4 * np.random.default_rng(0).standard_normal((192, 192))
    spectrum = np.abs(np.fft.fft2(thin(rough, settings).intensity(1.0), norm="forward"))
    f = np.fft.fftfreq(192, 0.1)
    frequency = np.hypot(f[:, None], f[None, :])
    limit = (1.3 + 0.3) / WAVELENGTH_UM + 1 / settings.camera.field_um
    assert np.any(frequency > limit)
    assert spectrum[frequency > limit].max() < 1e-6
    assert spectrum[(frequency > 0) & (frequency < 0.8 * limit)].max() > 1e-6


@pytest.mark.parametrize(
    ("delta_index", "below", "above"),
    [pytest.param(0.05, 1, -1, id="higher index"), pytest.param(-0.05, -1, 1, id="lower index")],
)
def test_the_becke_line_tells_the_sign_of_defocus(delta_index, below, above):
    settings = microscope(condenser_na=0.3, n_source_points=24, pixel_size_um=0.24, frame_px=80)
    scene = sphere(settings, radius_um=2.3, delta_index=delta_index)
    field = exit_field(scene, settings, seed=0)
    centre = [field.intensity(field.focus_z_um + z)[38:43, 38:43].mean() - 1 for z in (-5.0, 5.0)]
    assert below * centre[0] > 0.1
    assert above * centre[1] > 0.1


def test_small_defocus_transports_intensity():
    settings = microscope(immersion_index=N_MEDIUM)
    x, y = grid_um(settings, 128)
    width_um, peak_rad, dz_um = 2.0, 0.3, 0.1
    phase = peak_rad * np.exp(-(x**2 + y**2) / (2 * width_um**2))
    field = thin(phase, settings)
    slope = (field.intensity(dz_um) - field.intensity(-dz_um)) / (2 * dz_um)
    laplacian = phase * ((x**2 + y**2) / width_um**4 - 2 / width_um**2)
    # Teague (1983): k dI/ds = -div(I grad phase) along the light, which is -z here.
    expected = laplacian * WAVELENGTH_UM / (2 * np.pi * N_MEDIUM)
    assert np.linalg.norm(slope - expected) < 5e-3 * np.linalg.norm(expected)


def test_an_absorbing_object_looks_the_same_on_both_sides_of_focus():
    settings = microscope(immersion_index=N_MEDIUM)
    x, y = grid_um(settings, 128)
    field = thin(0.5j * ((x**2 + y**2) < 1.5**2), settings, height_um=2.0)
    for z_um in (1.0, 4.0):
        above, below = field.intensity(2.0 + z_um), field.intensity(2.0 - z_um)
        assert np.std(above) > 0.01
        np.testing.assert_allclose(above, below, atol=1e-4)


@pytest.mark.parametrize("depth_um", [5.0, 10.0, 20.0])
def test_an_object_at_depth_d_is_in_focus_at_d_times_the_ratio_of_indices(depth_um):
    settings = microscope(numerical_aperture=0.5)
    opaque = np.full((128, 128), 50j)
    opaque[64, 64] = 0
    field = thin(opaque, settings, height_um=depth_um)
    expected_um = depth_um * N_OIL / N_MEDIUM
    assert field.focus_z_um == pytest.approx(expected_um)
    z_um = expected_um + np.linspace(-2, 2, 41)
    peak = np.array([field.intensity(z).max() for z in z_um])
    curvature, slope, _ = np.polyfit(z_um - expected_um, peak, 2)
    assert expected_um - slope / (2 * curvature) == pytest.approx(expected_um, rel=0.015)


def weak_phase_transfer(f_per_um, *, z_um, objective_na, condenser_na):
    """Contrast per radian of a weak phase of one frequency, by integration over the condenser."""
    axis = np.linspace(-1, 1, 601) * condenser_na / WAVELENGTH_UM
    sx, sy = np.meshgrid(axis, axis)
    inside = np.hypot(sx, sy) <= condenser_na / WAVELENGTH_UM
    sx, sy = sx[inside], sy[inside]

    def pupil(fx, fy):
        rho_squared = WAVELENGTH_UM**2 * (fx**2 + fy**2)
        path = np.sqrt(np.maximum(N_OIL**2 - rho_squared, 0))
        return (rho_squared <= objective_na**2) * np.exp(-2j * np.pi / WAVELENGTH_UM * z_um * path)

    tilt = 1 / np.sqrt(1 - (WAVELENGTH_UM * np.hypot(sx, sy) / N_MEDIUM) ** 2)
    direct = pupil(sx, sy)
    plus = pupil(sx + f_per_um, sy) * direct.conj()
    minus = pupil(sx - f_per_um, sy).conj() * direct
    return np.mean(1j * tilt * (plus - minus)).real


@pytest.mark.parametrize("z_um", [-2.0, 0.8])
def test_a_weak_phase_shows_as_the_weak_object_transfer_function_says(z_um):
    settings = microscope(condenser_na=0.3, n_source_points=400, frame_px=96, numerical_aperture=0.9)
    cycles = np.array([2, 5, 9, 14, 20, 26])
    x, _ = grid_um(settings, 96)
    f_per_um = cycles / settings.camera.field_um
    phase = 0.01 * np.cos(2 * np.pi * f_per_um[:, None] * x).mean(axis=0)
    image = thin(np.broadcast_to(phase, (96, 96)), settings).intensity(z_um)
    found = np.array([harmonic(image, c) * (-1) ** c / np.sinc(c / 96) for c in cycles])
    transfer = [weak_phase_transfer(f, z_um=z_um, objective_na=0.9, condenser_na=0.3) for f in f_per_um]
    expected = 0.01 / len(cycles) * np.array(transfer)
    assert np.linalg.norm(found - expected) < 0.02 * np.linalg.norm(expected)


@pytest.mark.parametrize("n_source_points", [1, 9])
def test_out_of_focus_a_source_point_stands_for_a_patch_of_the_condenser(n_source_points):
    cycles, z_um, condenser_na = 12, 6.0, 0.1
    settings = microscope(condenser_na=condenser_na, n_source_points=n_source_points)
    x, _ = grid_um(settings, 128)
    f_per_um = cycles / settings.camera.field_um
    field = thin(np.broadcast_to(0.01 * np.cos(2 * np.pi * f_per_um * x), (128, 128)), settings)
    of_points = replace(field, focus_z_um=z_um)  # no blur where the specimen is said to be in focus
    found = harmonic(field.intensity(z_um), cycles) / harmonic(of_points.intensity(z_um), cycles)
    argument = 2 * np.pi * f_per_um * z_um * condenser_na / np.sqrt(n_source_points) / N_OIL
    assert found == pytest.approx(2 * j1(argument) / argument, rel=1e-3)


def small_yeast(*, n_source_points=32, **camera):
    settings = preset("yeast-40x", quality="ci")
    return settings.replace(
        camera={"frame_px": 80, **camera},
        chamber={"pillars": False},
        quality={**settings.quality.model_dump(), "n_source_points": n_source_points},
    )


def test_more_source_points_come_nearer_to_the_full_condenser():
    def image(n_source_points, z_um):
        settings = small_yeast(n_source_points=n_source_points)
        field = exit_field(yeast_scene(settings, seed=1, n_cells=5), settings, seed=2)
        return field.intensity(field.focus_z_um + z_um)

    for z_um, few, many in ((0.0, 0.13, 0.05), (8.0, 0.22, 0.11)):
        full = image(256, z_um)
        assert relative_difference(image(64, z_um), full) < many
        assert relative_difference(image(16, z_um), full) < few


def test_turning_the_source_pattern_changes_little():
    settings = small_yeast(n_source_points=64)
    scene = yeast_scene(settings, seed=1, n_cells=5)
    one, other = (exit_field(scene, settings, seed=seed) for seed in (1, 2))
    for z_um, most in ((0.0, 0.06), (5.0, 0.12), (-5.0, 0.12)):
        difference = relative_difference(
            one.intensity(one.focus_z_um + z_um), other.intensity(other.focus_z_um + z_um)
        )
        assert 0 < difference < most


def test_the_same_seed_gives_the_same_light_and_images_are_independent_of_their_order():
    settings = small_yeast(n_source_points=8)
    scene = yeast_scene(settings, seed=1, n_cells=3)
    one, other = (exit_field(scene, settings, seed=4) for _ in range(2))
    first = [one.intensity(z) for z in (-3.0, 2.0)]
    again = [other.intensity(z) for z in (2.0, -3.0)][::-1]
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("z_um", [0.0, 3.0])
def test_a_coarse_camera_sees_the_mean_over_the_pixels_of_a_fine_one(z_um):
    coarse = small_yeast(n_source_points=8)
    coarse = coarse.replace(quality={**coarse.quality.model_dump(), "grid_um": 0.08})
    fine = coarse.replace(camera={"pixel_size_um": 0.08, "frame_px": 240})
    scene = yeast_scene(coarse, seed=1, n_cells=5)
    seen = exit_field(scene, coarse, seed=1).intensity(z_um)
    finely = exit_field(scene, fine, seed=1).intensity(z_um)
    binned = np.roll(finely, (1, 1), (0, 1)).reshape(80, 3, 80, 3).mean(axis=(1, 3))
    assert relative_difference(seen, binned) < 0.005


def test_a_specimen_that_does_not_fit_the_camera_is_refused():
    settings = microscope(frame_px=64)
    wrong_field = IndexVolume(np.zeros((1, 64, 64), np.float32), 3.0, 1.0, N_MEDIUM)
    with pytest.raises(InputError, match=r"as wide as the camera's field, 10\.24 um, got 3 um"):
        exit_field_of_volume(wrong_field, settings, focus_height_um=0, seed=0)
    too_coarse = IndexVolume(np.zeros((1, 32, 32), np.float32), 64 * 0.16, 1.0, N_MEDIUM)
    with pytest.raises(InputError, match="at least 64 grid points along"):
        exit_field_of_volume(too_coarse, settings, focus_height_um=0, seed=0)
