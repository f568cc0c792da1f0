"""Many tasks: in this process, on local worker processes, or on a Dask cluster by its address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from dask.distributed import Client, LocalCluster, as_completed

from parfocal.errors import InputError

T = TypeVar("T")
R = TypeVar("R")

RETRIES = 3
"""A task whose worker died is run again so many times."""


def run_tasks(
    task: Callable[[T], R], items: Sequence[T], *, workers: int = 1, scheduler: str | None = None
) -> Iterator[tuple[int, R]]:
    """Runs a task for each item and yields ``(index, result)`` as results come.

    Parameters
    ----------
    task : callable
        A function of the module level, so that other processes can find it.
    items : sequence
        One argument for each task.
    workers : int
        Worker processes of one thread each; 1 runs in this process. Two threads of a busy machine are
        slower than two such processes.
    scheduler : str, optional
        Address of a running Dask scheduler, ``tcp://host:8786``; `workers` is then of no account.

    Raises
    ------
    InputError
        If the scheduler does not answer, or `workers` is below 1.
    """
    if workers < 1:
        raise InputError(f"Expected at least 1 worker, got {workers}.")
    if scheduler is None and (workers == 1 or len(items) < 2):
        yield from ((k, task(item)) for k, item in enumerate(items))
        return
    if scheduler is not None:
        with _client_of(scheduler) as client:
            yield from _collect(client, task, items)
        return
    with (
        LocalCluster(
            n_workers=min(workers, len(items)), threads_per_worker=1, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield from _collect(client, task, items)


def _collect(client: Client, task: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
    futures = {client.submit(task, item, retries=RETRIES, pure=False): k for k, item in enumerate(items)}
    for future, result in as_completed(futures, with_results=True):
        yield futures.pop(future), result  # dropped at once, so that workers forget what is done


def _client_of(address: str) -> Client:
    try:
        return Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise InputError(f"No Dask scheduler answers at '{address}' ({error}). Start one first.") from error
