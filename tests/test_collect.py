"""Simulated datasets: the same on any number of workers, whole or not there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from parfocal.collect import simulate_dataset
from parfocal.errors import DatasetError, InputError
from tiny_microscope import TINY


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_workers(tmp_path: Path) -> None:
    folders = [tmp_path / place / "yeast" for place in ("here", "again", "there")]
    for folder, workers in zip(folders, (1, 1, 2), strict=True):
        simulate_dataset(folder, TINY, n_stacks=3, seed=5, workers=workers)
    here, again, there = map(contents, folders)
    assert len(here) == 6
    assert here == again
    assert here == there


def test_another_seed_gives_another_dataset(tmp_path: Path) -> None:
    one, other = (simulate_dataset(tmp_path / str(seed), TINY, n_stacks=3, seed=seed) for seed in (1, 2))
    assert one.fingerprint() != other.fingerprint()
    assert not (one.read("tiny-0000").frames_zyx == other.read("tiny-0000").frames_zyx).all()


def test_stacks_are_annotated_with_the_truth_and_spread_over_five_days(tmp_path: Path) -> None:
    dataset = simulate_dataset(tmp_path / "yeast", TINY, n_stacks=6, seed=1)
    assert dataset.settings.dof_um == pytest.approx(0.78, abs=0.01)
    assert Counter(row.experiment for row in dataset.split())["day1"] == 2
    assert dataset.settings.experiments == ("day1", "day2", "day3", "day4", "day5")
    for stack in dataset.stack_ids():
        z_um = dataset.positions_um(stack)
        assert abs(dataset.focus_z_um(stack) - z_um.mean()) < TINY.scan.focus_jitter_um + TINY.scan.step_um
    for part in ("train", "validation", "test"):
        assert dataset.ids_in(part)


def test_progress_is_told_after_each_stack(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    watch = lambda done, total: told.append((done, total))  # noqa: E731
    simulate_dataset(tmp_path / "yeast", TINY, n_stacks=3, seed=1, watch=watch)
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_leaves_nothing(workers: int, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_dataset(tmp_path / "yeast", TINY, n_stacks=3, seed=1, workers=workers, watch=stop)
    assert not list(tmp_path.iterdir())


def test_fewer_stacks_than_a_split_needs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 3 stacks, to train, validate and test; got 2"):
        simulate_dataset(tmp_path / "yeast", TINY, n_stacks=2, seed=1)
    assert not list(tmp_path.iterdir())


def test_a_used_folder_is_refused_and_an_empty_one_is_filled(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").touch()
    with pytest.raises(DatasetError, match="used: Expected a new or an empty folder"):
        simulate_dataset(tmp_path / "used", TINY, n_stacks=3, seed=1)
    (tmp_path / "empty").mkdir()
    assert len(simulate_dataset(tmp_path / "empty", TINY, n_stacks=3, seed=1).stack_ids()) == 3
