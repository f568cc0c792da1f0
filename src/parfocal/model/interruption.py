"""Ctrl-C at a good moment: between two steps of long work, not in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts_held() -> Iterator[Callable[[], None]]:
    """Inside the block, a Ctrl-C waits until the given function is called; a second one does not wait.

    Yields
    ------
    callable
        Raises KeyboardInterrupt if one has waited; the end of the block does so too.

    Notes
    -----
    Holds nothing where Ctrl-C does not raise KeyboardInterrupt in this thread: in threads other than the
    main one, and where the program has a handler of its own.

    Examples
    --------
    >>> with interrupts_held() as let_interrupt:
    ...     for step in range(3):
    ...         let_interrupt()
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield _nothing_waits
        return
    waiting: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def let_interrupt() -> None:
        if waiting:
            waiting.clear()
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, hold)
    try:
        yield let_interrupt
        let_interrupt()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _nothing_waits() -> None:
    pass
