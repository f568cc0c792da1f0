import numpy as np
import pytest

from parfocal.microscope import SurfaceSettings, focus_surface


def test_a_tilted_chamber_rises_steadily():
    higher_um = focus_surface(SurfaceSettings(tilt_um_per_mm=2.0, profile_um=0.0), seed=4)
    slope = np.array([higher_um(1000.0, 0.0), higher_um(0.0, 1000.0)])
    assert np.linalg.norm(slope) == pytest.approx(2.0)
    assert higher_um(500.0, -3000.0) == pytest.approx(slope @ [0.5, -3.0])


def test_a_profile_has_its_rms_is_smooth_and_counts_from_the_origin():
    higher_um = focus_surface(SurfaceSettings(tilt_um_per_mm=0.0, profile_um=0.5, profile_mm=3.0), seed=4)
    places = np.random.default_rng(0).uniform(-2e4, 2e4, (4000, 2)).tolist()
    assert np.std([higher_um(x, y) for x, y in places]) == pytest.approx(0.5, rel=0.1)
    assert higher_um(0.0, 0.0) == 0.0
    line_um = np.array([higher_um(x, 100.0) for x in range(0, 10_000, 10)])
    assert 0.3 < np.ptp(line_um) < 5
    assert np.abs(np.diff(line_um)).max() < 0.05  # within a field of view it is flat
