"""RunRecord: reads the record of a run, also while it is being written."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.control.kept_image import KeptImage, unpack
from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.requests import targets_told
from parfocal.control.run_file import APPLICATION_ID, COLUMNS, DTYPES, snapshot_of
from parfocal.errors import InputError

RESUMED = "resumed after "
"""So begins the event with which a lock begins that goes on with a record."""
_NAMES = ", ".join(COLUMNS)


@dataclass(frozen=True)
class RunEvent:
    """Something that happened during a run: its time on the lock's clock, in seconds since 1970, and what."""

    t_s: float
    wall_time_s: float
    text: str

    @property
    def is_resumption(self) -> bool:
        """Whether a lock began here to go on with the record."""
        return self.text.startswith(RESUMED)


ENDS = ("stopped", "interrupted by the user", "fault: ", "not locked, ")
"""So begins the event with which a lock ends."""


class RunRecord:
    """Reads the record of a run; changes nothing in it.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If the file is missing or is not a run record. So do its methods, if it is damaged.
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
    def path(self) -> Path:
        """Where it lies."""
        return self._path

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

    @property
    def pixel_size_um(self) -> float:
        """Side of one pixel of the kept images in the sample, in um.

        Raises
        ------
        InputError
            If the record does not know it.
        """
        size_um: float | None = self.settings().get("pixel_size_um")
        if size_um is None:
            raise InputError(f"{self._path}: does not know the pixel size of its images.")
        return size_um

    def column_names(self) -> list[str]:
        """What it knows of each frame, in the order of the file."""
        return [name for _, name, *_ in self._query("PRAGMA table_info(frames)")]

    def frames(self) -> dict[str, NDArray[Any]]:
        """Each column of the frames as an array of shape (frames,), by name; what is unknown is NaN."""
        rows = list(self.rows())
        columns = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
        return {
            name: np.array(column, dtype=DTYPES[kind])
            for (name, kind), column in zip(COLUMNS.items(), columns, strict=True)
        }

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The frames one by one, as the values of `COLUMNS`; what is unknown is None."""
        return self._rows(f"SELECT {_NAMES} FROM frames ORDER BY rowid")

    def snapshots(self) -> Iterator[LockSnapshot]:
        """The frames one by one, as the lock saw them."""
        return map(snapshot_of, self.rows())

    def last_first(self) -> Iterator[LockSnapshot]:
        """The same from the last frame to the first."""
        return map(snapshot_of, self._rows(f"SELECT {_NAMES} FROM frames ORDER BY rowid DESC"))

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return int(self._query("SELECT count(*) FROM frames")[0][0])

    def last_time_s(self, *, before_s: float) -> float | None:
        """Time of the last frame before a time, both on the lock's clock; None if there is none."""
        time_s: float | None = self._query("SELECT max(t_s) FROM frames WHERE t_s < ?", before_s)[0][0]
        return time_s

    @property
    def n_images(self) -> int:
        """How many images were kept."""
        return int(self._query("SELECT count(*) FROM images")[0][0]) if self._has_images() else 0

    def images(self) -> Iterator[KeptImage]:
        """The kept images one by one, in order: one at a time is in memory."""
        return self._images("ASC")

    def last_image(self) -> KeptImage | None:
        """The last kept image; None if there is none."""
        return next(self._images("DESC"), None)

    @property
    def has_end(self) -> bool:
        """Whether it tells how the run ended: not while that goes on, or where it was cut off."""
        last = self.events()[-1:]
        return any(event.text.startswith(ENDS) for event in last)

    def events(self) -> list[RunEvent]:
        """What happened, in order."""
        return [
            RunEvent(*row) for row in self._query("SELECT t_s, wall_time, text FROM events ORDER BY rowid")
        ]

    def targets(self, target_um: float) -> list[tuple[float, float]]:
        """Each lock target in um after the time from which on it held; the first of them from the beginning.

        Parameters
        ----------
        target_um : float
            The one of the settings, which held all along if it was never changed.
        """
        changes = [(event.t_s, told) for event in self.events() if (told := targets_told(event.text))]
        first_um = changes[0][1][0] if changes else target_um
        return [(-math.inf, first_um), *((t_s, after_um) for t_s, (_, after_um) in changes)]

    def _images(self, order: str) -> Iterator[KeptImage]:
        if not self._has_images():  # of a version that kept none
            return
        columns = ", ".join(f"frames.{name}" for name in COLUMNS)
        rows = self._rows(
            f"SELECT frame, height, width, dtype, zlib, {columns} "
            f"FROM images JOIN frames ON frames.rowid = images.frame ORDER BY frame {order}"
        )
        for number, height, width, dtype, packed, *row in rows:
            yield KeptImage(number, snapshot_of(tuple(row)), unpack(height, width, dtype, packed))

    def _has_images(self) -> bool:
        return bool(self._query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'images'"))

    def _query(self, sql: str, *values: float) -> list[tuple[Any, ...]]:
        return list(self._rows(sql, *values))

    def _rows(self, sql: str, *values: float) -> Iterator[tuple[Any, ...]]:
        with self._reading(), closing(self._connect()) as connection:
            yield from connection.execute(sql, values)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise InputError(
                f"{self._path}: is not a run record ({error}). Expected the file that a focus lock wrote."
            ) from error
