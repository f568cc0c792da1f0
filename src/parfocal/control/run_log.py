"""RunLog and RunRecord: every frame, decision and event of a focus lock, in one SQLite file."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_state import LockState
from parfocal.errors import InputError, OutputError

APPLICATION_ID = 0x70666F63  # "pfoc", which tells a run record from any other SQLite file
COMMIT_EVERY_S = 1.0

_COLUMNS = {
    "t_s": "REAL",
    "wall_time": "REAL",
    "z_um": "REAL",
    "defocus_um": "REAL",
    "std_um": "REAL",
    "in_distribution": "REAL",
    "accepted": "INTEGER",
    "latency_ms": "REAL",
    "belief_um": "REAL",
    "belief_sd_um": "REAL",
    "state": "TEXT",
    "move_um": "REAL",
    "reason": "TEXT",
    "true_defocus_um": "REAL",
    "true_focus_z_um": "REAL",
}
_DTYPES: Mapping[str, type[np.generic]] = {"REAL": np.float64, "INTEGER": np.bool_, "TEXT": np.str_}
_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE frames ({", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())});
CREATE TABLE events (t_s REAL NOT NULL, wall_time REAL NOT NULL, text TEXT NOT NULL);
"""
_INSERT_FRAME = f"INSERT INTO frames VALUES ({', '.join('?' for _ in _COLUMNS)})"


@dataclass(frozen=True)
class RunEvent:
    """Something that happened during a run: its time on the lock's clock, in seconds since 1970, and what."""

    t_s: float
    wall_time_s: float
    text: str


class RunLog:
    """Writes the record of a run; made by `RunLog.create`, and a context manager.

    Notes
    -----
    SQLite's write-ahead log, committed at most once a second of real time and at every event: a process that
    is killed, or a power cut, costs the last second and never the file. One thread at a time may write.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._committed_s = time.monotonic()
        self._is_open = True

    @classmethod
    def create(cls, path: Path, *, settings: Mapping[str, Any], model_fingerprint: str) -> Self:
        """A new record.

        Parameters
        ----------
        path : Path
            The file, which must not exist yet.
        settings : mapping
            Everything that the run was started with, as plain values that JSON can hold.
        model_fingerprint : str
            What tells the focus model from others.

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
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _create_database(path, facts)
            # The thread that opens a lock need not be the one that runs it.
            connection = sqlite3.connect(path, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        return cls(path, connection)

    @staticmethod
    def open(path: Path) -> RunRecord:
        """A record to read, also while it is being written.

        Raises
        ------
        InputError
            If the file is missing or is not a run record.
        """
        return RunRecord(path)

    def append(self, snapshot: LockSnapshot) -> None:
        """Write one frame.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        with _writing(self._path):
            self._connection.execute(_INSERT_FRAME, _row(snapshot))
            if time.monotonic() - self._committed_s >= COMMIT_EVERY_S:
                self._commit()

    def event(self, t_s: float, text: str) -> None:
        """Write that something happened at `t_s` on the lock's clock.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        with _writing(self._path):
            self._connection.execute("INSERT INTO events VALUES (?, ?, ?)", (t_s, time.time(), text))
            self._commit()

    def close(self) -> None:
        """Write what is left and close the file; closing twice is allowed.

        Raises
        ------
        OutputError
            If the rest cannot be written.
        """
        if self._is_open:
            self._is_open = False
            with _writing(self._path), closing(self._connection):
                self._commit()
                # One plain file remains, unless somebody is reading it just now.
                with suppress(sqlite3.OperationalError):
                    self._connection.execute("PRAGMA journal_mode = DELETE")

    def _commit(self) -> None:
        self._connection.commit()
        self._committed_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RunRecord:
    """Reads the record of a run; changes nothing in it.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If the file is missing or is not a run record.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise InputError(
                f"{path}: there is no such file. Expected a run record, as a focus lock writes it."
            )
        if self._query("PRAGMA application_id") != [(APPLICATION_ID,)]:
            raise InputError(f"{path}: is not a run record. Expected the file that a focus lock wrote.")

    @property
    def model_fingerprint(self) -> str:
        """What tells the run's focus model from others."""
        return self.facts()["model_fingerprint"]

    def facts(self) -> dict[str, str]:
        """What is known of the run as a whole, as text: created, model_fingerprint, version, settings."""
        return dict(self._query("SELECT key, value FROM run"))

    def settings(self) -> dict[str, Any]:
        """Everything that the run was started with."""
        settings: dict[str, Any] = json.loads(self.facts()["settings"])
        return settings

    def frames(self) -> dict[str, NDArray[Any]]:
        """Each column of the frames as an array of shape (frames,), by name; what is unknown is NaN."""
        rows = self._query(f"SELECT {', '.join(_COLUMNS)} FROM frames ORDER BY rowid")
        columns = zip(*rows, strict=True) if rows else ((),) * len(_COLUMNS)
        return {
            name: np.array(column, dtype=_DTYPES[kind])
            for (name, kind), column in zip(_COLUMNS.items(), columns, strict=True)
        }

    def snapshots(self) -> Iterator[LockSnapshot]:
        """The frames one by one, as the lock saw them."""
        columns = self.frames()
        for k in range(len(columns["t_s"])):
            yield _snapshot({name: column[k].item() for name, column in columns.items()})

    def events(self) -> list[RunEvent]:
        """What happened, in order."""
        return [
            RunEvent(*row) for row in self._query("SELECT t_s, wall_time, text FROM events ORDER BY rowid")
        ]

    def export_csv(self, path: Path) -> None:
        """Write the frames as a table with a header line; unknown values are empty.

        Raises
        ------
        OutputError
            If the table cannot be written.
        """
        rows = self._query(f"SELECT {', '.join(_COLUMNS)} FROM frames ORDER BY rowid")
        path = Path(path)
        beside = path.with_name(path.name + ".partial")
        with _writing(path):
            with beside.open("w", newline="", encoding="utf-8") as file:
                table = csv.writer(file)
                table.writerow(_COLUMNS)
                table.writerows(rows)
            beside.replace(path)

    def _query(self, sql: str) -> list[tuple[Any, ...]]:
        try:
            with closing(sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                return connection.execute(sql).fetchall()
        except sqlite3.Error as error:
            raise InputError(
                f"{self._path}: is not a run record ({error}). Expected the file that a focus lock wrote."
            ) from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise OutputError(
            f"{path}: could not be written ({error}). Check space and permission, or choose another place."
        ) from error


def _create_database(path: Path, facts: Mapping[str, str]) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with closing(sqlite3.connect(beside)) as connection:
            connection.executescript(_SCHEMA)
            connection.executemany("INSERT INTO run VALUES (?, ?)", facts.items())
            connection.commit()
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _row(snapshot: LockSnapshot) -> tuple[Any, ...]:
    values = {
        "wall_time": snapshot.wall_time_s,
        "state": str(snapshot.state),
        "accepted": int(snapshot.accepted),
    }
    return tuple(values[name] if name in values else getattr(snapshot, name) for name in _COLUMNS)


def _snapshot(row: Mapping[str, Any]) -> LockSnapshot:
    values = {name: value for name, value in row.items() if name not in ("wall_time", "true_focus_z_um")}
    true_defocus_um = values["true_defocus_um"]
    values["true_defocus_um"] = None if np.isnan(true_defocus_um) else true_defocus_um
    values["state"] = LockState(values["state"])
    return LockSnapshot(wall_time_s=row["wall_time"], **values)
