"""AcquisitionRecord: what is known of the focus of every image of an acquisition, in one file."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from parfocal.control.run_file import writing
from parfocal.errors import InputError

APPLICATION_ID = 0x70666163  # "pfac"
AXES = ("t", "p", "g", "c", "z")
COLUMNS = {
    "part": "INTEGER NOT NULL",
    **dict.fromkeys(AXES, "INTEGER NOT NULL"),
    "channel": "TEXT",
    "x_um": "REAL",
    "y_um": "REAL",
    "z_um": "REAL",
    "wall_time": "REAL NOT NULL",
    "taken": "INTEGER NOT NULL",
    "planned_defocus_um": "REAL",
    "focus_state": "TEXT",
    "focus_defocus_um": "REAL",
    "focus_std_um": "REAL",
    "focus_interval90_low_um": "REAL",
    "focus_interval90_high_um": "REAL",
    "focus_move_um": "REAL",
    "focus_image": "TEXT",
    "focus_image_defocus_um": "REAL",
    "focus_image_std_um": "REAL",
    "focus_image_in_distribution": "REAL",
}
"""Of an image, and SQLite's type of each. ``taken`` is 0 for an image that was skipped for want of focus."""
SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
CREATE TABLE acquisition (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE parts (part INTEGER PRIMARY KEY, path TEXT NOT NULL, axis TEXT NOT NULL, first INTEGER NOT NULL);
CREATE TABLE images ({", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())});
CREATE TABLE focusings (
    part INTEGER, t INTEGER, p INTEGER, g INTEGER, wall_time REAL, z_um REAL, outcome TEXT, looks TEXT
);
"""


@dataclass(frozen=True)
class Part:
    """A file of images, and where in the whole acquisition it begins.

    Attributes
    ----------
    number : int
        From 1 up.
    path : str
        Its file, beside the record.
    axis : str
        Along which it begins later than the whole: ``t`` or ``p``; empty for the whole.
    first : int
        Its first index along that.
    """

    number: int
    path: str
    axis: str = ""
    first: int = 0

    def whole_index(self, index: Mapping[str, int]) -> dict[str, int]:
        """Index in the whole acquisition of an image of this part."""
        return {axis: index.get(axis, 0) + (self.first if axis == self.axis else 0) for axis in AXES}


class AcquisitionRecord:
    """Keeps what is known of the focus of every image; whole to the last image, whenever it is cut off.

    Parameters
    ----------
    path : Path
        An SQLite file that `create` made.

    Raises
    ------
    InputError
        If there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise InputError(f"{path}: there is no such file. Expected the record of an acquisition.")
        self._connection = sqlite3.connect(self._path, check_same_thread=False)
        try:
            [(found,)] = self._connection.execute("PRAGMA application_id").fetchall()
        except sqlite3.DatabaseError:
            found = None
        if found != APPLICATION_ID:
            self._connection.close()
            raise InputError(f"{path}: is not the record of an acquisition.")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")

    @classmethod
    def create(cls, path: Path, *, facts: Mapping[str, Any]) -> Self:
        """A new record, with what is known of the acquisition as a whole, as plain values.

        Raises
        ------
        InputError
            If the file exists.
        OutputError
            If it cannot be written.
        """
        if path.exists():
            raise InputError(f"{path}: exists already, and no record is overwritten. Choose another folder.")
        with writing(path), closing(sqlite3.connect(path)) as connection:
            connection.executescript(SCHEMA)
            rows = [(key, json.dumps(value)) for key, value in facts.items()]
            connection.executemany("INSERT INTO acquisition VALUES (?, ?)", rows)
            connection.commit()
        return cls(path)

    def facts(self) -> dict[str, Any]:
        """What is known of the acquisition as a whole."""
        rows = self._connection.execute("SELECT key, value FROM acquisition").fetchall()
        return {key: json.loads(value) for key, value in rows}

    def begin_part(self, part: Part) -> None:
        """One more file of images begins.

        Raises
        ------
        OutputError
            If the record cannot be written.
        """
        self._write("INSERT INTO parts VALUES (?, ?, ?, ?)", (part.number, part.path, part.axis, part.first))

    def parts(self) -> list[Part]:
        """The files of images so far."""
        query = "SELECT part, path, axis, first FROM parts ORDER BY part"
        return [Part(*row) for row in self._connection.execute(query)]

    def add_image(
        self, part: Part, index: Mapping[str, int], *, taken: bool, about: Mapping[str, Any]
    ) -> None:
        """An image that was taken, or skipped.

        Parameters
        ----------
        part : Part
        index : mapping
            Of the image in that part.
        taken : bool
        about : mapping
            Columns by name; what is not given is not known.

        Raises
        ------
        OutputError
            If the record cannot be written.
        """
        known = {
            **about,
            "part": part.number,
            **part.whole_index(index),
            "taken": int(taken),
            "wall_time": time.time(),
        }
        names = [name for name in COLUMNS if name in known]
        marks = ", ".join("?" for _ in names)
        self._write(
            f"INSERT INTO images ({', '.join(names)}) VALUES ({marks})", tuple(known[n] for n in names)
        )

    def add_focusing(
        self, part: Part, index: Mapping[str, int], *, z_um: float, outcome: str, looks: list[dict[str, Any]]
    ) -> None:
        """A place that was brought into focus, or could not be, and each frame that was looked at for it.

        Raises
        ------
        OutputError
            If the record cannot be written.
        """
        whole = part.whole_index(index)
        row = (part.number, whole["t"], whole["p"], whole["g"], time.time(), z_um, outcome, json.dumps(looks))
        self._write("INSERT INTO focusings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def images(self) -> list[dict[str, Any]]:
        """Every image, in the order of taking; what is not known is None."""
        names = ", ".join(COLUMNS)
        rows = self._connection.execute(f"SELECT {names} FROM images ORDER BY rowid")
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]

    def focusings(self) -> list[tuple[int, list[dict[str, Any]]]]:
        """Of each focusing the part of the acquisition and its looks, see `FocusLook`."""
        rows = self._connection.execute("SELECT part, looks FROM focusings ORDER BY rowid").fetchall()
        return [(part, json.loads(looks)) for part, looks in rows]

    def n_looks(self) -> int:
        """Frames that were looked at to focus, beside the images."""
        return sum(len(looks) for _, looks in self.focusings())

    def close(self) -> None:
        """Nothing more is written."""
        self._connection.close()

    def _write(self, statement: str, row: tuple[Any, ...]) -> None:
        with writing(self._path), self._connection:
            self._connection.execute(statement, row)
