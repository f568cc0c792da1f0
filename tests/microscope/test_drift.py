import numpy as np
import pytest

from parfocal.microscope import thermal_drift


@pytest.mark.parametrize("seed", range(5))
def test_drift_starts_at_zero_covers_its_range_and_is_slow(seed):
    drift_um = thermal_drift(range_um=40, hours=24, seed=seed)
    focus_um = np.array([drift_um(t_s) for t_s in np.linspace(0, 24 * 3600, 2401)])
    assert focus_um[0] == 0
    assert np.ptp(focus_um) == pytest.approx(40, rel=1e-3)
    assert np.abs(np.diff(focus_um)).max() / 36 * 3600 < 15  # um an hour


def test_drift_follows_from_the_seed():
    first, again, other = (thermal_drift(range_um=40, hours=24, seed=seed)(7000) for seed in (1, 1, 2))
    assert first == again != other
