"""Tasks give the same results wherever they run, and survive the death of a worker."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dask.distributed import LocalCluster

from parfocal import compute
from parfocal.compute import ANY_LOCAL_PORT, run_tasks
from parfocal.errors import DatasetError, InputError, ParfocalError


def square(number: int) -> int:
    return number**2


def process(_: int) -> int:
    return os.getpid()


def threads(_: int) -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


def die_the_first_time(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return mark.name


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(number: int) -> int:
    raise DatasetError(f"no stack {number}")


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=ANY_LOCAL_PORT) as running:
        yield running


def test_one_worker_is_this_process_and_works_as_results_are_asked_for() -> None:
    results = run_tasks(process, [1, 2])
    assert next(results) == (0, os.getpid())


def test_any_number_of_workers_gives_the_same_results(cluster: LocalCluster) -> None:
    expected = [(0, 9), (1, 16), (2, 25)]
    assert sorted(run_tasks(square, [3, 4, 5], workers=1)) == expected
    assert sorted(run_tasks(square, [3, 4, 5], workers=2)) == expected
    assert sorted(run_tasks(square, [3, 4, 5], scheduler=cluster.scheduler_address)) == expected


def test_a_local_worker_is_a_process_of_its_own_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert dict(run_tasks(threads, [1, 2], workers=2)) == {0: "1", 1: "1"}
    assert os.getpid() not in dict(run_tasks(process, [1, 2], workers=2)).values()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_task_whose_worker_was_killed_runs_again(tmp_path: Path) -> None:
    marks = [tmp_path / "a", tmp_path / "b"]
    assert sorted(run_tasks(die_the_first_time, marks, workers=2)) == [(0, "a"), (1, "b")]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_task_that_kills_every_worker_is_reported() -> None:
    with pytest.raises(ParfocalError, match="ended every worker process"):
        list(run_tasks(die, [1, 2], workers=2))


def test_an_error_of_a_task_comes_back_as_it_is(cluster: LocalCluster) -> None:
    with pytest.raises(DatasetError, match="no stack 1"):
        list(run_tasks(refuse, [1], scheduler=cluster.scheduler_address))


def test_a_cluster_that_goes_away_is_an_error_and_no_result() -> None:
    without_workers = LocalCluster(n_workers=0, dashboard_address=ANY_LOCAL_PORT)
    closing = threading.Timer(0.3, without_workers.close)
    closing.start()
    with pytest.raises(ParfocalError, match="went away"):
        next(run_tasks(square, [1, 2], scheduler=without_workers.scheduler_address))
    closing.join()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "http://127.0.0.1", "here"])
def test_a_scheduler_that_does_not_answer_is_an_error_of_the_user(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "ANSWERS_WITHIN_S", 0.2)
    with pytest.raises(InputError, match=f"Dask scheduler at '{address}'"):
        list(run_tasks(square, [1, 2], scheduler=address))


def test_no_worker_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 worker, got 0"):
        list(run_tasks(square, [1], workers=0))
