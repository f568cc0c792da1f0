"""Simulated datasets: the same on any number of workers, whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from dask.distributed import Client, default_client

from parfocal.collect import (
    Experiment,
    simulate_dataset,
    simulate_experiments,
    simulate_variety,
)
from parfocal.data import read_cells
from parfocal.errors import DatasetError, InputError
from parfocal.optics import REFERENCE, draw_low_aperture, draw_microscope, similarity, simulate_stack
from tiny_microscope import TINY

POSIX_SIGNALS = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")


SLOW = TINY.replace(quality={"grid_um": 0.16, "slice_um": 0.5, "n_source_points": 120})


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, bytes]:
    """Files of a dataset that one process made, a stack taking it long enough to be interrupted."""
    folder = tmp_path_factory.mktemp("undisturbed") / "yeast"
    simulate_dataset(folder, SLOW, n_stacks=6, seed=5)
    return contents(folder)


@pytest.fixture
def lab_cluster(tmp_path: Path) -> Iterator[str]:
    """Address of a scheduler that has two worker processes of its own, which nobody starts again."""
    with ExitStack() as running:

        def start(*words: str) -> None:
            process = subprocess.Popen(
                [sys.executable, "-m", *words, "--scheduler-file", str(tmp_path / "scheduler.json")],
                stderr=subprocess.DEVNULL,
                cwd=tmp_path,
            )
            running.callback(process.wait)
            running.callback(process.kill)

        start("distributed.cli.dask_scheduler", "--port", "0", "--dashboard-address", ":0")
        for _ in range(2):
            start("distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard")
        with Client(scheduler_file=str(tmp_path / "scheduler.json"), timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
            yield client.scheduler.address


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_same_seed_gives_the_same_bytes_on_any_number_of_workers(
    workers: int, undisturbed: dict[Path, bytes], tmp_path: Path
) -> None:
    simulate_dataset(tmp_path / "yeast", SLOW, n_stacks=6, seed=5, workers=workers)
    assert len(undisturbed) == 6 + 4  # dataset.toml, annotations.csv, split.csv, cells.csv
    assert contents(tmp_path / "yeast") == undisturbed


class Killer:
    """After the first stack, ends worker processes of the cluster in use while they are at work."""

    def __init__(self, *, most: int) -> None:
        self.most = most
        self.interrupted: list[str] = []

    def __call__(self, done: int, total: int) -> None:
        if done > 1:
            return
        client = default_client()
        pids = client.run(os.getpid)
        busy = [(worker, tasks) for worker, tasks in client.processing().items() if tasks]
        for worker, tasks in busy[: self.most]:
            self.interrupted += tasks
            os.kill(pids[worker], signal.SIGKILL)


@POSIX_SIGNALS
def test_workers_killed_at_their_work_are_replaced_and_the_dataset_is_the_same(
    undisturbed: dict[Path, bytes], tmp_path: Path
) -> None:
    killer = Killer(most=2)
    simulate_dataset(tmp_path / "yeast", SLOW, n_stacks=6, seed=5, workers=2, watch=killer)
    assert killer.interrupted
    assert contents(tmp_path / "yeast") == undisturbed


@POSIX_SIGNALS
def test_a_cluster_by_its_address_gives_the_same_bytes_though_a_worker_dies_for_good(
    undisturbed: dict[Path, bytes], lab_cluster: str, tmp_path: Path
) -> None:
    killer = Killer(most=1)
    simulate_dataset(tmp_path / "yeast", SLOW, n_stacks=6, seed=5, scheduler=lab_cluster, watch=killer)
    assert killer.interrupted
    assert contents(tmp_path / "yeast") == undisturbed


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


def test_every_cell_has_a_row_that_says_where_and_at_which_position_it_is_in_focus(tmp_path: Path) -> None:
    dataset = simulate_dataset(tmp_path / "yeast", TINY, n_stacks=3, seed=1)
    cells = read_cells(dataset.folder)
    assert set(cells) == set(dataset.stack_ids())
    for stack, of_stack in cells.items():
        floor = of_stack.where(of_stack.layer == "floor")
        if len(floor):
            middle_um = np.average(floor.focus_z_um, weights=floor.radius_um**2)
            assert middle_um == pytest.approx(dataset.focus_z_um(stack), abs=0.01)


def test_experiments_take_turns_and_go_to_the_parts_they_are_meant_for(tmp_path: Path) -> None:
    experiments = [
        Experiment("a", TINY, 2, "train"),
        Experiment("b", TINY, 1, "test"),
        Experiment("c", TINY, 4),
    ]
    dataset = simulate_experiments(tmp_path / "days", experiments, seed=1)
    rows = dataset.split()
    assert [row.experiment for row in rows] == ["a", "b", "c", "a", "c", "c", "c"]
    assert {row.part for row in rows if row.experiment == "a"} == {"train"}
    assert {row.part for row in rows if row.experiment == "b"} == {"test"}
    assert {row.part for row in rows if row.experiment == "c"} == {"train", "validation", "test"}


def test_what_must_not_be_answered_is_written_without_a_focus(tmp_path: Path) -> None:
    experiments = [Experiment("a", TINY, 2, "train"), Experiment("b", TINY, 1, "reject")]
    dataset = simulate_experiments(tmp_path / "some", experiments, seed=1)
    (reject,) = dataset.ids_in("reject")
    assert {row.stack for row in dataset.annotations()} == set(dataset.stack_ids()) - {reject}
    assert len(dataset.read(reject).frames_zyx)


def test_a_variety_is_written_as_if_one_microscope_had_taken_it(tmp_path: Path) -> None:
    dataset = simulate_variety(tmp_path / "variety", n_stacks=3, seed=4)
    assert dataset.settings.pixel_size_um == REFERENCE.camera.pixel_size_um
    apertures = []
    for index, name in enumerate(dataset.stack_ids()):
        draw = draw_microscope if index < 2 else draw_low_aperture
        microscope = draw(np.random.default_rng([4, index]))
        apertures.append(microscope.objective.numerical_aperture)
        alone = simulate_stack(microscope, seed=4, index=index, experiment=index)
        written, along = dataset.read(name), similarity(microscope, REFERENCE).along
        assert (written.frames_zyx == alone.stack.frames_zyx).all()
        np.testing.assert_allclose(written.z_um, alone.stack.z_um / along)
        cells = read_cells(dataset.folder)[name]
        below = cells.focus_z_um < dataset.focus_z_um(name)
        area = cells.radius_um**2
        assert area[below].sum() < area.sum() / 2 <= area[cells.focus_z_um <= dataset.focus_z_um(name)].sum()
    assert dataset.settings.apertures == (min(apertures), max(apertures))
