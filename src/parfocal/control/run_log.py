"""RunLog: writes every frame, decision and event of a focus lock, and images, into one SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from parfocal.control.kept_image import LastKept, RecordSettings, is_due, pack
from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.run_file import (
    COLUMNS,
    IMAGES_TABLE,
    INSERT_FRAME,
    INSERT_IMAGE,
    SCHEMA,
    row_of,
    writing,
)
from parfocal.control.run_record import RunRecord
from parfocal.errors import InputError

COMMIT_EVERY_S = 1.0
WAIT_S = 1.0
"""For whoever else has the file at hand."""


class RunLog:
    """Writes the record of a run; made by `RunLog.create` or `RunLog.go_on`, and a context manager.

    Notes
    -----
    SQLite's write-ahead log, committed once a second of real time and at every event: a process that is
    killed, or a power cut, costs the last second and never the file. A thread of its own writes, since a disk
    takes milliseconds and a camera does not wait; it is waited for at an event, and what it fails at is
    raised with the next second. One thread at a time may call; a second process cannot write, as a
    transaction is open all the time. Readers are welcome.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        *,
        keep: RecordSettings | None = None,
        last_kept: LastKept | None = None,
    ) -> None:
        self._path = path
        self._connection = connection
        self._keep = keep or RecordSettings()
        self._last_kept = last_kept
        self._is_open = True
        (self._n_frames,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM frames").fetchone()
        self._batch = _Batch()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="run-log")
        self._written: Future[None] | None = None
        self._handed_s = time.monotonic()
        _write(connection, self._batch)

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        settings: Mapping[str, Any],
        model_fingerprint: str,
        keep: RecordSettings | None = None,
    ) -> Self:
        """A new record.

        Parameters
        ----------
        path : Path
            The file, which must not exist yet.
        settings : mapping
            Everything that the run was started with, as plain values that JSON can hold.
        model_fingerprint : str
            What tells the focus model from others.
        keep : RecordSettings, optional
            Which images are kept.

        Raises
        ------
        InputError
            If the file exists already.
        OutputError
            If it cannot be written.
        """
        path = Path(path)
        left_over = path.with_name(f"{path.name}-wal")  # SQLite would read it into the new file
        if path.exists() or left_over.exists():
            raise InputError(
                f"{path}: exists already, and a run record is never overwritten. Choose another name."
            )
        facts = {
            "settings": json.dumps(dict(settings)),
            "model_fingerprint": model_fingerprint,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "parfocal_version": version("parfocal"),
        }
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _create_database(path, facts)
            return cls(path, _open_to_write(path), keep=keep)

    @classmethod
    def go_on(cls, path: Path, *, settings: Mapping[str, Any], keep: RecordSettings | None = None) -> Self:
        """A record to go on with, also one that a killed process or a power cut left behind.

        Parameters
        ----------
        path : Path
            The file.
        settings : mapping
            Everything that it goes on with; takes the place of what the record has.
        keep : RecordSettings, optional
            Which images are kept from now on.

        Raises
        ------
        InputError
            If the file is no run record, another version wrote it, or somebody is writing it now.
        OutputError
            If it cannot be written.
        """
        record = RunRecord(path)
        if record.column_names() != list(COLUMNS):
            raise InputError(
                f"{path}: was written by parfocal {record.facts()['parfocal_version']}, whose records this "
                "version only reads. Begin another run."
            )
        last_image = record.last_image()
        with writing(record.path):
            connection = _open_to_write(record.path)
            connection.execute(IMAGES_TABLE)
            connection.execute(
                "UPDATE run SET value = ? WHERE key = 'settings'", (json.dumps(dict(settings)),)
            )
            last_kept = LastKept.of(last_image.snapshot, keep or RecordSettings()) if last_image else None
            return cls(record.path, connection, keep=keep, last_kept=last_kept)

    @staticmethod
    def open(path: Path) -> RunRecord:
        """A record to read, also while it is being written.

        Raises
        ------
        InputError
            If the file is missing or is not a run record.
        """
        return RunRecord(path)

    def append(self, snapshot: LockSnapshot, frame_yx: NDArray[Any] | None = None) -> None:
        """Write one frame, and its image where that is due.

        Parameters
        ----------
        snapshot : LockSnapshot
        frame_yx : array, shape (Y, X), optional
            As the camera gave it.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        self._n_frames += 1
        self._batch.frames.append(row_of(snapshot))
        if frame_yx is not None and is_due(snapshot, self._last_kept, self._keep):
            self._batch.images.append((self._n_frames, snapshot.t_s, frame_yx))
            self._last_kept = LastKept.of(snapshot, self._keep, before=self._last_kept)
        if time.monotonic() - self._handed_s >= COMMIT_EVERY_S:
            self._hand_over()

    def event(self, t_s: float, text: str) -> None:
        """Write that something happened at `t_s` on the lock's clock.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        self._batch.events.append((t_s, time.time(), text))
        self._hand_over()
        self._wait()

    def close(self) -> None:
        """Write what is left and close the file; closing twice is allowed.

        Raises
        ------
        OutputError
            If the rest cannot be written.
        """
        if self._is_open:
            self._is_open = False
            with writing(self._path), closing(self._connection), self._writer:
                self._hand_over()
                self._wait()
                self._connection.commit()
                # One plain file remains, unless somebody is reading it just now.
                with suppress(sqlite3.OperationalError):
                    self._connection.execute("PRAGMA journal_mode = DELETE")

    def _hand_over(self) -> None:
        """Gives what has come together to the thread that writes, once that has written what it had."""
        self._wait()
        batch, self._batch = self._batch, _Batch()
        self._handed_s = time.monotonic()
        self._written = self._writer.submit(_write, self._connection, batch)

    def _wait(self) -> None:
        written, self._written = self._written, None
        if written is not None:
            with writing(self._path):
                written.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass
class _Batch:
    """What is to be written together: rows of frames and events, and images with their frame's number."""

    frames: list[tuple[Any, ...]] = field(default_factory=list)
    images: list[tuple[int, float, NDArray[Any]]] = field(default_factory=list)
    events: list[tuple[float, float, str]] = field(default_factory=list)


def _write(connection: sqlite3.Connection, batch: _Batch) -> None:
    """Writes a batch to the disk, and begins the next transaction."""
    connection.executemany(INSERT_FRAME, batch.frames)
    connection.executemany(INSERT_IMAGE, [(n, t_s, *pack(frame_yx)) for n, t_s, frame_yx in batch.images])
    connection.executemany("INSERT INTO events VALUES (?, ?, ?)", batch.events)
    connection.commit()
    connection.execute("BEGIN IMMEDIATE")


def _create_database(path: Path, facts: Mapping[str, str]) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with closing(sqlite3.connect(beside)) as connection:
            connection.executescript(SCHEMA)
            connection.executemany("INSERT INTO run VALUES (?, ?)", facts.items())
            connection.commit()
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _open_to_write(path: Path) -> sqlite3.Connection:
    """A connection that alone may write.

    Raises
    ------
    InputError
        If somebody else is writing.
    """
    # The thread that opens a lock need not be the one that runs it.
    connection = sqlite3.connect(path, check_same_thread=False, timeout=WAIT_S)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise InputError(f"{path}: another process is writing it now. Stop that one first.") from error
    return connection
