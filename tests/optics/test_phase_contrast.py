"""The phase ring, the annulus and the pupil's aberrations against closed forms."""

import numpy as np
import pytest
from optical_bench import (
    brightest_z_um,
    grating,
    harmonic,
    microscope,
    thin,
)

N_OIL, N_MEDIUM = 1.515, 1.337
ANNULUS = {"condenser_na": 0.17, "inner_condenser_na": 0.15, "n_source_points": 24}


def phase_microscope(*, phase_rad=-np.pi / 2, transmission=0.25, **changes):
    ring = {"inner_na": 0.13, "outer_na": 0.19, "transmission": transmission, "phase_rad": phase_rad}
    lens = {"numerical_aperture": 0.6, "immersion_index": 1.0, "objective": {"phase_ring": ring}}
    return microscope(**(lens | ANNULUS | changes))


def test_an_empty_field_is_one_in_phase_contrast_too():
    image = thin(np.zeros((128, 128)), phase_microscope()).intensity(7.0)
    np.testing.assert_allclose(image, 1, atol=1e-5)


@pytest.mark.parametrize("transmission", [0.25, 1.0])
@pytest.mark.parametrize("phase_rad", [-np.pi / 2, np.pi / 2, -np.pi / 4])
def test_a_weak_phase_at_focus_shows_as_the_ring_says(phase_rad, transmission, measured):
    settings = phase_microscope(phase_rad=phase_rad, transmission=transmission)
    cycles, eps = 14, 0.002  # both orders pass beside the ring
    image = thin(grating(settings, cycles=cycles, peak_rad=eps), settings).intensity(0.0)
    tilt = 1 / np.sqrt(1 - (0.16 / N_MEDIUM) ** 2)
    # |sqrt(T) e^(i phase) + i eps|**2 / T
    expected = 2 * eps * tilt * np.sin(phase_rad) / np.sqrt(transmission)
    measured(
        check="phase contrast of a weak phase φ at focus, relative to 2 φ sin(ring's phase) / √T",
        value=100 * abs(harmonic(image, cycles) / expected - 1),
        tolerance=1,
        unit="%",
    )


def test_positive_phase_contrast_shows_higher_index_dark(measured):
    x, y = np.mgrid[-64:64, -64:64] * 0.16
    disc = 0.3 * (np.hypot(x, y) < 1.5)
    dark, bright = (
        thin(disc, phase_microscope(phase_rad=phase_rad)).intensity(0.0)[62:67, 62:67].mean() - 1
        for phase_rad in (-np.pi / 2, np.pi / 2)
    )
    measured(
        check="phase contrast of a disc of 0.3 rad: dark with a ring of -π/2, bright with +π/2",
        value=min(-dark, bright),
        least=0.1,
    )


def test_a_positive_zernike_defocus_lowers_the_stage_position_of_focus(measured):
    numerical_aperture, rms_um = 0.3, 0.1
    settings = microscope(
        numerical_aperture=numerical_aperture, objective={"aberrations": {"defocus_um": rms_um}}
    )
    opaque = np.full((128, 128), 50j)
    opaque[64, 64] = 0
    # rms sqrt(3) (2 r**2 - 1) against z rho**2 / (2 n): the two cancel at focus.
    expected_um = -4 * np.sqrt(3) * rms_um * N_OIL / numerical_aperture**2
    found_um = brightest_z_um(thin(opaque, settings), expected_um)
    measured(
        check="Zernike defocus a moves focus to -4 √3 a n / NA²",
        value=100 * abs(found_um / expected_um - 1),
        tolerance=1.5,
        unit="%",
    )


def test_positive_coma_draws_the_light_of_a_point_toward_lower_x(measured):
    settings = microscope(numerical_aperture=0.9, objective={"aberrations": {"horizontal_coma_um": 0.03}})
    opaque = np.full((128, 128), 50j)
    opaque[64, 64] = 0
    image = thin(opaque, settings).intensity(0.0)
    harmonics = np.fft.fft2(np.roll(image, (-64, -64), (0, 1)))[0, 1:3]
    # The crest of the endlessly long harmonic, so that the pattern's long tails count in full.
    one, two = np.angle(harmonics)
    centroid_um = -(2 * one - two / 2) / (2 * np.pi) * settings.camera.field_yx_um[1]
    # Rays go where the wavefront's slope sends them: the mean slope of Noll's coma is sqrt(8) a / NA.
    expected_um = -np.sqrt(8) * 0.03 / 0.9
    measured(
        check="Zernike coma a moves the light's centre by -√8 a / NA",
        value=100 * abs(centroid_um / expected_um - 1),
        tolerance=2,
        unit="%",
    )


def test_a_thicker_coverslip_costs_light_at_focus_and_none_in_a_slow_lens():
    opaque = np.full((128, 128), 50j)
    opaque[64, 64] = 0

    def peak(numerical_aperture, thickness_um):
        settings = microscope(
            numerical_aperture=numerical_aperture,
            immersion_index=1.0,
            objective={"coverslip": {"thickness_um": thickness_um}},
        )
        return max(thin(opaque, settings).intensity(z).max() for z in np.linspace(-12, 12, 49))

    assert peak(0.85, 200.0) < 0.6 * peak(0.85, 170.0)
    assert peak(0.2, 200.0) == pytest.approx(peak(0.2, 170.0), rel=0.01)
