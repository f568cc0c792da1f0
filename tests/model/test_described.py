"""Batches of descriptions are pure functions of seed and step, whatever was drawn before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_world import PIXEL_UM, frame_at

from parfocal.data.sampling import SamplingSettings
from parfocal.model.described import DescriptionSampler, LookSettings
from parfocal.model.networks import Bands, NetworkSettings
from parfocal.model.networks.focus import describe
from parfocal.zstack import ZStack

NETWORK = NetworkSettings(octaves=3, per_octave=2)
BANDS = Bands(3, 2)
PLANES_UM = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
WHOLE = SamplingSettings(crop_um=96 * PIXEL_UM, smallest_crop_um=64 * PIXEL_UM, pixel_size_um=PIXEL_UM)


def described(frame: np.ndarray) -> torch.Tensor:
    return describe(torch.from_numpy(frame.astype(np.float32).copy()), BANDS, window_px=64).half().float()


def stacks(n: int = 2) -> list[tuple[ZStack, float]]:
    return [
        (
            ZStack(np.stack([frame_at(z, seed=k, side_px=96) for z in PLANES_UM]), PLANES_UM + 50, PIXEL_UM),
            50.0,
        )
        for k in range(n)
    ]


def sampler(seed: int = 0, **looks: float) -> DescriptionSampler:
    return DescriptionSampler(
        stacks(), WHOLE, looks=LookSettings(**looks), network=NETWORK, immersion_index=1.0, seed=seed
    )


def test_the_same_step_gives_the_same_batch_whatever_was_drawn_before() -> None:
    one, other = sampler(), sampler()
    for step in range(3):
        one.batch(step, size=7)
    for ours, theirs in zip(one.batch(3, size=7), other.batch(3, size=7), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_another_seed_gives_another_batch() -> None:
    assert not torch.equal(sampler(0).batch(0, size=8)[1], sampler(1).batch(0, size=8)[1])


def test_the_first_look_is_the_frame_as_it_is() -> None:
    descriptions, defocus_um = sampler(count=1, contrast=0.0).batch(0, size=6)
    assert set(np.round(defocus_um.tolist(), 5)) <= set(PLANES_UM)
    for description, z in zip(descriptions, defocus_um.tolist(), strict=True):
        frames = [stack.frames_zyx[PLANES_UM.tolist().index(round(z, 5))] for stack, _ in stacks()]
        ways = [np.rot90(way, k) for frame in frames for way in (frame, frame.T) for k in range(4)]
        assert any(torch.allclose(description, described(way), rtol=1e-2, atol=1e-2) for way in ways)


def test_looks_move_defocus_by_the_square_of_the_magnification() -> None:
    drawn = torch.cat(
        [sampler(count=3, magnification=0.1).batch(step, size=32)[1] for step in range(300, 306)]
    )
    nearest = torch.from_numpy(PLANES_UM).float()[
        (drawn[:, None] - torch.from_numpy(PLANES_UM)).abs().argmin(1)
    ]
    ratio = (drawn / nearest)[nearest != 0]
    assert ratio.min() >= np.exp(-0.2) - 1e-6 and ratio.max() <= np.exp(0.2) + 1e-6
    assert ratio.std() > 0.02


def test_crops_of_one_batch_are_alike_and_of_all_batches_whole_tiles() -> None:
    drawing = sampler(count=2)
    numbers = {drawing.batch(step, size=2)[0].shape[1] for step in range(200, 212)}
    assert numbers == {1 + 2 * 2, 1 + 1}


@pytest.mark.parametrize("contrast", [0.0, 0.3])
def test_contrast_changes_contrasts_alone(contrast: float) -> None:
    plain = sampler(contrast=0.0).batch(1, size=16)[0]
    changed = sampler(contrast=contrast).batch(1, size=16)[0]
    torch.testing.assert_close(changed[..., : -BANDS.count], plain[..., : -BANDS.count], rtol=0, atol=0)
    shift = (changed - plain)[..., -BANDS.count :]
    assert (shift.std(dim=0).mean() > 0.1) == bool(contrast)
    torch.testing.assert_close(shift, shift[:, :1, :1].expand_as(shift), rtol=0, atol=1e-5)


def test_looks_are_taken_up_one_after_the_other() -> None:
    drawn = sampler(count=3, new_every=50, magnification=0.1, contrast=0.0)
    as_it_is = {round(z, 5) for z in PLANES_UM}
    first = torch.cat([drawn.batch(step, size=8)[1] for step in range(0, 50, 5)])
    assert {round(z, 5) for z in first.tolist()} <= as_it_is
    later = torch.cat([drawn.batch(50 + step, size=8)[1] for step in range(10)])
    assert not {round(z, 5) for z in later.tolist()} <= as_it_is
