import numpy as np
import pytest
from optical_bench import microscope

from parfocal.optics import preset
from parfocal.optics.illumination import plane_waves, source_points


@pytest.mark.parametrize("inner", [0.0, 0.8])
@pytest.mark.parametrize("n", [1, 7, 56])
def test_source_points_fill_the_disc_or_annulus_evenly(n, inner):
    points = source_points(n, inner=inner, generator=np.random.default_rng(0))
    radius = np.sort(np.hypot(*points.T))
    assert points.shape == (n, 2)
    assert inner <= radius[0] + 1e-12
    assert radius[-1] < 1
    if n > 1:  # equal areas
        np.testing.assert_allclose((radius**2 - inner**2) / (1 - inner**2), (np.arange(n) + 0.5) / n)
        assert np.hypot(*points.mean(axis=0)) < 1 / n**0.5


def test_the_seed_turns_the_pattern():
    one, other = (source_points(9, generator=np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.allclose(sorted(one.tolist()), sorted(other.tolist()))
    np.testing.assert_allclose(sorted(np.hypot(*one.T)), sorted(np.hypot(*other.T)))


def test_waves_stay_within_the_condenser_and_share_the_wavelengths():
    settings = preset("yeast-40x")
    waves = plane_waves(settings, n_points=56, seed=3)
    assert [w.wavelength_um for w in waves] == settings.spectrum.lines_um.tolist()
    assert sum(len(w.cycles_xy) for w in waves) == 56
    for w in waves:
        na = np.hypot(*w.cycles_xy.T) * w.wavelength_um / settings.camera.field_yx_um[0]
        one_cycle = w.wavelength_um / settings.camera.field_yx_um[0]
        assert na.max() <= settings.condenser.numerical_aperture + one_cycle


@pytest.mark.parametrize("n_points", [1, 2, 3])
def test_few_points_have_wavelengths_from_all_over_the_spectrum(n_points):
    waves = plane_waves(preset("yeast-40x"), n_points=n_points, seed=0)
    assert np.mean([w.wavelength_um for w in waves]) == pytest.approx(0.56, abs=0.02)


def test_points_of_one_wavelength_lie_on_no_arms():
    # Every fifth point of a golden spiral would lie on one of eleven arms.
    settings = preset("yeast-40x").replace(camera={"height_px": 2048, "width_px": 2048})
    for w in plane_waves(settings, n_points=500, seed=0):
        turns = np.sort(np.arctan2(*w.cycles_xy.T) / (2 * np.pi))
        assert np.diff(turns).max() < 0.05


def test_fewer_points_than_wavelengths_use_as_many_wavelengths():
    settings = preset("yeast-40x")
    assert [len(w.cycles_xy) for w in plane_waves(settings, n_points=2, seed=0)] == [1, 1]


def test_a_condenser_as_wide_as_the_objective_loses_no_light():
    settings = microscope(condenser_na=1.3, frame_px=64)
    (waves,) = plane_waves(settings, n_points=200, seed=0)
    na = np.hypot(*waves.cycles_xy.T) * waves.wavelength_um / settings.camera.field_yx_um[0]
    assert na.max() <= 1.3


def test_each_wavelength_fills_the_whole_source():
    settings = preset("yeast-40x")
    for w in plane_waves(settings, n_points=160, seed=3):
        na = np.hypot(*w.cycles_xy.T) * w.wavelength_um / settings.camera.field_yx_um[0]
        shares = np.histogram(na, settings.condenser.numerical_aperture * np.sqrt([0, 0.25, 0.5, 0.75, 1.02]))
        assert np.ptp(shares[0]) <= 3


def test_an_annulus_is_filled_between_its_edges():
    settings = preset("euglena-10x-phase")
    condenser, ring = settings.condenser, settings.objective.phase_ring
    for w in plane_waves(settings, n_points=100, seed=0):
        na = np.hypot(*w.cycles_xy.T) * w.wavelength_um / settings.camera.field_yx_um[0]
        assert ring.inner_na < na.min() < condenser.inner_numerical_aperture + 0.005
        assert condenser.numerical_aperture - 0.005 < na.max() < ring.outer_na


def test_a_frame_that_is_not_square_is_lit_evenly_in_angle():
    settings = preset("yeast-40x").replace(camera={"height_px": 128, "width_px": 256})
    cycles = np.concatenate([w.cycles_xy for w in plane_waves(settings, n_points=200, seed=0)])
    np.testing.assert_allclose(cycles.std(axis=0)[0] / cycles.std(axis=0)[1], 2, rtol=0.05)
