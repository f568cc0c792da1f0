import numpy as np
import pytest
import torch
from optical_bench import WAVELENGTH_UM, microscope, yeast

from parfocal.optics import IndexVolume, index_volume, sharpened
from parfocal.optics.illumination import PlaneWaves
from parfocal.optics.multislice import spectra_behind

N_MEDIUM = 1.337
CPU = torch.device("cpu")


def light_behind(volume, *, cycles_xy=((0, 0),)):
    waves = PlaneWaves(WAVELENGTH_UM, np.array(cycles_xy))
    return [torch.fft.ifft2(s, norm="forward").numpy() for s in spectra_behind(volume, waves, device=CPU)]


def uniform(delta_index, *, slices=6, height_um=3.0):
    kind = np.complex64 if isinstance(delta_index, complex) else np.float32
    return IndexVolume(np.full((slices, 32, 32), delta_index, kind), (8.0, 8.0), height_um, N_MEDIUM)


def test_yeast_lets_all_the_light_through(measured):
    settings = microscope(pixel_size_um=0.24, frame_px=128)
    scene = yeast(settings, seed=1, n_cells=4)
    volume = sharpened(index_volume(scene, grid_yx=(192, 192), n_slices=16))
    for field in light_behind(volume, cycles_xy=((0, 0), (5, -6))):
        assert np.std(np.angle(field)) > 0.1
        measured(
            check="energy that light loses in yeast, which absorbs nothing (6 cells and buds in 31 µm)",
            value=abs(np.mean(np.abs(field) ** 2) - 1),
            tolerance=1e-3,
        )


@pytest.mark.parametrize("slices", [1, 6])
def test_a_uniform_slab_delays_light_by_its_optical_path(slices):
    empty, slab = (light_behind(uniform(d, slices=slices))[0] for d in (0.0, 0.02))
    np.testing.assert_allclose(np.angle(slab / empty), 2 * np.pi / WAVELENGTH_UM * 0.02 * 3.0, rtol=1e-4)


def test_a_tilted_wave_takes_the_longer_way_through_a_slab():
    cycles = (4, 3)
    empty, slab = (light_behind(uniform(d), cycles_xy=(cycles,))[0] for d in (0.0, 0.02))
    sine = WAVELENGTH_UM * 5 / 8.0 / N_MEDIUM
    expected = 2 * np.pi / WAVELENGTH_UM * 0.02 * 3.0 / np.sqrt(1 - sine**2)
    np.testing.assert_allclose(np.angle(slab / empty), expected, rtol=1e-4)
    np.testing.assert_allclose(np.abs(slab), 1, atol=1e-5)


def test_an_absorbing_slab_dims_light_as_beer_and_lambert_say():
    (field,) = light_behind(uniform(0.01j))
    np.testing.assert_allclose(np.abs(field), np.exp(-2 * np.pi / WAVELENGTH_UM * 0.01 * 3.0), rtol=1e-4)


def test_light_meets_the_ceiling_first():
    # A small absorber throws a sharp shadow if it lies on the floor, and a blurred one from the ceiling.
    at_ceiling = np.zeros((12, 96, 96), np.complex64)
    at_ceiling[0, 44:52, 44:52] = 1j
    on_floor = at_ceiling[::-1].copy()
    blurred, sharp = (
        np.abs(light_behind(IndexVolume(v, (15.0, 15.0), 6.0, N_MEDIUM))[0]) for v in (at_ceiling, on_floor)
    )
    assert sharp[48, 48] < 0.5 * blurred[48, 48]


def test_a_field_may_be_wider_than_high():
    across = np.zeros((3, 40, 96), np.float32)
    across[1, 10:30, 20:50] = 0.05
    wide = IndexVolume(across, (6.0, 14.4), 1.5, N_MEDIUM)
    high = IndexVolume(across.swapaxes(1, 2).copy(), (14.4, 6.0), 1.5, N_MEDIUM)
    (one,), (other,) = light_behind(wide, cycles_xy=((3, 1),)), light_behind(high, cycles_xy=((1, 3),))
    assert one.shape == (40, 96)
    np.testing.assert_allclose(one, other.T, atol=1e-5)


def test_waves_that_the_medium_does_not_carry_are_dropped():
    fine = np.zeros((2, 64, 64), np.float32)
    fine[0] = 0.1 * np.random.default_rng(0).standard_normal((64, 64))
    volume = IndexVolume(fine, (6.4, 6.4), 1.0, N_MEDIUM)
    (spectrum,) = spectra_behind(volume, PlaneWaves(WAVELENGTH_UM, np.array([[0, 0]])), device=CPU)
    f = np.fft.fftfreq(64, 0.1)
    evanescent = np.hypot(f[:, None], f[None, :]) > N_MEDIUM / WAVELENGTH_UM
    assert evanescent.any()
    assert torch.all(spectrum[torch.from_numpy(evanescent)] == 0)
