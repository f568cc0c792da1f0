"""Light scattered by a sphere: the Mie series against published values, and the multislice against Mie."""

from functools import cache

import mie
import numpy as np
import pytest
import torch
from optical_bench import WAVELENGTH_UM, microscope, sphere

from parfocal.optics import index_volume, sharpened
from parfocal.optics.illumination import PlaneWaves
from parfocal.optics.multislice import spectra_behind

RADIUS_UM, N_MEDIUM = 2.3, 1.337
INDICES = [1.36, 1.39, 1.42]


@pytest.mark.parametrize(
    ("x", "m", "extinction", "scattering"),
    [
        # Bohren & Huffman (1983), appendix A: sphere of 0.525 um radius at 0.6328 um.
        pytest.param(5.21282, 1.55, 3.10543, 3.10543, id="B&H"),
        # Wiscombe (1979), the cases that MIEV0 is tested by.
        pytest.param(0.099, 0.75, 7.417859e-6, 7.417859e-6, id="small"),
        pytest.param(10.0, 0.75, 2.232265, 2.232265, id="bubble"),
        pytest.param(1000.0, 0.75, 1.997908, 1.997908, id="large bubble"),
        pytest.param(100.0, 1.33 + 1e-5j, 2.101321, 2.096594, id="water"),
        pytest.param(10_000.0, 1.33 + 1e-5j, 2.004089, 1.723857, id="large water"),
        pytest.param(1.0, 1.5 + 1j, 2.336321, 0.663454, id="soot"),
        pytest.param(100.0, 10 + 10j, 2.071124, 1.836785, id="metal"),
    ],
)
def test_the_series_gives_published_efficiencies(x, m, extinction, scattering):
    np.testing.assert_allclose(mie.efficiencies(x, m), (extinction, scattering), rtol=3e-6)


def test_the_series_gives_the_published_pattern():
    # Bohren & Huffman (1983), appendix A: S11 over that at 0 degrees, and the degree of polarisation.
    S1, S2 = mie.amplitudes(2 * np.pi * 0.525 / 0.6328, 1.55, np.deg2rad([0, 9, 18, 27]))
    across, along = np.abs(S1) ** 2, np.abs(S2) ** 2
    pattern = (across + along) / (across + along)[0]
    np.testing.assert_allclose(pattern, [1, 0.785390, 0.356897, 0.0766119], rtol=3e-6)
    polarisation = (across - along) / (across + along)
    np.testing.assert_allclose(polarisation[1:], [-0.00459811, -0.0458541, -0.364744], rtol=5e-6)


def test_a_small_sphere_scatters_as_rayleigh_says():
    x, m = 0.01, 1.2
    contrast = (m**2 - 1) / (m**2 + 2)
    assert mie.efficiencies(x, m)[1] == pytest.approx(8 / 3 * x**4 * contrast**2, rel=1e-3)
    S1, S2 = mie.amplitudes(x, m, np.deg2rad([30, 80]))
    np.testing.assert_allclose(np.abs(S2 / S1), np.cos(np.deg2rad([30, 80])), rtol=1e-3)


@pytest.mark.parametrize("m", [0.75, 1.04, 1.5 + 0.2j])
def test_extinction_is_what_goes_missing_ahead_and_a_clear_sphere_only_scatters(m):
    x = 30.0
    extinction, scattering = mie.efficiencies(x, m)
    (ahead,), _ = mie.amplitudes(x, m, [0.0])
    assert extinction == pytest.approx(4 / x**2 * ahead.real, rel=1e-12)
    assert (extinction == pytest.approx(scattering, rel=1e-12)) == (np.imag(m) == 0)


@cache
def scattered(index):
    """Fourier integral of the light that a sphere scatters, per frequency along x, and those frequencies.

    In units of um**2, the incident wave 1 behind the sphere. Fine: 0.08 um grid, 0.1 um slices.
    """
    settings = microscope(pixel_size_um=0.08, frame_px=384, grid_um=0.08)
    settings = settings.replace(chamber={"height_um": 2 * RADIUS_UM})
    behind, direct = (first_row_behind(settings, delta_index=d) for d in (index - N_MEDIUM, 0.0))
    field_um2 = np.prod(settings.camera.field_yx_um)
    along_x = (behind / direct[0] - (np.arange(384) == 0)) * field_um2
    return along_x[:192], np.arange(192) / settings.camera.field_yx_um[1]


