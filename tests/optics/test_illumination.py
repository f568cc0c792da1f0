import numpy as np
import pytest
from optical_bench import microscope

from parfocal.optics import preset
from parfocal.optics.illumination import plane_waves, source_points


@pytest.mark.parametrize("n", [1, 7, 56])
def test_source_points_fill_the_disc_evenly(n):
    points = source_points(n, generator=np.random.default_rng(0))
    radius = np.sort(np.hypot(*points.T))
    assert points.shape == (n, 2)
    assert radius[-1] < 1
    if n > 1:
        np.testing.assert_allclose(radius**2, (np.arange(n) + 0.5) / n)
        assert np.hypot(*points.mean(axis=0)) < 1 / n**0.5


def test_the_seed_turns_the_pattern():
    one, other = (source_points(9, generator=np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.allclose(sorted(one.tolist()), sorted(other.tolist()))
    np.testing.assert_allclose(sorted(np.hypot(*one.T)), sorted(np.hypot(*other.T)))


def test_waves_stay_within_the_condenser_and_share_the_wavelengths():
    settings = preset("yeast-40x")
    waves = plane_waves(settings, seed=3)
    assert [w.wavelength_um for w in waves] == settings.spectrum.lines_um.tolist()
    assert sum(len(w.cycles_xy) for w in waves) == settings.quality.n_source_points
    for w in waves:
        na = np.hypot(*w.cycles_xy.T) * w.wavelength_um / settings.camera.field_um
        one_cycle = w.wavelength_um / settings.camera.field_um
        assert na.max() <= settings.condenser.numerical_aperture + one_cycle


def test_fewer_points_than_wavelengths_use_as_many_wavelengths():
    settings = preset("yeast-40x")
    settings = settings.replace(quality={**settings.quality.model_dump(), "n_source_points": 2})
    assert [len(w.cycles_xy) for w in plane_waves(settings, seed=0)] == [1, 1]


def test_a_condenser_as_wide_as_the_objective_loses_no_light():
    settings = microscope(condenser_na=1.3, n_source_points=200, frame_px=64)
    (waves,) = plane_waves(settings, seed=0)
    na = np.hypot(*waves.cycles_xy.T) * waves.wavelength_um / settings.camera.field_um
    assert na.max() <= 1.3
