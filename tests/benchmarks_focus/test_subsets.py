"""Subsets of the days are nested, balanced, and labelled as asked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from small_days import N_TEST, N_TRAINING, small_days
from subsets import collected, make_subset, parts_of

from parfocal.data import Dataset
from parfocal.errors import InputError


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return small_days(tmp_path_factory.mktemp("days") / "days")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_smaller_draw_is_part_of_a_larger_one_and_balanced(days: Dataset, seed: int) -> None:
    day_of = {row.stack: row.experiment for row in days.split()}
    whole = collected(days, n_stacks=N_TRAINING, seed=seed)
    assert len(set(whole)) == N_TRAINING
    for n in range(2, N_TRAINING):
        stacks = collected(days, n_stacks=n, seed=seed)
        assert stacks == whole[:n]
        counts = Counter(day_of[stack] for stack in stacks)
        assert max(counts.values()) - min(counts.values()) <= 1 and "test day" not in counts


def test_seed_0_takes_the_first_and_others_their_own(days: Dataset) -> None:
    assert collected(days, n_stacks=4, seed=0) == ("s00", "s01", "s02", "s03")
    draws = {collected(days, n_stacks=6, seed=seed) for seed in range(4)}
    assert len(draws) == 4


@pytest.mark.parametrize(("n", "held_back"), [(2, 1), (4, 1), (5, 1), (9, 1), (10, 2), (100, 20), (345, 69)])
def test_one_in_five_is_held_back_and_stays_so_in_larger_draws(n: int, held_back: int) -> None:
    stacks = tuple(f"s{k}" for k in range(n))
    parts = parts_of(stacks)
    assert Counter(parts.values()) == {"train": n - held_back, "validation": held_back}
    if n >= 5:
        larger = parts_of((*stacks, *(f"t{k}" for k in range(n))))
        assert all(larger[stack] == part for stack, part in parts.items())


@pytest.mark.parametrize("n", [1, N_TRAINING + 1])
def test_more_stacks_than_there_are_or_too_few_are_refused(days: Dataset, n: int) -> None:
    with pytest.raises(InputError, match=f"Expected 2 to {N_TRAINING} stacks.*got {n}"):
        collected(days, n_stacks=n, seed=0)


def test_a_subset_is_a_data_set_with_all_test_stacks_and_the_true_labels(
    days: Dataset, tmp_path: Path
) -> None:
    subset = make_subset(days, tmp_path / "subset", n_stacks=6, seed=0)
    assert Counter(row.part for row in subset.split()) == {"train": 5, "validation": 1, "test": N_TEST}
    for row in subset.split():
        assert subset.focus_z_um(row.stack) == days.focus_z_um(row.stack)
        np.testing.assert_array_equal(subset.read(row.stack).frames_zyx, days.read(row.stack).frames_zyx)


def test_noisy_labels_are_planes_near_the_truth_and_test_labels_stay_true(
    days: Dataset, tmp_path: Path
) -> None:
    subset = make_subset(days, tmp_path / "subset", n_stacks=12, seed=0, noisy=True)
    off_um = []
    for row in subset.split():
        focus_z_um = subset.focus_z_um(row.stack)
        if row.part == "test":
            assert focus_z_um == days.focus_z_um(row.stack)
        else:
            assert focus_z_um in subset.positions_um(row.stack)
            off_um.append(focus_z_um - days.focus_z_um(row.stack))
    assert 0.2 < np.std(off_um) < 1.2
    fewer = make_subset(days, tmp_path / "fewer", n_stacks=4, seed=0, noisy=True)
    assert all(fewer.focus_z_um(name) == subset.focus_z_um(name) for name in fewer.stack_ids()[:4])
