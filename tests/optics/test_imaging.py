"""Images of simple objects against closed-form optics."""

from dataclasses import replace

import numpy as np
import pytest
from optical_bench import (
    PINHOLE_NA,
    WAVELENGTH_UM,
    brightest_z_um,
    grating,
    grid_um,
    harmonic,
    microscope,
    relative_difference,
    sphere,
    thin,
    yeast,
)
from scipy.special import j1

from parfocal.errors import InputError
from parfocal.optics import IndexVolume, exit_field, exit_field_of_volume, preset, simulate_stack
from parfocal.optics.imaging import PATCH_WIDTH

N_OIL, N_MEDIUM = 1.515, 1.337


@pytest.mark.parametrize("z_um", [-15.0, 0.0, 4.0])
@pytest.mark.parametrize("condenser_na", [PINHOLE_NA, 0.3, 1.3])
def test_an_empty_field_is_one(condenser_na, z_um, measured):
    settings = microscope(condenser_na=condenser_na, n_source_points=7, frame_px=64)
    image = thin(np.zeros((64, 64)), settings).intensity(z_um)
    assert image.dtype == np.float32
    measured(check="an empty field is 1", value=np.abs(image - 1).max(), tolerance=1e-5)


@pytest.mark.parametrize("z_um", [-3.0, -0.7, 0.4, 2.5])
def test_a_phase_grating_shows_as_defocus_theory_says(z_um, measured):
    settings = microscope(immersion_index=N_MEDIUM)
    cycles, eps, height_um = 9, 0.01, 3.0
    q = 2 * np.pi * cycles / settings.camera.field_yx_um[1]
    field = thin(grating(settings, cycles=cycles, peak_rad=eps), settings, height_um=height_um)
    k = 2 * np.pi * N_MEDIUM / WAVELENGTH_UM
    expected = 2 * eps * np.sin(-z_um * (k - np.sqrt(k**2 - q**2)))
    found = harmonic(field.intensity(height_um + z_um), cycles)
    measured(
        check="sinusoidal phase grating out of focus, relative to 2 ε sin[-z (k - √(k² - q²))]",
        value=abs(found / expected - 1),
        tolerance=1e-3,
    )


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
def test_a_point_of_light_shows_as_an_airy_pattern(numerical_aperture, measured):
    n, pixel_size_um = 384, 0.08
    # One point of a condenser as wide as the objective: straight light, and an image grid that holds all that
    # the light of a point makes by interfering with itself.
    settings = microscope(
        numerical_aperture=numerical_aperture,
        condenser_na=numerical_aperture,
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
    difference = image / image[n // 2, n // 2] - expected / expected.max()
    measured(
        check="Airy pattern of a point at NA 0.95 and 1.3, peak 1",
        value=np.abs(difference).max(),
        tolerance=1e-3,
    )


def test_a_weak_object_shows_nothing_finer_than_both_apertures_together_pass(measured):
    settings = microscope(condenser_na=0.3, n_source_points=16, pixel_size_um=0.1, frame_px=192, grid_um=0.1)
    rough = 1e-4 * np.random.default_rng(0).standard_normal((192, 192))
    spectrum = np.abs(np.fft.fft2(thin(rough, settings).intensity(1.0), norm="forward"))
    f = np.fft.fftfreq(192, 0.1)
    frequency = np.hypot(f[:, None], f[None, :])
    limit = (1.3 + 0.3) / WAVELENGTH_UM + 1 / settings.camera.field_yx_um[0]
    measured(
        check="image of a weak object at frequencies above (NA + NA of the condenser) / wavelength",
        value=spectrum[frequency > limit].max(),
        tolerance=1e-6,
    )
    assert spectrum[(frequency > 0) & (frequency < 0.8 * limit)].max() > 1e-6


@pytest.mark.parametrize(
    ("delta_index", "below", "above"),
    [pytest.param(0.05, 1, -1, id="higher index"), pytest.param(-0.05, -1, 1, id="lower index")],
)
def test_the_becke_line_tells_the_sign_of_defocus(delta_index, below, above, measured):
    settings = microscope(condenser_na=0.3, n_source_points=24, pixel_size_um=0.24, frame_px=80)
    scene = sphere(settings, radius_um=2.3, delta_index=delta_index)
    field = exit_field(scene, settings, seed=0)
    centre = [field.intensity(field.focus_z_um + z)[38:43, 38:43].mean() - 1 for z in (-5.0, 5.0)]
    measured(
        check="Becke line: contrast of the right sign 5 µm from focus, for a higher and a lower index",
        value=min(below * centre[0], above * centre[1]),
        least=0.1,
    )


def test_small_defocus_transports_intensity(measured):
    settings = microscope(immersion_index=N_MEDIUM)
    x, y = grid_um(settings, 128)
    width_um, peak_rad, dz_um = 2.0, 0.3, 0.1
    phase = peak_rad * np.exp(-(x**2 + y**2) / (2 * width_um**2))
    field = thin(phase, settings)
    slope = (field.intensity(dz_um) - field.intensity(-dz_um)) / (2 * dz_um)
    laplacian = phase * ((x**2 + y**2) / width_um**4 - 2 / width_um**2)
    # Teague (1983): k dI/ds = -div(I grad phase) along the light, which is -z here.
    expected = laplacian * WAVELENGTH_UM / (2 * np.pi * N_MEDIUM)
    measured(
        check="transport of intensity at 0.1 µm of defocus, relative L2",
        value=np.linalg.norm(slope - expected) / np.linalg.norm(expected),
        tolerance=5e-3,
    )


def test_an_absorbing_object_looks_the_same_on_both_sides_of_focus(measured):
    settings = microscope(immersion_index=N_MEDIUM)
    x, y = grid_um(settings, 128)
    field = thin(0.5j * ((x**2 + y**2) < 1.5**2), settings, height_um=2.0)
    for z_um in (1.0, 4.0):
        above, below = field.intensity(2.0 + z_um), field.intensity(2.0 - z_um)
        assert np.std(above) > 0.01
        measured(
            check="absorbing object, difference of the images above and below focus",
            value=np.abs(above - below).max(),
            tolerance=1e-4,
        )


@pytest.mark.parametrize(
    ("numerical_aperture", "index", "depth_um"),
    [
        pytest.param(0.5, N_OIL, 5.0, id="oil, 5 um"),
        pytest.param(0.5, N_OIL, 20.0, id="oil, 20 um"),
        pytest.param(0.2, 1.0, 40.0, id="dry, 40 um"),
        pytest.param(0.2, 1.0, 120.0, id="dry, 120 um"),
    ],
)
def test_an_object_at_depth_d_is_in_focus_at_d_times_the_ratio_of_indices(
    numerical_aperture, index, depth_um, measured
):
    settings = microscope(numerical_aperture=numerical_aperture, immersion_index=index)
    opaque = np.full((128, 128), 50j)
    opaque[64, 64] = 0
    field = thin(opaque, settings, height_um=depth_um)
    expected_um = depth_um * index / N_MEDIUM
    assert field.focus_z_um == pytest.approx(expected_um)
    measured(
        check="focus on a point at depth d, relative to d · n(immersion) / n(medium), oil and dry",
        value=abs(brightest_z_um(field, expected_um) / expected_um - 1),
        tolerance=0.015,
    )


def test_a_bead_on_the_coverslip_is_darkest_where_it_lies():
    settings = microscope(numerical_aperture=0.8, condenser_na=0.3, n_source_points=12).replace(
        chamber={"height_um": 12.0}
    )
    scene = sphere(settings, radius_um=1.0, delta_index=0.2j)
    field = exit_field(scene, settings, seed=0)
    z_um = np.linspace(0, 12, 49)
    darkest = z_um[np.argmin([field.intensity(z).min() for z in z_um])]
    assert darkest == pytest.approx(1.0 * N_OIL / N_MEDIUM, abs=0.6)


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
def test_a_weak_phase_shows_as_the_weak_object_transfer_function_says(z_um, measured):
    settings = microscope(condenser_na=0.3, n_source_points=400, frame_px=96, numerical_aperture=0.9)
    cycles = [2, 5, 9, 14, 20, 26]
    phase = sum(grating(settings, cycles=c, peak_rad=0.01 / len(cycles)) for c in cycles)
    image = thin(phase, settings).intensity(z_um)
    found = np.array([harmonic(image, c) for c in cycles])
    f_per_um = np.array(cycles) / settings.camera.field_yx_um[1]
    transfer = [weak_phase_transfer(f, z_um=z_um, objective_na=0.9, condenser_na=0.3) for f in f_per_um]
    expected = 0.01 / len(cycles) * np.array(transfer)
    measured(
        check="weak phase of 0.01 rad against the weak-object transfer function, relative L2",
        value=np.linalg.norm(found - expected) / np.linalg.norm(expected),
        tolerance=0.02,
    )


@pytest.mark.parametrize(
    ("n_source_points", "inner_na"),
    [
        pytest.param(1, 0.0, id="a disc as one point"),
        pytest.param(9, 0.0, id="a disc as nine"),
        pytest.param(9, 0.06, id="an annulus as nine"),
    ],
)
def test_out_of_focus_a_source_point_stands_for_a_patch_of_the_condenser(n_source_points, inner_na):
    cycles, z_um, condenser_na = 12, 6.0, 0.1
    settings = microscope(
        condenser_na=condenser_na, inner_condenser_na=inner_na, n_source_points=n_source_points
    )
    field = thin(grating(settings, cycles=cycles, peak_rad=0.01), settings)
    of_points = replace(field, focus_z_um=z_um)  # no blur where the specimen is said to be in focus
    found = harmonic(field.intensity(z_um), cycles) / harmonic(of_points.intensity(z_um), cycles)
    f_per_um = cycles / settings.camera.field_yx_um[1]
    patch_na = PATCH_WIDTH * np.sqrt((condenser_na**2 - inner_na**2) / n_source_points)
    argument = 2 * np.pi * f_per_um * z_um * patch_na / N_OIL
    assert found == pytest.approx(2 * j1(argument) / argument, rel=1e-3)


def small_yeast(*, n_source_points=32, grid_um=0.16, frame_px=80, pixel_size_um=0.24):
    settings = preset("yeast-40x", quality="ci")
    return settings.replace(
        camera={"height_px": frame_px, "width_px": frame_px, "pixel_size_um": pixel_size_um},
        chamber={"pillars": False},
        quality={"grid_um": grid_um, "slice_um": 0.5, "n_source_points": n_source_points},
    )


def test_more_source_points_come_nearer_to_the_full_condenser():
    def image(n_source_points, z_um):
        settings = small_yeast(n_source_points=n_source_points)
        field = exit_field(yeast(settings, seed=1, n_cells=5), settings, seed=2)
        return field.intensity(field.focus_z_um + z_um)

    for z_um, few, many in ((0.0, 0.13, 0.05), (8.0, 0.22, 0.11)):
        full = image(256, z_um)
        assert relative_difference(image(64, z_um), full) < many
        assert relative_difference(image(16, z_um), full) < few


def test_turning_the_source_pattern_changes_little():
    settings = small_yeast(n_source_points=64)
    scene = yeast(settings, seed=1, n_cells=5)
    one, other = (exit_field(scene, settings, seed=seed) for seed in (1, 2))
    for z_um, most in ((0.0, 0.06), (5.0, 0.12), (-5.0, 0.12)):
        difference = relative_difference(
            one.intensity(one.focus_z_um + z_um), other.intensity(other.focus_z_um + z_um)
        )
        assert 0 < difference < most


def test_the_same_seed_gives_the_same_light_and_images_are_independent_of_their_order():
    settings = small_yeast(n_source_points=8)
    scene = yeast(settings, seed=1, n_cells=3)
    one, other = (exit_field(scene, settings, seed=4) for _ in range(2))
    first = [one.intensity(z) for z in (-3.0, 2.0)]
    again = [other.intensity(z) for z in (2.0, -3.0)][::-1]
    np.testing.assert_array_equal(first, again)


def test_cached_light_gives_the_planes_of_the_stack(measured):
    quiet = {"background_electrons": 1e10, "electrons_per_count": 5e5, "bit_depth": 16, "offset_counts": 0}
    flat = {
        "read_noise_electrons": 0,
        "prnu": 0,
        "vignetting": 0,
        "light_tilt": 0,
        "dust_spots": 0,
        "hot_pixels": 0,
    }
    frame = {"height_px": 64, "width_px": 48}
    settings = small_yeast(n_source_points=6).replace(
        camera=quiet | flat | frame, days={"light": 0.0}, scan={"half_range_um": 4.0, "step_um": 2.0}
    )
    made = simulate_stack(settings, seed=5, index=0, n_cells=3)
    field = exit_field(made.scene, made.settings, seed=made.scene_seed)
    defocus_um = made.stack.defocus_um(made.focus_z_um)
    cached = np.stack([field.intensity(field.focus_z_um + z) for z in defocus_um])
    measured(
        check="an image from the cached light, less the plane of the stack (10¹⁰ e⁻, 16 bit)",
        value=np.abs(made.stack.frames_zyx / 2e4 - cached).max(),
        tolerance=2e-4,
    )


@pytest.mark.parametrize("z_um", [0.0, 3.0])
def test_a_coarse_camera_sees_the_mean_over_the_pixels_of_a_fine_one(z_um):
    coarse = small_yeast(n_source_points=8, grid_um=0.08)
    fine = small_yeast(n_source_points=8, grid_um=0.08, pixel_size_um=0.08, frame_px=240)
    scene = yeast(coarse, seed=1, n_cells=5)
    seen = exit_field(scene, coarse, seed=1).intensity(z_um)
    finely = exit_field(scene, fine, seed=1).intensity(z_um)
    binned = np.roll(finely, (1, 1), (0, 1)).reshape(80, 3, 80, 3).mean(axis=(1, 3))
    assert relative_difference(seen, binned) < 0.005


def test_a_specimen_that_does_not_fit_the_camera_is_refused():
    settings = microscope(frame_px=64)
    side_um = 64 * 0.16
    wrong_field = IndexVolume(np.zeros((1, 64, 64), np.float32), (side_um, 3.0), 1.0, N_MEDIUM)
    with pytest.raises(InputError, match=r"camera's field, 10\.24 x 10\.24 um, got 10\.24 x 3 um"):
        exit_field_of_volume(wrong_field, settings, focus_height_um=0, seed=0)
    too_coarse = IndexVolume(np.zeros((1, 64, 32), np.float32), (side_um, side_um), 1.0, N_MEDIUM)
    with pytest.raises(InputError, match="at least 49 x 49 grid points along"):
        exit_field_of_volume(too_coarse, settings, focus_height_um=0, seed=0)
