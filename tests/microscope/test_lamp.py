import numpy as np
import pytest

from parfocal.microscope import LampSettings
from parfocal.microscope.lamp import lamp_light

STEADY = LampSettings(flicker=0.0, mains_beat=0.0, dimming_per_day=0.0)
DAY_S = 24 * 3600


def light(settings, times_s, seed=1):
    return np.array([lamp_light(settings, t_s=t, frame=k, seed=seed) for k, t in enumerate(times_s)])


def test_a_steady_lamp_is_steady():
    assert np.all(light(STEADY, np.linspace(0, DAY_S, 10)) == 1)


def test_flicker_is_white_from_frame_to_frame_and_follows_from_the_frame():
    flicker = light(STEADY.replace(flicker=0.01), np.zeros(2000))
    assert flicker.std() == pytest.approx(0.01, rel=0.05)
    assert abs(np.corrcoef(flicker[1:], flicker[:-1])[0, 1]) < 0.1
    np.testing.assert_array_equal(flicker[:9], light(STEADY.replace(flicker=0.01), np.zeros(9)))


def test_the_mains_beat_slowly():
    times_s = np.arange(0, 140, 0.05)
    beat = light(STEADY.replace(mains_beat=0.02, beat_s=7.0), times_s)
    assert beat.max() == pytest.approx(1.02, abs=1e-3)
    assert int((np.diff(np.sign(beat - 1)) > 0).sum()) == pytest.approx(20, abs=1)


def test_the_lamp_dims_by_its_fraction_a_day():
    assert light(STEADY.replace(dimming_per_day=0.1), [0, DAY_S, 2 * DAY_S]) == pytest.approx([1, 0.9, 0.81])
