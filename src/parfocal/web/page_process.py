"""The process of the page: takes what the lock tells, and serves it to viewers."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import socket
import sys
import threading
import time
from functools import cached_property
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from numpy.typing import NDArray

from parfocal.control import LockStart
from parfocal.web.api import ABOUT, api_router
from parfocal.web.board import LockBoard
from parfocal.web.field_map import FieldMap, MapOf
from parfocal.web.gallery import Gallery
from parfocal.web.guard import Guard
from parfocal.web.messages import Ended, FrameFollows, Looking, ToLock, ToPage
from parfocal.web.page import add_page, viewers
from parfocal.web.page_settings import PageSettings

NICER = 5
"""On a computer that is short of time, the loop goes first."""
LOOKING_EVERY_S = 1.0
FAREWELL_S = 1.5
"""After the end, for viewers to be told of it."""
CLOSING_S = 1
"""For viewers who do not read."""


def serve(
    connection: Connection,
    listening: socket.socket,
    start: LockStart,
    settings: PageSettings,
    map_maker: bytes | None,
) -> None:
    """Serves the page until the lock is over, or gone.

    Parameters
    ----------
    connection : Connection
        To the lock.
    listening : socket
        Where viewers come.
    start : LockStart
    settings : PageSettings
    map_maker : bytes or None
        A `MapOf`, pickled.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the lock, which ends this one in turn
    signal.signal(signal.SIGTERM, _leave)
    if hasattr(os, "nice"):
        os.nice(NICER)
    line = _Line(connection)
    board = LockBoard(start)
    gallery = Gallery(board, map_of=None if map_maker is None else _Packed(map_maker))
    app = application(board, gallery, line, settings=settings, port=listening.getsockname()[1])
    config = uvicorn.Config(
        app,
        log_level="error",
        ws_per_message_deflate=False,  # fifty viewers cost less without
        ws_ping_interval=10,
        ws_ping_timeout=20,
        timeout_graceful_shutdown=CLOSING_S,
    )
    server = uvicorn.Server(config)
    # Not the main thread: there uvicorn would take the signals.
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True, name="server")
    serving.start()
    threading.Thread(target=_tell_who_looks, args=(line, gallery), daemon=True, name="looking").start()
    with contextlib.suppress(EOFError, OSError):  # the lock is gone
        _take_all(connection, board)
        time.sleep(FAREWELL_S if viewers() else 0.0)
    logging.disable()  # of viewers who are cut off now
    server.should_exit = True
    serving.join(2 * CLOSING_S)


def application(
    board: LockBoard, gallery: Gallery, line: _Line, *, settings: PageSettings, port: int
) -> Guard:
    """The page and its endpoints, behind the guard."""
    app = FastAPI(
        title="parfocal lock",
        description=ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,  # both would load scripts from elsewhere
        redoc_url=None,
    )
    app.include_router(api_router(board, gallery, line.tell))
    add_page(app, board, gallery, line.tell)
    return Guard(app, settings=settings, port=port)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit()


class _Packed:
    """A pickled `MapOf`, which is opened when it is first called."""

    def __init__(self, map_maker: bytes) -> None:
        self._map_maker = map_maker

    @cached_property
    def _map_of(self) -> MapOf:
        map_of: MapOf = pickle.loads(self._map_maker)  # from the process that began this one
        return map_of

    def __call__(self, frame_yx: NDArray[Any]) -> FieldMap | None:
        """The map of a frame of shape (Y, X)."""
        return self._map_of(frame_yx)


class _Line:
    """Speaks to the lock, one thread at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._speaking = threading.Lock()

    def tell(self, message: ToLock) -> None:
        """Send one message."""
        with self._speaking:
            self._connection.send(message)


def _take_all(connection: Connection, board: LockBoard) -> None:
    """Takes what the lock tells to the board, until it is over."""
    while True:
        message: ToPage = connection.recv()
        if isinstance(message, FrameFollows):
            frame = np.frombuffer(connection.recv_bytes(), np.dtype(message.dtype))
            board.take_frame(frame.reshape(message.shape_yx))
        elif isinstance(message, Ended):
            board.end(message.summary)
            return
        else:
            board.take(message)


def _tell_who_looks(line: _Line, gallery: Gallery) -> None:
    with contextlib.suppress(OSError):  # the lock is gone, and so will be this process
        while True:
            line.tell(Looking(at_frames=viewers() > 0 or gallery.is_watched))
            time.sleep(LOOKING_EVERY_S)
