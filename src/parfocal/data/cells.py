"""The table of cells beside a dataset: where each one is, and the stage position that brings it to focus.

Only a simulation knows this. ``cells.csv`` has the columns stack,kind,x_um,y_um,focus_z_um,radius_um,layer.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from parfocal.data.whole_file import write_whole_text
from parfocal.errors import DatasetError

CELLS_FILE = "cells.csv"
_COLUMNS = ("stack", "kind", "x_um", "y_um", "focus_z_um", "radius_um", "layer")


@dataclass(frozen=True)
class CellRow:
    """One cell of one stack.

    Attributes
    ----------
    stack, kind : str
    x_um, y_um : float
        Its centre, from the upper left corner of the frames.
    focus_z_um : float
        The stage position at which it is in focus.
    radius_um : float
    layer : str
        Such as ``floor`` or ``ceiling``.
    """

    stack: str
    kind: str
    x_um: float
    y_um: float
    focus_z_um: float
    radius_um: float
    layer: str


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one stack, each array of shape (N,); see `CellRow`."""

    x_um: NDArray[np.float64]
    y_um: NDArray[np.float64]
    focus_z_um: NDArray[np.float64]
    radius_um: NDArray[np.float64]
    layer: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.x_um)

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Some of them."""
        return replace(self, **{name: values[chosen] for name, values in vars(self).items()})


def usual_focus_z_um(rows: Sequence[CellRow]) -> float:
    """The stage position at which most of some cells are in focus: the median, by the area they cover.

    Raises
    ------
    DatasetError
        If there are none.
    """
    if not rows:
        raise DatasetError("Expected cells that can be in focus; there are none.")
    ranked = sorted(rows, key=lambda row: row.focus_z_um)
    covered = np.cumsum([row.radius_um**2 for row in ranked])
    return ranked[int(np.searchsorted(covered, covered[-1] / 2))].focus_z_um


def write_cells(folder: Path, rows: Iterable[CellRow]) -> None:
    """Writes the table.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(tuple(vars(row).values()) for row in rows)
    write_whole_text(folder / CELLS_FILE, text.getvalue())


def read_cells(folder: Path) -> dict[str, Cells]:
    """The cells of each stack that has some.

    Raises
    ------
    DatasetError
        If there is no table, or it cannot be read.
    """
    path = folder / CELLS_FILE
    of_stack: defaultdict[str, list[CellRow]] = defaultdict(list)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                of_stack[row["stack"]].append(_row(row))
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path}: expected a table of cells with columns {', '.join(_COLUMNS)} ({error!r})."
        ) from error
    return {stack: _cells(rows) for stack, rows in of_stack.items()}


def _row(row: dict[str, str]) -> CellRow:
    return CellRow(
        row["stack"],
        row["kind"],
        float(row["x_um"]),
        float(row["y_um"]),
        float(row["focus_z_um"]),
        float(row["radius_um"]),
        row["layer"],
    )


def _cells(rows: list[CellRow]) -> Cells:
    columns = {field.name: np.array([getattr(row, field.name) for row in rows]) for field in fields(Cells)}
    return Cells(**columns)
