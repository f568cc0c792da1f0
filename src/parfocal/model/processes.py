"""One training in several processes, one for each device: started, listened to and ended by this one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Protocol, TypeVar

import torch

from parfocal.errors import InputError, ParfocalError
from parfocal.model.interruption import interrupts_held
from parfocal.model.training_run import TrainingProgress

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

LISTEN_FOR_S = 0.5
GRACE_S = 3.0
"""What the others get after one has failed, to say what they know of it."""


class Work(Protocol[R_co]):
    """What each process does: a function of the module level, or a `functools.partial` of one."""

    def __call__(self, *, watch: Callable[[TrainingProgress], None] | None) -> R_co:
        """Does it, and tells `watch` of the progress after every step."""


@dataclass(frozen=True)
class _Done(Generic[R]):
    """The last word of a process that did its work."""

    result: R


@dataclass(frozen=True)
class _Failed:
    """The end of a process that did not: a known error, or words; `is_sudden` if it said nothing itself."""

    error: ParfocalError | None
    words: str
    is_sudden: bool = False


@dataclass(frozen=True)
class _Member:
    """One of the processes, and the line to it."""

    rank: int
    process: BaseProcess
    line: Connection


def run_in_processes(
    work: Work[R], *, devices: int, nodes: int = 1, watch: Callable[[TrainingProgress], None] | None = None
) -> list[R]:
    """Runs the same work in one process for each device of this machine, which find each other.

    Parameters
    ----------
    work : Work
        What each of them does. Only the first is given a `watch`.
    devices, nodes : int
        Processes on this machine, and machines. With several machines each is told by its environment which
        one it is (``NODE_RANK``, from 0) and where the first is (``MASTER_ADDR``, ``MASTER_PORT``).
    watch : callable, optional
        Is told, in this process, of the progress of the first.

    Returns
    -------
    list
        The result of each process of this machine.

    Raises
    ------
    InputError
        If there are several machines and the environment does not say which one this is.
    ParfocalError
        If a process fails: its own error if that is one, and all others are ended. None outlives this one.
    KeyboardInterrupt
        On Ctrl-C, or from `watch`: after the first process has ended its step and kept its checkpoint.
    """
    place = _meeting_place(nodes)
    crew: list[_Member] = []
    try:
        with interrupts_held() as let_interrupt:
            for rank in range(devices):
                crew.append(_start(work, rank=rank, devices=devices, place=place))
            return _listen(crew, watch=watch, let_interrupt=let_interrupt)
    except KeyboardInterrupt:
        for first in crew[:1]:
            with suppress(OSError):  # it may have ended by itself
                first.line.send("stop")
            first.process.join()
        raise
    finally:
        for member in crew:
            member.process.kill()
            member.process.join()


def _meeting_place(nodes: int) -> dict[str, str]:
    """Which machine this is, and where the processes find each other, as variables of the environment."""
    names = ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
    if nodes > 1:
        missing = [name for name in names if name not in os.environ]
        if missing:
            raise InputError(
                f"Expected {', '.join(names)} in the environment of each of {nodes} machines; "
                f"{', '.join(missing)} not set. Set them, or start with torchrun or srun."
            )
        return {name: os.environ[name] for name in names}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return dict(zip(names, ("0", "127.0.0.1", str(port)), strict=True))


def _start(work: Work[Any], *, rank: int, devices: int, place: dict[str, str]) -> _Member:
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    ours, theirs = context.Pipe()
    global_rank = int(place["NODE_RANK"]) * devices + rank
    environment = {**place, "LOCAL_RANK": str(rank), "RANK": str(global_rank)}
    process = context.Process(
        target=_be_member, args=(work, theirs, environment, torch.get_num_threads()), daemon=True
    )
    process.start()
    theirs.close()  # only the process holds it now: its end is the end of the line
    return _Member(rank, process, ours)


def _listen(
    crew: Sequence[_Member],
    *,
    watch: Callable[[TrainingProgress], None] | None,
    let_interrupt: Callable[[], None],
) -> list[Any]:
    """The results; or the error that says most of what went wrong."""
    ends: dict[int, _Done[Any] | _Failed] = {}
    until = float("inf")
    while len(ends) < len(crew) and time.monotonic() < until:
        talking = {member.line: member for member in crew if member.rank not in ends}
        for line in wait(list(talking), timeout=LISTEN_FOR_S):
            member = talking[line]  # type: ignore[index]
            said = _heard(member)
            if isinstance(said, TrainingProgress):
                if watch:
                    watch(said)
            else:
                ends[member.rank] = said
                if isinstance(said, _Failed):
                    until = min(until, time.monotonic() + GRACE_S)
        let_interrupt()
    failed = {rank: end for rank, end in ends.items() if isinstance(end, _Failed)}
    if failed:
        raise _worst(failed, n=len(crew))
    return [ends[member.rank].result for member in crew]  # type: ignore[union-attr]


def _heard(member: _Member) -> Any:
    try:
        return member.line.recv()
    except (EOFError, ConnectionError):
        member.process.join(GRACE_S)
        words = f"it was ended, code {member.process.exitcode}; memory may be short"
        return _Failed(None, words, is_sudden=True)


def _worst(failed: dict[int, _Failed], *, n: int) -> ParfocalError:
    """When one process goes, others lose the line to it: what they say is not the cause."""
    for end in failed.values():
        if end.error is not None:
            return end.error
    rank, end = min(failed.items(), key=lambda item: (not item[1].is_sudden, item[0]))
    return ParfocalError(
        f"Process {rank + 1} of {n} of the training failed: {end.words}. All were stopped; "
        "go on from the last checkpoint with --resume."
    )


def _be_member(work: Work[Any], line: Connection, environment: dict[str, str], threads: int) -> None:
    """What a started process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the process that started it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(environment)
    torch.set_num_threads(threads)
    is_first = environment["LOCAL_RANK"] == "0"

    def tell(progress: TrainingProgress) -> None:
        if line.poll():
            raise KeyboardInterrupt
        line.send(progress)

    try:
        line.send(_Done(work(watch=tell if is_first else None)))
    except ParfocalError as error:
        line.send(_Failed(error, str(error)))
    except KeyboardInterrupt:
        line.send(_Failed(None, "it was stopped"))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        words = (str(error) or type(error).__name__).splitlines()[0]
        line.send(_Failed(None, f"{words} ({where.name}, {where.filename}:{where.lineno})"))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)  # nobody is left to end a process that waits for others
