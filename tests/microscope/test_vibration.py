import numpy as np
import pytest

from parfocal.microscope import VibrationSettings, vibration


@pytest.mark.parametrize("step_s", [0.0037, 36.0], ids=["fine", "time lapse"])
def test_vibration_has_its_rms_however_it_is_sampled(step_s):
    shaken_um = vibration(VibrationSettings(rms_um=0.05), seed=3)
    course_um = np.array([shaken_um(t_s) for t_s in np.arange(5000) * step_s])
    assert course_um.std() == pytest.approx(0.05, rel=0.05)
    assert abs(course_um.mean()) < 0.005
    assert np.abs(course_um).max() < 0.05 * np.sqrt(10)


def test_vibration_is_fast_and_within_its_band():
    shaken_um = vibration(VibrationSettings(slowest_hz=10, fastest_hz=30), seed=3)
    power = np.abs(np.fft.rfft([shaken_um(t_s) for t_s in np.arange(0, 20, 0.005)])) ** 2
    hz = np.fft.rfftfreq(4000, 0.005)
    assert power[(hz > 9.5) & (hz < 30.5)].sum() / power.sum() > 0.99
