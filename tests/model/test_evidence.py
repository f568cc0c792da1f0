"""Frames as a model sees them, whole and in part."""

from __future__ import annotations

import numpy as np
import torch
from small_world import PIXEL_UM, RECIPE, SIDE_PX

from parfocal.model.evidence import seen_in_part

ANY = RECIPE.replace(
    any_field=True, sampling=RECIPE.sampling.replace(smallest_crop_um=20 * PIXEL_UM).model_dump()
)


def test_parts_of_a_frame_are_of_all_sizes_and_lie_where_there_is_something() -> None:
    frame = torch.zeros(SIDE_PX, SIDE_PX + 10)
    frame[50:60, 5:15] = 1.0
    random = np.random.default_rng(0)
    parts = [seen_in_part(frame, ANY, generator=random) for _ in range(300)]
    sides = np.array([min(part.shape) for part in parts])
    smallest = max(20, ANY.network.smallest_px)
    assert sides.min() < smallest + 3 and (sides >= smallest).all()
    whole = np.array([part.shape == frame.shape for part in parts])
    assert 0.2 < whole.mean() < 0.45
    assert (
        np.mean([float(part.max()) for part, is_whole in zip(parts, whole, strict=True) if not is_whole])
        > 0.7
    )


def test_a_model_of_one_field_sees_whole_frames() -> None:
    frame = torch.rand(SIDE_PX, SIDE_PX)
    assert seen_in_part(frame, RECIPE, generator=np.random.default_rng(0)) is frame
