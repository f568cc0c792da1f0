"""A judge tells what it was shown apart, whatever the scale of the numbers."""

from __future__ import annotations

import numpy as np

from parfocal.model.judge import NOBODY, Judge, train_judge


def ring(n: int, radius: float, seed: int) -> np.ndarray:
    """Points about the origin, in units of 1000, with a number that tells nothing."""
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, n)
    points = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1) + random.normal(0, 0.15, (n, 2))
    return np.concatenate([1000 * points, random.normal(5, 1, (n, 1))], axis=1)


def test_what_no_line_divides_is_told_apart() -> None:
    judge = train_judge(ring(1500, 0.3, 0), ring(500, 1.5, 1), units=64, seed=0)
    assert np.mean(judge.of(ring(400, 0.3, 2)) > 0) > 0.95
    assert np.mean(judge.of(ring(400, 1.5, 3)) < 0) > 0.95


def test_numbers_beyond_all_that_it_knows_are_judged_all_the_same() -> None:
    judge = train_judge(ring(300, 0.3, 0), ring(300, 1.5, 1), units=8, seed=0)
    assert np.isfinite(judge.of(np.full((1, 3), 1e12))).all()


def test_it_comes_back_as_it_was_kept() -> None:
    judge = train_judge(ring(300, 0.3, 0), ring(300, 1.5, 1), units=8, seed=0)
    again = Judge.from_arrays(judge.arrays())
    points = ring(50, 1.0, 4)
    np.testing.assert_allclose(again.of(points), judge.of(points), atol=1e-3)
    assert judge and again and not NOBODY and not Judge.from_arrays(NOBODY.arrays())
