"""Annotation, where an annotator sees the focus plane of a stack, and the table of all of them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from parfocal.data.whole_file import write_whole_text
from parfocal.errors import DatasetError

_COLUMNS = ("stack", "focus_z_um", "annotator", "created")


@dataclass(frozen=True)
class Annotation:
    """The focus plane of one stack, as one annotator sees it.

    Parameters
    ----------
    stack : str
        Id of the stack.
    focus_z_um : float
        Stage position in focus, in um; it may lie between two planes.
    annotator : str
        Who or what says so.
    created : str
        When, as ISO 8601.

    Raises
    ------
    DatasetError
        If a value is missing or makes no sense.
    """

    stack: str
    focus_z_um: float
    annotator: str
    created: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.focus_z_um):
            raise DatasetError(f"Expected a focus position in um for '{self.stack}', got {self.focus_z_um}.")
        if not self.annotator.strip():
            raise DatasetError(f"Expected the name of the annotator of '{self.stack}', got none.")
        try:
            datetime.fromisoformat(self.created)
        except ValueError as error:
            raise DatasetError(
                f"Expected a time such as 2018-07-01T12:00:00+00:00 for '{self.stack}', got '{self.created}'."
            ) from error


def read_annotations(path: Path) -> tuple[Annotation, ...]:
    """All annotations of a table, oldest first; none if there is no table yet.

    Raises
    ------
    DatasetError
        If the table cannot be read; the message names the line.
    """
    if not path.exists():
        return ()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != _COLUMNS:
                raise DatasetError(
                    f"{path}: Expected the columns {', '.join(_COLUMNS)}, got {reader.fieldnames}."
                )
            return tuple(_annotation(row, where=f"{path}, line {reader.line_num}") for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: Expected a CSV table in UTF-8; it cannot be read ({error}).") from error


def write_annotations(path: Path, rows: Sequence[Annotation]) -> None:
    """Write all annotations as a table, replacing the one that is there.

    Raises
    ------
    OutputError
        If the table cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((row.stack, repr(float(row.focus_z_um)), row.annotator, row.created) for row in rows)
    write_whole_text(path, text.getvalue())


def agreed_focus_um(rows: Sequence[Annotation]) -> float:
    """The median over annotators of their focus positions, in um; an annotator's last word counts.

    Examples
    --------
    >>> day = "2018-07-01"
    >>> agreed_focus_um([
    ...     Annotation("s1", 9.0, "ann", day),
    ...     Annotation("s1", 2.0, "bob", day),
    ...     Annotation("s1", 1.0, "ann", day)])
    1.5
    """
    return float(median({row.annotator: row.focus_z_um for row in rows}.values()))


def _annotation(row: dict[str, str], *, where: str) -> Annotation:
    if None in row or None in row.values():
        raise DatasetError(f"{where}: Expected {len(_COLUMNS)} values ({', '.join(_COLUMNS)}).")
    try:
        return Annotation(row["stack"], float(row["focus_z_um"]), row["annotator"], row["created"])
    except ValueError as error:
        raise DatasetError(f"{where}: Expected a number as focus_z_um, got '{row['focus_z_um']}'.") from error
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}") from error
