from __future__ import annotations

import numpy as np
import pytest

from parfocal.focus_measures import marr_hildreth


def test_marr_hildreth_finds_one_crossing_in_each_row_of_a_step() -> None:
    step = np.where(np.arange(20) < 10, 100.0, 120.0) * np.ones((12, 1))
    pairs = 11 * 20 + 12 * 19
    assert marr_hildreth(step[None])[0] == pytest.approx(12 / pairs)


def test_marr_hildreth_takes_camera_noise_for_no_edge() -> None:
    noise = np.random.default_rng(5).normal(1000, 10, (1, 64, 64))
    assert marr_hildreth(noise)[0] < 0.01
    assert marr_hildreth(noise, threshold=0)[0] > 0.1
