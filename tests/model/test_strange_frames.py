"""Strange frames are made of training frames, which stay as they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from small_world import frame_at

from parfocal.model.strange_frames import N_KINDS, strange, varied


def frame(z_um: float = 1.0, *, seed: int = 0, side_px: int = 72) -> np.ndarray:
    return frame_at(z_um, seed=seed, side_px=side_px).astype(np.float32)


@pytest.mark.parametrize("kind", range(N_KINDS))
@pytest.mark.parametrize("shape_yx", [(72, 72), (71, 65)])
def test_each_kind_of_strange_frame_is_a_frame_of_that_size_and_unlike_it(kind: int, shape_yx) -> None:
    original = frame()[: shape_yx[0], : shape_yx[1]]
    before = original.copy()
    far = frame(-5.0, seed=3)[: shape_yx[0], : shape_yx[1]]
    changed = strange(original, far, kind=kind, generator=np.random.default_rng(kind))
    assert changed.shape == shape_yx and changed.dtype == np.float32
    assert np.isfinite(changed).all() and (changed >= 0).all()
    np.testing.assert_array_equal(original, before)
    standardised = [(f - f.mean()) / f.std() for f in (original, changed)]
    assert np.abs(standardised[0] - standardised[1]).mean() > 0.1


def test_a_varied_frame_shows_the_same_scene() -> None:
    original = frame(side_px=128)
    changed = varied(original, generator=np.random.default_rng(2))
    original, changed = (f - gaussian_filter(f, 8) for f in (original, changed))  # without uneven light
    turned = [np.rot90(f, k) for f in (original, original[::-1]) for k in range(4)]
    alike = max(np.corrcoef(t.ravel(), changed.ravel())[0, 1] for t in turned)
    assert alike > 0.7 and not np.array_equal(changed, original)


def test_the_same_seed_makes_the_same_frame() -> None:
    one, other = (strange(frame(), kind=7, generator=np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
