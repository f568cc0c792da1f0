"""A description says what a frame looks like, not how bright or how large it is."""

from __future__ import annotations

import numpy as np
import pytest
from small_world import frame_at

from parfocal.model.description import describe


def test_a_description_does_not_depend_on_the_gain() -> None:
    frame = frame_at(2.0, seed=1).astype(np.float32)
    np.testing.assert_allclose(describe(3 * frame), describe(frame), atol=1e-3)


def test_a_description_does_not_depend_on_orientation() -> None:
    frame = frame_at(2.0, seed=1).astype(np.float32)
    assert np.abs(describe(frame.T) - describe(frame)).max() < 0.1


def test_a_description_depends_little_on_the_size_of_the_frame() -> None:
    frame = frame_at(3.0, seed=1, side_px=320)
    assert np.abs(describe(frame) - describe(frame[:201, :215])).mean() < 0.5


def test_frames_at_another_defocus_are_described_otherwise() -> None:
    near, as_near, far = (describe(frame_at(z, seed=seed)) for z, seed in ((0.0, 1), (0.0, 2), (4.0, 1)))
    assert np.abs(near - far).mean() > 2 * np.abs(near - as_near).mean()


@pytest.mark.parametrize(
    "frame",
    [np.zeros((64, 64)), np.full((64, 48), 900.0), np.eye(33), 1e6 * np.eye(64)],
    ids=["black", "even", "odd side", "bright line"],
)
def test_any_finite_frame_can_be_described(frame) -> None:
    assert np.isfinite(describe(frame)).all() and describe(frame).shape == (51,)


def test_a_frame_with_a_hole_is_not_described() -> None:
    frame = frame_at(0.0, seed=1).astype(np.float32)
    frame[3, 4] = np.nan
    assert not np.isfinite(describe(frame)).all()
