"""Many tasks: in this process, on local worker processes, or on a Dask cluster by its address."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

import dask
from dask.distributed import (
    CancelledError,
    Client,
    KilledWorker,
    LocalCluster,
    Worker,
    WorkerPlugin,
    as_completed,
)

from parfocal.errors import InputError, ParfocalError

T = TypeVar("T")
R = TypeVar("R")

ANSWERS_WITHIN_S = 5.0
"""A scheduler that has not answered by then is not there."""
ANY_LOCAL_PORT = "127.0.0.1:0"
"""None would be Dask's usual port, with a warning where another program has it."""

WORKER_ENVIRONMENT = {"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1}
"""In place of Dask's own, which makes workers give every freed array back to the system: twice as slow."""


def run_tasks(
    task: Callable[[T], R], items: Sequence[T], *, workers: int = 1, scheduler: str | None = None
) -> Generator[tuple[int, R], None, None]:
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
    ParfocalError
        If a task kills every worker that tries it (Dask gives it to four), or the cluster goes away.

    Notes
    -----
    Whoever may stop before the end wraps this in `contextlib.closing`, so that workers end at once. An error
    of a task is raised here as it is.

    Examples
    --------
    >>> list(run_tasks(abs, [-1, 2]))
    [(0, 1), (1, 2)]
    """
    if workers < 1:
        raise InputError(f"Expected at least 1 worker, got {workers}.")
    if scheduler is None and (workers == 1 or len(items) < 2):
        yield from ((k, task(item)) for k, item in enumerate(items))
        return
    cluster = _local_client(min(workers, len(items))) if scheduler is None else _client_of(scheduler)
    with cluster as client:
        yield from _collect(client, task, items)


def _collect(client: Client, task: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
    futures = {client.submit(task, item, pure=False): k for k, item in enumerate(items)}
    try:
        # Not with_results: a future of a lost cluster would come with its error as if that were a result.
        for future in as_completed(futures):
            yield futures.pop(future), future.result()  # dropped at once: workers forget what is done
    except KilledWorker as error:
        raise ParfocalError(
            f"A task ended every worker process that tried it ({error.task}). Memory may be short: "
            "use fewer workers."
        ) from error
    except CancelledError as error:
        raise ParfocalError(
            "The Dask cluster went away before all tasks were done. Start it again."
        ) from error


class _LeavesCtrlC(WorkerPlugin):
    """A terminal sends Ctrl-C to the workers too: they leave it to this process, which ends them."""

    def setup(self, worker: Worker) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _local_client(n_workers: int) -> Iterator[Client]:
    with dask.config.set({"distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT}):
        cluster = LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            env=WORKER_ENVIRONMENT,  # those before the spawn give way to what this process has set
            dashboard_address=ANY_LOCAL_PORT,
            silence_logs=logging.CRITICAL,
        )
    try:
        with Client(cluster) as client:
            client.register_plugin(_LeavesCtrlC())
            yield client
    finally:
        with suppress(AssertionError):  # dask's own, where a worker that died is just being restarted
            cluster.close()


@contextmanager
def _client_of(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=ANSWERS_WITHIN_S)
    except (OSError, ValueError) as error:
        raise InputError(
            f"Expected a Dask scheduler at '{address}', such as tcp://host:8786; none answers ({error}). "
            "Start one first."
        ) from error
    with client:
        yield client
