"""The table of an import: one line per plane, checked and grouped by stack."""

from __future__ import annotations

import csv
import itertools
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from parfocal.data.dataset import check_stack_id
from parfocal.data.split import PARTS
from parfocal.errors import DatasetError

_NEEDED = ("path", "stack", "z_um")
_OPTIONAL = ("plane", "focus_z_um", "experiment", "part")


@dataclass(frozen=True)
class TableRow:
    """One line of the table: a plane, where to find it, and what it belongs to.

    Attributes
    ----------
    where : str
        The table and the line, for messages.
    path : Path
        The image file.
    stack : str
        Id of the stack.
    z_um : float
        Stage position of the plane, in um.
    plane : int
        Index of the plane in its file, from 0.
    focus_z_um : float or None
        Stage position in focus of the stack, in um, if told.
    experiment, part : str
        Experiment and part of the stack; empty if not told.
    """

    where: str
    path: Path
    stack: str
    z_um: float
    plane: int
    focus_z_um: float | None
    experiment: str
    part: str


def read_import_table(table: Path) -> dict[str, list[TableRow]]:
    """The lines of each stack, in the order of the table, its planes sorted by z.

    Raises
    ------
    DatasetError
        If a column is missing or unknown, a value is not what it should be, or lines contradict each other.
    """
    stacks: defaultdict[str, list[TableRow]] = defaultdict(list)
    for row in _read_rows(table):
        stacks[row.stack].append(row)
    for rows in stacks.values():
        _check_same(rows)
        rows.sort(key=lambda row: row.z_um)
        _check_positions(rows)
    return dict(stacks)


def _read_rows(table: Path) -> list[TableRow]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_columns(list(reader.fieldnames or []), table=table)
            rows = [
                _row(values, folder=table.parent, where=f"{table}, line {reader.line_num}")
                for values in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table}: Expected a CSV table in UTF-8; it cannot be read ({error}).") from error
    if not rows:
        raise DatasetError(f"{table}: Expected one line for each plane, got none below the column names.")
    return rows


def _check_columns(columns: list[str], *, table: Path) -> None:
    known = (*_NEEDED, *_OPTIONAL)
    missing = [name for name in _NEEDED if name not in columns]
    unknown = [name for name in columns if name not in known]
    if missing or unknown or len(set(columns)) != len(columns):
        raise DatasetError(
            f"{table}, line 1: Expected the columns {', '.join(_NEEDED)} and perhaps {', '.join(_OPTIONAL)}, "
            f"each once, between commas; got {', '.join(columns) or 'nothing'}."
        )


def _row(values: dict[str, str | None], *, folder: Path, where: str) -> TableRow:
    texts = {key: (value or "").strip() for key, value in values.items() if key is not None}
    if None in values or None in values.values():
        raise DatasetError(f"{where}: Expected {len(texts)} values, one for each column.")
    if not texts["path"] or not texts["stack"]:
        raise DatasetError(f"{where}: Expected a path and a stack; one is empty.")
    try:
        check_stack_id(texts["stack"])
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}") from error
    part = texts.get("part", "")
    if "part" in texts and part not in PARTS:
        raise DatasetError(f"{where}: Expected part {' or '.join(PARTS)}, got '{part}'.")
    focus = texts.get("focus_z_um", "")
    return TableRow(
        where=where,
        path=folder / texts["path"],
        stack=texts["stack"],
        z_um=_number(texts["z_um"], "z_um", where=where),
        plane=_plane_index(texts.get("plane", ""), where=where),
        focus_z_um=_number(focus, "focus_z_um", where=where) if focus else None,
        experiment=texts.get("experiment", ""),
        part=part,
    )


def _number(text: str, column: str, *, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DatasetError(f"{where}: Expected a number of um as {column}, got '{text}'.")
    return value


def _plane_index(text: str, *, where: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise DatasetError(f"{where}: Expected a plane number from 0, got '{text}'.")
    return int(text or 0)


def _check_same(rows: list[TableRow]) -> None:
    first = rows[0]
    for row in rows[1:]:
        for column in ("focus_z_um", "experiment", "part"):
            one, other = getattr(first, column), getattr(row, column)
            if one != other:
                raise DatasetError(
                    f"{row.where}: Expected the same {column} for all of stack '{row.stack}'; "
                    f"got '{other}', and '{one}' in {first.where}."
                )


def _check_positions(rows: list[TableRow]) -> None:
    for one, other in itertools.pairwise(rows):
        if one.z_um == other.z_um:
            raise DatasetError(
                f"{other.where}: Expected each z_um once in stack '{other.stack}'; "
                f"{other.z_um:g} um is also that of {one.where}."
            )
    focus_z_um, lowest, highest = rows[0].focus_z_um, rows[0].z_um, rows[-1].z_um
    if focus_z_um is not None and not lowest <= focus_z_um <= highest:
        raise DatasetError(
            f"{rows[0].where}: Expected focus_z_um from {lowest:g} to {highest:g} um, where the planes "
            f"of stack '{rows[0].stack}' are; got {focus_z_um:g} um."
        )
