"""Crops keep their grey values and positions; batches depend on seed and step alone."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parfocal.data.sampling import FrameSampler, SamplingSettings, area_resample, prefetch
from parfocal.errors import DatasetError, SettingsError
from parfocal.zstack import ZStack

PLAIN = SamplingSettings(crop_um=2.0, pixel_size_um=0.2, flips=False, quarter_turns=False)


def stack_of(
    *,
    side: tuple[int, int] = (40, 50),
    n_planes: int = 5,
    pixel_size_um: float = 0.1,
    dtype=np.uint16,
    seed=0,
) -> ZStack:
    frames = np.random.default_rng(seed).integers(0, 200, (n_planes, *side)).astype(dtype)
    return ZStack(frames, np.arange(n_planes, dtype=float), pixel_size_um)


@pytest.mark.parametrize("scale", [1, 2, 4, 10])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_whole_scales_are_means_of_blocks(scale: int, dtype: torch.dtype) -> None:
    frames = torch.randint(0, 200, (2, 3, 41, 53)).to(dtype)
    n_y, n_x = 41 // scale, 53 // scale
    kept = frames[..., : n_y * scale, : n_x * scale].to(torch.float64)
    expected = kept.reshape(2, 3, n_y, scale, n_x, scale).mean((3, 5))
    torch.testing.assert_close(area_resample(frames, scale=scale).double(), expected, rtol=1e-6, atol=0)


@settings(max_examples=60, deadline=None)
@given(new=st.tuples(st.integers(1, 12), st.integers(1, 12)), scale=st.floats(1, 8), seed=st.integers(0, 99))
def test_each_new_pixel_is_the_integral_over_its_area(new: tuple[int, int], scale: float, seed: int) -> None:
    shape = tuple(int(np.ceil(n * scale)) for n in new)
    frames = torch.rand(2, *shape, generator=torch.Generator().manual_seed(seed))
    resampled = area_resample(frames, scale=scale)
    expected = _integral_weights(shape[0], resampled.shape[1], scale) @ frames.double()
    expected = expected @ _integral_weights(shape[1], resampled.shape[2], scale).T
    assert resampled.shape[1] in (new[0], new[0] + 1) and resampled.dtype == torch.float32
    torch.testing.assert_close(resampled.double(), expected, rtol=1e-4, atol=1e-5)


def _integral_weights(n_old: int, n_new: int, scale: float) -> torch.Tensor:
    """By differences of the running integral: another way to the same weights."""
    edges = np.clip(np.arange(n_new + 1) * scale, 0, n_old)
    integral = np.clip(edges[:, None] - np.arange(n_old), 0, 1)
    return torch.from_numpy(np.diff(integral, axis=0) / scale)


@pytest.mark.parametrize(("n_old", "n_new"), [(10, 4), (35, 10), (337, 100)])
def test_the_mean_of_a_frame_is_kept(n_old: int, n_new: int) -> None:
    frames = torch.rand(3, n_old, n_old, dtype=torch.float64)
    resampled = area_resample(frames, scale=n_old / n_new)
    assert resampled.shape == (3, n_new, n_new)
    torch.testing.assert_close(resampled.double().mean((1, 2)), frames.mean((1, 2)), rtol=1e-5, atol=0)


@pytest.mark.parametrize("scale", [0.5, 11.0])
def test_a_scale_that_cannot_be_is_refused(scale: float) -> None:
    with pytest.raises(DatasetError, match="at least 1"):
        area_resample(torch.zeros(10, 10), scale=scale)


@pytest.mark.parametrize(
    "changes", [{}, {"any_angle": True}, {"smallest_crop_um": 1.0}, {"gain_jitter": 0.2}, {"flips": True}]
)
def test_a_batch_depends_on_seed_and_step_alone(changes: dict) -> None:
    stacks = [(stack_of(), 1.0), (stack_of(seed=1, side=(45, 45)), 2.5)]
    one, same, other = (FrameSampler(stacks, PLAIN.replace(**changes), seed=seed) for seed in (3, 3, 4))
    same.batch(0, size=4)
    for got, expected in zip(same.batch(7, size=4), one.batch(7, size=4), strict=True):
        assert torch.equal(got, expected)
    assert not torch.equal(one.batch(8, size=4)[1], one.batch(7, size=4)[1])
    assert not torch.equal(other.batch(7, size=4)[1], one.batch(7, size=4)[1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("pixel_size_um", [0.1, 0.2, 0.1999, 0.07], ids=lambda size: f"{size} um")
def test_crops_have_the_asked_size_and_type(dtype: type, pixel_size_um: float) -> None:
    stacks = [(stack_of(dtype=dtype, pixel_size_um=pixel_size_um), 1.0)]
    frames, defocus_um = FrameSampler(stacks, PLAIN, seed=0).batch(0, size=6)
    assert frames.shape == (6, 1, 10, 10) and frames.dtype == torch.float32
    assert defocus_um.shape == (6,) and defocus_um.dtype == torch.float32
    assert frames.min() >= 0 and frames.max() < 200


def test_each_crop_comes_with_the_defocus_of_its_plane() -> None:
    frames = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((5, 40, 50), np.uint8)
    stacks = [(ZStack(frames, np.arange(5.0), 0.1), 1.25), (ZStack(frames + 10, np.arange(5.0), 0.05), 2.0)]
    crops, defocus_um = FrameSampler(stacks, PLAIN, seed=0).batch(0, size=200)
    value = crops.mean((1, 2, 3)).round()
    expected = torch.where(value < 10, value - 1.25, value - 12.0)
    assert torch.equal(defocus_um, expected)
    assert len(set(value.tolist())) == 10


def test_crops_without_turns_are_cut_from_the_frame_and_reach_its_corners() -> None:
    stack = stack_of(side=(12, 11), n_planes=1, pixel_size_um=0.2)
    frames, _ = FrameSampler([(stack, 0.0)], PLAIN, seed=0).batch(0, size=60)
    windows = np.lib.stride_tricks.sliding_window_view(stack.frames_zyx[0], (10, 10)).reshape(-1, 10, 10)
    found = {np.flatnonzero((windows == frame[0].numpy()).all((1, 2))).item() for frame in frames}
    assert found == set(range(6))


def test_flips_and_quarter_turns_give_all_eight_views() -> None:
    stack = stack_of(side=(10, 10), n_planes=1, pixel_size_um=0.2)
    turned = PLAIN.replace(flips=True, quarter_turns=True)
    frames, _ = FrameSampler([(stack, 0.0)], turned, seed=0).batch(0, size=200)
    frame = stack.frames_zyx[0].astype(np.float32)
    views = {np.rot90(side, n).tobytes() for side in (frame, frame[::-1]) for n in range(4)}
    assert {crop[0].numpy().tobytes() for crop in frames} == views


@pytest.mark.parametrize("pixel_size_um", [0.05, 0.073, 0.2])
def test_crops_at_any_angle_have_no_empty_corner(pixel_size_um: float) -> None:
    frames = np.full((1, 72, 70), 100, np.uint8)
    stack = ZStack(frames, [0.0], pixel_size_um)
    crops, _ = FrameSampler([(stack, 0.0)], PLAIN.replace(any_angle=True), seed=0).batch(0, size=40)
    torch.testing.assert_close(crops, torch.full((40, 1, 10, 10), 100.0))


def test_a_crop_at_any_angle_is_turned_about_its_middle() -> None:
    y, x = np.indices((61, 61)) - 30.0
    stack = ZStack(np.hypot(y, x).astype(np.float32)[None], [0.0], 0.1)
    ring = SamplingSettings(crop_um=4.1, pixel_size_um=0.1, any_angle=True, flips=False, quarter_turns=False)
    crops, _ = FrameSampler([(stack, 0.0)], ring, seed=0).batch(0, size=20)
    for crop in crops[:, 0]:
        # A distance map stays one, whatever the angle: its slope is 1 nearly everywhere.
        slope = torch.hypot(*(part[:40, :40] for part in (crop.diff(dim=0), crop.diff(dim=1))))
        assert slope.median() == pytest.approx(1, abs=0.02)


def test_gain_jitter_stays_within_its_bounds() -> None:
    stack = ZStack(np.full((1, 20, 20), 100, np.uint8), [0.0], 0.1)
    frames, _ = FrameSampler([(stack, 0.0)], PLAIN.replace(gain_jitter=0.2), seed=0).batch(0, size=100)
    means = frames.mean((1, 2, 3))
    assert 80 <= means.min() < 85 and 115 < means.max() <= 120


def test_the_side_changes_from_batch_to_batch_where_asked() -> None:
    sampler = FrameSampler([(stack_of(), 0.0)], PLAIN.replace(smallest_crop_um=1.0), seed=0)
    sides = {sampler.batch(step, size=1)[0].shape[-1] for step in range(60)}
    assert sampler.sides_px == (5, 10) and sides == set(range(5, 11))


def test_a_crop_slightly_larger_than_the_field_is_clipped_to_it() -> None:
    stacks = [(stack_of(side=(39, 50)), 0.0), (stack_of(side=(60, 60)), 0.0)]
    sampler = FrameSampler(stacks, PLAIN.replace(crop_um=4.0), seed=0)
    assert sampler.batch(0, size=8)[0].shape == (8, 1, 19, 19)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"crop_um": 5.0}, "hold a crop of 5 um", id="field too small"),
        pytest.param({"crop_um": 3.9, "any_angle": True}, "no any_angle", id="no room to turn"),
        pytest.param({"pixel_size_um": 0.09}, "working pixel", id="camera pixel too coarse"),
    ],
)
def test_fields_and_pixels_that_do_not_fit_are_refused(changes: dict, expected: str) -> None:
    with pytest.raises(DatasetError, match=expected):
        FrameSampler([(stack_of(), 0.0)], PLAIN.replace(**changes), seed=0)


def test_no_stacks_are_refused() -> None:
    with pytest.raises(DatasetError, match="at least one"):
        FrameSampler([], PLAIN, seed=0)


@pytest.mark.parametrize(
    "changes", [{"smallest_crop_um": 3.0}, {"smallest_crop_um": 0.1}, {"gain_jitter": 1.0}, {"crop_um": -1.0}]
)
def test_settings_out_of_range_are_refused(changes: dict) -> None:
    with pytest.raises(SettingsError):
        PLAIN.replace(**changes)


def test_prefetch_keeps_the_order_and_ends() -> None:
    assert list(prefetch(lambda step: 2 * step, range(20), ahead=3)) == list(range(0, 40, 2))
    assert list(prefetch(lambda step: step, [])) == []
    assert not _workers()


def test_prefetch_raises_an_error_at_its_step() -> None:
    def make(step: int) -> float:
        return 1 / (3 - step)

    results = prefetch(make, itertools.count())
    assert [next(results) for _ in range(3)] == [1 / 3, 1 / 2, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not _workers()


def test_prefetch_works_ahead_in_one_thread_and_stops_when_closed() -> None:
    made, enough = [], threading.Event()

    def make(step: int) -> str:
        made.append(step)
        if step == 3:
            enough.set()
        return threading.current_thread().name

    results: Iterator[str] = prefetch(make, itertools.count(), ahead=4)
    names = {next(results)}
    assert enough.wait(10)
    names |= {next(results), next(results)}
    results.close()
    assert len(names) == 1 and threading.current_thread().name not in names
    assert made == sorted(made) and len(made) <= 3 + 4
    assert not _workers()


def _workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("parfocal-prefetch")]
