"""LockPage: the lock's end of its page, which runs in another process; the loop waits for nothing here."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import TypeVar

import numpy as np

from parfocal.control import FocusLock, LockSnapshot, LockStart, LockSummary
from parfocal.errors import InputError
from parfocal.web.field_map import MapOf
from parfocal.web.messages import Answer, Ask, Ended, FrameFollows, Heard, Looking, Steps, Wish
from parfocal.web.page_settings import PageSettings

SEND_EVERY_S, FRAME_EVERY_S = 0.1, 0.5
MOST_STEPS, MOST_HEARD = 4096, 256
"""Wait for a page that does not read; then the oldest are let go."""
PATIENCE_S = 5.0
"""At the end, for a page that tells its viewers."""
STUCK_S = 2.0
"""So long after a stop was asked for, a loop that goes on waits for a device: the drive is stopped."""
RESTARTS = 5
NEXT_PORTS = 20
T = TypeVar("T")


class LockPage:
    """Shows a focus lock to viewers, and takes their wishes; an `Onlooker`.

    Parameters
    ----------
    settings : PageSettings
    map_of : callable, optional
        Makes the map of a frame; must be picklable, as the page's process calls it.
    announce : callable, optional
        Is told the address when the lock begins.

    Raises
    ------
    InputError
        If the address cannot be listened at.

    Notes
    -----
    The loop puts its snapshots into bounded deques and goes on. A thread takes them ten times a second to the
    process of the page; if that hangs, this thread hangs and the deques let go of what is old; if it dies, it
    is begun anew at the same address.
    """

    def __init__(
        self,
        settings: PageSettings,
        *,
        map_of: MapOf | None = None,
        announce: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        # Taken to the page as it is and opened when a map is wanted: it may load a learning library.
        self._map_maker = None if map_of is None else pickle.dumps(map_of)
        self._announce = announce
        self._socket = _listening(settings)
        self._port: int = self._socket.getsockname()[1]
        self._steps: deque[LockSnapshot] = deque(maxlen=MOST_STEPS)
        self._heard: deque[Heard] = deque(maxlen=MOST_HEARD)
        self._over = threading.Event()
        self._wants_frames = False
        self._summary: LockSummary | None = None
        self._courier: threading.Thread | None = None
        self._process: SpawnProcess | None = None

    @property
    def port(self) -> int:
        """Where it listens; not the one that was asked for, if that was in use."""
        return self._port

    @property
    def url(self) -> str:
        """What to open, token and all."""
        host = self._settings.host
        shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self.port}/?token={self._settings.token}"

    @property
    def process_id(self) -> int | None:
        """Of the process that serves it now; None if none does."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    def begin(self, lock: FocusLock, start: LockStart) -> None:
        """Starts the process of the page, and waits for nothing."""
        if self._announce is not None:
            self._announce(self.url)
        self._courier = threading.Thread(
            target=self._attend, args=(lock, start), daemon=True, name="lock-page"
        )
        self._courier.start()

    def see(self, snapshot: LockSnapshot) -> None:
        """One more frame."""
        self._steps.append(snapshot)

    def hear(self, t_s: float, text: str) -> None:
        """One more event."""
        self._heard.append(Heard(t_s, time.time(), text))

    def end(self, summary: LockSummary | None) -> None:
        """Lets viewers know how it went, then ends the page; waits some seconds at most."""
        self._summary = summary
        self._over.set()
        if self._courier is not None:
            self._courier.join(PATIENCE_S)
        process = self._process
        if process is not None and process.is_alive():
            process.kill()  # hung; nothing in it is worth keeping
            process.join(PATIENCE_S)
        self._socket.close()

    def _attend(self, lock: FocusLock, start: LockStart) -> None:
        """Keeps a process going for as long as there is a lock."""
        for attempt in range(RESTARTS + 1):
            if self._serve(lock, start):
                return
            if self._over.wait(2.0**attempt):
                return
            lock.request_note(
                "the page ended by itself: " + ("begun anew" if attempt < RESTARTS else "given up")
            )

    def _serve(self, lock: FocusLock, start: LockStart) -> bool:
        """Whether the page went on to the end of the lock."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = self._process = context.Process(
            target=_serve_page,
            args=(theirs, self._socket, start, self._settings, self._map_maker),
            name="lock-page",
            daemon=True,
        )
        with contextlib.closing(ours):
            try:
                process.start()
                theirs.close()
                threading.Thread(target=self._take_wishes, args=(ours, lock), daemon=True).start()
                self._bring(ours, lock)
            except OSError:  # the process is gone: a broken pipe
                return self._over.is_set()
            process.join(PATIENCE_S)
        return True

    def _bring(self, connection: Connection, lock: FocusLock) -> None:
        """Takes what comes in to the page, until the lock is over."""
        frame_due_s = 0.0
        while True:
            is_over = self._over.wait(SEND_EVERY_S)
            look = lock.last_look
            steps, heard = tuple(_taken(self._steps)), tuple(_taken(self._heard))
            answer = None
            if look is not None and steps:
                told = look[1]
                answer = Answer(told.probabilities, told.bin_centres_um, told.layers_um)
            connection.send(Steps(steps, heard, answer))
            now_s = time.monotonic()
            if look is not None and (is_over or (self._wants_frames and now_s >= frame_due_s)):
                frame_yx = np.ascontiguousarray(look[0])
                connection.send(FrameFollows((frame_yx.shape[0], frame_yx.shape[1]), frame_yx.dtype.str))
                connection.send_bytes(frame_yx.data.cast("B"))
                frame_due_s = now_s + FRAME_EVERY_S
            if is_over:
                connection.send(Ended(self._summary))
                return

    def _take_wishes(self, connection: Connection, lock: FocusLock) -> None:
        with contextlib.suppress(EOFError, OSError):  # the page is gone, or closed at the end
            while True:
                message = connection.recv()
                if isinstance(message, Looking):
                    self._wants_frames = message.at_frames
                else:
                    self._heed(message, lock)

    def _heed(self, ask: Ask, lock: FocusLock) -> None:
        if ask.wish is Wish.STOP:
            lock.request_note("stop: asked for on the page")
            lock.request_stop()
            threading.Thread(target=self._stop_the_drive, args=(lock,), daemon=True).start()
        elif ask.wish is Wish.PAUSE:
            lock.request_note("pause: asked for on the page")
            lock.request_pause()
        elif ask.wish is Wish.LOCK:
            lock.request_note("lock: asked for on the page")
            lock.request_resume()
        elif ask.target_um is not None:
            with contextlib.suppress(InputError):  # the page has refused it already
                lock.request_target(ask.target_um)

    def _stop_the_drive(self, lock: FocusLock) -> None:
        if not self._over.wait(STUCK_S):
            lock.stop_drive()


def _listening(settings: PageSettings) -> socket.socket:
    """A socket that listens at the port, or one of the next, or any."""
    first = settings.port
    for port in [*range(first, min(first + NEXT_PORTS, 65536)), 0]:
        try:
            return _bound(settings.host, port)
        except OSError as error:
            reason = error
    raise InputError(
        f"Expected a page address of this computer, got {settings.host}: {reason.strerror or reason}. "
        "Choose another --page-host, or --no-page."
    )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere this would let two programs share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _taken(waiting: deque[T]) -> list[T]:
    taken = []
    while waiting:
        taken.append(waiting.popleft())
    return taken


def _serve_page(
    connection: Connection,
    listening: socket.socket,
    start: LockStart,
    settings: PageSettings,
    map_maker: bytes | None,
) -> None:
    """What the page's process does; only there are the libraries of the page loaded."""
    import_module("parfocal.web.page_process").serve(connection, listening, start, settings, map_maker)
