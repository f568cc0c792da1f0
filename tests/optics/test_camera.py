import numpy as np
import pytest

from parfocal.optics import CameraSettings, expose

PLAIN = CameraSettings(prnu=0, vignetting=0, light_tilt=0, dust_spots=0, hot_pixels=0)


def frames_of(camera, intensity, *, n, seed=0, side=128):
    generator = np.random.default_rng(seed)
    light = np.full((side, side), intensity, np.float32)
    return np.stack([expose(light, camera, generator=generator) for _ in range(n)]).astype(float)


def test_photon_transfer_has_the_slope_of_the_conversion(measured):
    # Variance against mean of the difference of two frames, which cancels fixed patterns.
    camera = CameraSettings(prnu=0.02, vignetting=0.2, read_noise_electrons=20)
    levels = np.linspace(0.05, 1.2, 8)
    means, variances = [], []
    for level in levels:
        one, other = frames_of(camera, level, n=2, side=512)
        means.append(one.mean() - camera.offset_counts)
        variances.append(np.var(one - other) / 2)
    slope, read_variance = np.polyfit(means, variances, 1)
    measured(
        check="photon transfer: slope of variance over mean, relative to 1 / electrons per count",
        value=100 * abs(slope * camera.electrons_per_count - 1),
        tolerance=1,
        unit="%",
    )
    expected = (camera.read_noise_electrons / camera.electrons_per_count) ** 2 + 1 / 12  # and rounding
    assert read_variance == pytest.approx(expected, abs=0.1 * slope * means[0])


@pytest.mark.parametrize("expected", [5.0, 45.0, 55.0, 400.0])
def test_shot_noise_is_poissons_in_mean_variance_and_skewness(expected):
    # On both sides of where counting gives way to a normal draw.
    camera = PLAIN.replace(
        background_electrons=expected, electrons_per_count=0.1, read_noise_electrons=0.0, bit_depth=16
    )
    electrons = (frames_of(camera, 1.0, n=1, side=768) - camera.offset_counts) * camera.electrons_per_count
    assert electrons.mean() == pytest.approx(expected, rel=0.002)
    assert electrons.var() == pytest.approx(expected, rel=0.01)
    skewness = np.mean((electrons - expected) ** 3) / electrons.var() ** 1.5
    assert skewness == pytest.approx(expected**-0.5, abs=0.02 if expected < 50 else 0.15)


@pytest.mark.parametrize("bit_depth", [8, 12, 16])
def test_a_sensor_read_at_another_depth_is_as_bright_and_saturates_at_the_same_light(bit_depth):
    camera = PLAIN.at_bit_depth(bit_depth)
    frames = frames_of(camera, 1.0, n=1)
    assert frames.max() < camera.largest_count
    assert frames.mean() / camera.largest_count == pytest.approx(
        frames_of(PLAIN, 1.0, n=1).mean() / PLAIN.largest_count, rel=0.01
    )
    saturating = (camera.largest_count - camera.offset_counts) * camera.electrons_per_count
    assert saturating == pytest.approx((4095 - 20.0) * 8.9, rel=0.01)


def test_hot_pixels_are_brighter_in_every_frame_and_follow_from_the_pattern_seed():
    camera = PLAIN.replace(hot_pixels=0.01, pattern_seed=3)
    excess = frames_of(camera, 0.5, n=4).mean(axis=0) - frames_of(PLAIN, 0.5, n=4).mean()
    hot = excess > 0.05 * camera.hot_electrons / camera.electrons_per_count
    assert hot.mean() == pytest.approx(0.01, rel=0.3)
    assert excess[hot].mean() == pytest.approx(camera.hot_electrons / camera.electrons_per_count, rel=0.3)
    later = frames_of(camera, 0.5, n=4, seed=9).mean(axis=0)
    assert np.all(later[hot] > np.median(later))
    other = frames_of(camera.replace(pattern_seed=4), 0.5, n=4).mean(axis=0)
    assert other[hot].mean() < np.median(other) * 1.1


def test_an_empty_field_has_the_mean_that_the_settings_say():
    camera = CameraSettings()
    expected = camera.background_electrons / camera.electrons_per_count + camera.offset_counts
    assert frames_of(camera, 1.0, n=1).mean() == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("bit_depth", [8, 10, 12, 16])
def test_light_saturates_at_the_bit_depth(bit_depth):
    camera = PLAIN.replace(bit_depth=bit_depth)
    frames = frames_of(camera, 100.0, n=1)
    assert np.all(frames == 2**bit_depth - 1)
    assert np.all(frames_of(camera, 0.0, n=1) < 2**bit_depth - 1)


def test_the_dark_shows_the_offset_and_the_read_noise():
    camera = PLAIN.replace(offset_counts=50.0, read_noise_electrons=40.0)
    dark = frames_of(camera, 0.0, n=4)
    assert dark.mean() == pytest.approx(50, abs=0.1)
    assert dark.std() == pytest.approx(np.hypot(40.0 / camera.electrons_per_count, 12**-0.5), rel=0.02)


def test_negative_light_is_none():
    assert frames_of(PLAIN, -0.1, n=1).mean() == pytest.approx(PLAIN.offset_counts, abs=0.2)


def test_dust_uneven_light_and_pixel_gains_stay_from_frame_to_frame():
    camera = CameraSettings(prnu=0.03, dust_spots=6, pattern_seed=5)
    one, other = (frames_of(camera, 1.0, n=16, seed=seed).mean(axis=0) for seed in (1, 2))
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.99
    elsewhere = frames_of(camera.replace(pattern_seed=6), 1.0, n=16).mean(axis=0)
    assert np.corrcoef(one.ravel(), elsewhere.ravel())[0, 1] < 0.9


def test_the_pattern_follows_from_its_seed_however_many_cameras_came_between():
    camera = CameraSettings(dust_spots=6, pattern_seed=5)
    first = frames_of(camera, 1.0, n=1, side=32)
    for seed in range(100, 120):
        frames_of(camera.replace(pattern_seed=seed), 1.0, n=1, side=32)
    np.testing.assert_array_equal(frames_of(camera, 1.0, n=1, side=32), first)


def test_an_even_camera_shows_an_even_field():
    mean = frames_of(PLAIN, 1.0, n=64, side=32).mean(axis=0)
    assert mean.std() / mean.mean() < 2 / np.sqrt(64 * PLAIN.background_electrons)


def test_vignetting_darkens_the_corners():
    mean = frames_of(PLAIN.replace(vignetting=0.2), 1.0, n=8).mean(axis=0)
    assert mean[:8, :8].mean() / mean[60:68, 60:68].mean() == pytest.approx(0.8, abs=0.03)


def test_frames_are_16_bit_integers_and_follow_the_generator():
    light = np.ones((16, 20), np.float32)
    one, other = (expose(light, CameraSettings(), generator=np.random.default_rng(3)) for _ in range(2))
    assert one.dtype == np.uint16
    assert one.shape == (16, 20)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(light, 1)
