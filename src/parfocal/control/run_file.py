"""The SQLite file of a run record: its tables, and a frame's row to and from its values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_state import LockState
from parfocal.errors import OutputError

APPLICATION_ID = 0x70666F63  # "pfoc", which tells a run record from any other SQLite file

COLUMNS = {
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
"""Of a frame, in order, and SQLite's type of each."""
DTYPES: Mapping[str, type[np.generic]] = {"REAL": np.float64, "INTEGER": np.bool_, "TEXT": np.str_}
IMAGES_TABLE = """
CREATE TABLE IF NOT EXISTS images (
    frame INTEGER PRIMARY KEY,
    t_s REAL NOT NULL,
    height INTEGER NOT NULL,
    width INTEGER NOT NULL,
    dtype TEXT NOT NULL,
    zlib BLOB NOT NULL
)
"""
SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE frames ({", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())});
CREATE TABLE events (t_s REAL NOT NULL, wall_time REAL NOT NULL, text TEXT NOT NULL);
{IMAGES_TABLE};
"""
INSERT_FRAME = f"INSERT INTO frames VALUES ({', '.join('?' for _ in COLUMNS)})"
INSERT_IMAGE = "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?)"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write into an OutputError that names the file.

    Raises
    ------
    OutputError
        If the block fails to write.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise OutputError(
            f"{path}: could not be written ({error}). Check space and permission, or choose another place."
        ) from error


def row_of(snapshot: LockSnapshot) -> tuple[Any, ...]:
    """A frame as a row of the table."""
    values = {
        "wall_time": snapshot.wall_time_s,
        "state": str(snapshot.state),
        "accepted": int(snapshot.accepted),
    }
    return tuple(values[name] if name in values else getattr(snapshot, name) for name in COLUMNS)


def snapshot_of(row: tuple[Any, ...]) -> LockSnapshot:
    """A frame from its row; a number that is not known is NaN."""
    values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    wall_time_s, true_defocus_um = values.pop("wall_time"), values.pop("true_defocus_um")
    del values["true_focus_z_um"]
    known: dict[str, Any] = {name: np.nan if value is None else value for name, value in values.items()}
    known |= {"accepted": bool(values["accepted"]), "state": LockState(values["state"])}
    return LockSnapshot(wall_time_s=wall_time_s, true_defocus_um=true_defocus_um, **known)