def first_row_behind(settings, *, delta_index):
    """Fourier coefficients along x behind a sphere in straight light."""
    scene = sphere(settings, radius_um=RADIUS_UM, delta_index=delta_index)
    volume = sharpened(index_volume(scene, grid_yx=(384, 384), n_slices=46))
    straight = PlaneWaves(WAVELENGTH_UM, np.array([[0, 0]]))
    (spectrum,) = spectra_behind(volume, straight, device=torch.device("cpu"))
    return spectrum.numpy()[0]


@pytest.mark.parametrize("index", INDICES)
def test_a_sphere_takes_the_light_that_mie_says(index, measured):
    x = 2 * np.pi * N_MEDIUM * RADIUS_UM / WAVELENGTH_UM
    spectrum, _ = scattered(index)
    # Interference with the direct wave, 2 Re of the scattered one over the plane, is all that goes missing.
    found = -2 * spectrum[0].real / (np.pi * RADIUS_UM**2)
    expected, _ = mie.efficiencies(x, index / N_MEDIUM)
    measured(
        check="Mie: extinction of a sphere of 4.6 µm, index 1.36 to 1.42",
        value=100 * abs(found / expected - 1),
        tolerance=0.5,
        unit="%",
    )


def angular_error(index, *, least_deg=0.0, most_deg):
    """Relative L2 difference of the amplitudes of multislice and Mie, over evenly weighted angles.

    The multislice keeps the sum of its squared spectrum; what is kept of a wave in truth is its flux through
    a plane, so its spectrum stands for ``sqrt(cos(angle))`` times the spectrum A of the wave itself. Far away
    A shows as ``k cos(angle) A / (2 pi)`` (stationary phase). With ``S`` the amplitude of
    ``exp(i k r) / (-i k r)``, then, ``abs(S) = k**2 sqrt(cos(angle)) abs(spectrum) / (2 pi)``. Without the
    root wide angles come out too strong (8 % between 25 and 60 degrees), with a whole cosine too weak (13 %).

    Light is a scalar here: the mean of ``abs(S1)**2`` and ``abs(S2)**2``, as of unpolarised light.
    """
    spectrum, f_per_um = scattered(index)
    angle = np.arcsin(np.minimum(WAVELENGTH_UM * f_per_um / N_MEDIUM, 1))
    seen = (angle >= np.deg2rad(least_deg)) & (angle <= np.deg2rad(most_deg))
    angle, spectrum = angle[seen], spectrum[seen]
    k = 2 * np.pi * N_MEDIUM / WAVELENGTH_UM
    found = k**2 * np.sqrt(np.cos(angle)) * np.abs(spectrum) / (2 * np.pi)
    S1, S2 = mie.amplitudes(k * RADIUS_UM, index / N_MEDIUM, angle)
    expected = np.sqrt((np.abs(S1) ** 2 + np.abs(S2) ** 2) / 2)
    weight = np.gradient(angle)
    return np.sqrt(np.sum(weight * (found - expected) ** 2) / np.sum(weight * expected**2))


@pytest.mark.parametrize("index", INDICES)
def test_a_sphere_scatters_into_the_angles_that_mie_says(index, measured):
    measured(
        check="Mie: scattered amplitude from 0 to 25°, relative L2",
        value=100 * angular_error(index, most_deg=25),
        tolerance=1.5,
        unit="%",
    )
    measured(
        check="Mie: scattered amplitude from 0 to 60°, relative L2",
        value=100 * angular_error(index, most_deg=60),
        tolerance=3,
        unit="%",
    )
    # Little light goes there, so that the two above hardly see it; polarisation does not exist here.
    measured(
        check="Mie: scattered amplitude from 25 to 60° alone, relative L2",
        value=100 * angular_error(index, least_deg=25, most_deg=60),
        tolerance=8,
        unit="%",
    )
