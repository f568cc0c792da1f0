"""Whole images against the same physics computed in the plainest way (benchmarks/plain_reference.py)."""

from dataclasses import replace

import numpy as np
import pytest
from optical_bench import microscope, relative_difference, yeast
from plain_reference import reference_stack, source_cycles, zernike

from parfocal.optics import exit_field, exit_field_of_volume, index_volume, preset, scene_of, sharpened
from parfocal.optics.illumination import plane_waves

DEFOCUS_UM = (-15.0, -5.0, 0.0, 5.0, 15.0)
RING = {"inner_na": 0.12, "outer_na": 0.2}
BENT = {
    "oblique_astigmatism_um": 0.02,
    "vertical_astigmatism_um": -0.03,
    "vertical_coma_um": 0.03,
    "horizontal_coma_um": -0.02,
    "vertical_trefoil_um": 0.02,
    "oblique_trefoil_um": 0.01,
    "primary_spherical_um": 0.03,
}
MICROSCOPES = {
    "bright field": {"condenser_na": 0.3},
    "phase contrast": {
        "numerical_aperture": 0.6,
        "immersion_index": 1.0,
        "condenser_na": 0.17,
        "inner_condenser_na": 0.15,
        "objective": {"phase_ring": RING},
    },
    "aberrations and a thick coverslip": {
        "numerical_aperture": 0.75,
        "immersion_index": 1.0,
        "condenser_na": 0.3,
        "objective": {"aberrations": BENT, "coverslip": {"thickness_um": 190.0}},
    },
    "the wrong oil": {
        "numerical_aperture": 1.2,
        "immersion_index": 1.50,
        "condenser_na": 0.3,
        "objective": {"coverslip": {"designed_immersion_index": 1.515, "working_distance_um": 150.0}},
    },
}


def images(settings, *, n_cells=4):
    """Images of yeast through focus, of engine and reference, from the same source points."""
    scene = yeast(settings, seed=1, n_cells=n_cells)
    volume = index_volume(scene, grid_yx=(settings.camera.height_px * 3 // 2,) * 2, n_slices=12)
    field = exit_field_of_volume(volume, settings, focus_height_um=scene.focus_height_um, seed=0)
    z_um = [field.focus_z_um + z for z in DEFOCUS_UM]
    # Where specimen and focus are said to be there is no blur by the patches that source points stand for,
    # and no coarser grid in the name of that blur.
    found = np.stack([replace(field, focus_z_um=z, within_z_um=(z, z)).intensity(z) for z in z_um])
    waves = [
        (line.wavelength_um, int(x), int(y))
        for line in plane_waves(settings, n_points=settings.quality.n_source_points, seed=0)
        for x, y in line.cycles_xy
    ]
    return found, reference_stack(volume, settings, z_um, waves=waves)


@pytest.mark.parametrize("kind", MICROSCOPES)
def test_images_are_those_of_the_plain_reference(kind, measured):
    settings = microscope(pixel_size_um=0.24, frame_px=80, n_source_points=6, **MICROSCOPES[kind])
    found, expected = images(settings)
    assert expected.std() > 0.05
    measured(
        check="yeast within ±15 µm, against the plain double-precision reference, relative L2 of contrast",
        value=100 * max(relative_difference(*pair) for pair in zip(found, expected, strict=True)),
        tolerance=1,
        unit="%",
    )


def test_where_the_camera_resolves_all_light_they_are_so_exactly(measured):
    settings = microscope(condenser_na=1.3, pixel_size_um=0.1, frame_px=180, grid_um=0.1, n_source_points=6)
    found, expected = images(settings)
    measured(
        check="the same with the condenser as wide as the objective, largest difference",
        value=np.abs(found - expected).max(),
        tolerance=1e-4,
    )


def test_fifty_planes_in_a_row_end_where_one_straight_from_the_light_does(measured):
    settings = microscope(condenser_na=0.3, pixel_size_um=0.24, frame_px=64, n_source_points=4)
    scene = yeast(settings, seed=1, n_cells=3)
    volume = index_volume(scene, grid_yx=(96, 96), n_slices=12)
    field, fresh = (
        exit_field_of_volume(volume, settings, focus_height_um=scene.focus_height_um, seed=0)
        for _ in range(2)
    )
    through_focus = [field.intensity(field.focus_z_um + z) for z in np.linspace(-25, 25, 51)]
    measured(
        check="drift: the last of 51 planes of a z-stack, less the same plane alone",
        value=np.abs(through_focus[-1] - fresh.intensity(fresh.focus_z_um + 25)).max(),
        tolerance=1e-4,
    )


def test_the_reference_fills_the_condenser_with_all_waves_of_the_grid():
    settings = microscope(condenser_na=0.3, frame_px=128)
    cycles = source_cycles(settings, 0.55)
    assert len(cycles) == pytest.approx(np.pi * (0.3 / 0.55 * 20.48) ** 2, rel=0.03)
    assert len(set(cycles)) == len(cycles)
    ring = source_cycles(microscope(condenser_na=0.3, inner_condenser_na=0.2, frame_px=128), 0.55)
    assert len(ring) == pytest.approx(len(cycles) * 5 / 9, rel=0.05)
    assert len(source_cycles(settings, 0.55, n_source_points=7)) == 7


def test_the_reference_has_zernikes_of_rms_one_without_a_mean():
    y, x = np.mgrid[-1:1:401j, -1:1:401j]
    inside = np.hypot(x, y) <= 1
    polynomials = [zernike(j, np.hypot(x, y), np.arctan2(y, x))[inside] for j in range(2, 12)]
    products = np.array([[np.mean(a * b) for a in polynomials] for b in polynomials])
    np.testing.assert_allclose(products, np.eye(10), atol=5e-3)
    assert np.abs(np.mean(polynomials, axis=1)).max() < 5e-3


@pytest.mark.parametrize("name", ["yeast-40x", "pombe-60x"])
def test_presets_show_what_the_whole_condenser_shows(name, measured):
    settings = preset(name)
    camera = {**settings.camera.model_dump(), "height_px": 72, "width_px": 72}
    settings = settings.replace(camera=camera, chamber={"height_um": 6.0, "pillars": False})
    scene = scene_of(settings.specimens, settings.chamber, settings.camera.field_yx_um, seed=2, n_cells=2)
    field = exit_field(scene, settings, seed=0)
    z_um = field.focus_z_um + np.array([-5.0, -2.0, 0.0, 2.0, 5.0])
    volume = sharpened(index_volume(scene, grid_yx=(128, 128), n_slices=30))
    lines_um = settings.spectrum.lines_um[1::2]  # two of the five: a third of the time
    exact = reference_stack(volume, settings, z_um, wavelengths_um=lines_um)
    found = np.stack([field.intensity(z) for z in z_um])
    measured(
        check="presets at their training quality within ±5 µm, against every wave of the condenser",
        value=100 * relative_difference(found, exact),
        tolerance=8,
        unit="%",
    )
