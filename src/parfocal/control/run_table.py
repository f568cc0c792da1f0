"""The frames of a run record as a table for other programs: CSV or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from parfocal.control.run_file import COLUMNS, writing
from parfocal.control.run_record import RunRecord
from parfocal.errors import InputError

AT_ONCE = 50_000
"""Rows in memory: a run of days does not fit."""


def export_table(record: RunRecord, path: Path) -> None:
    """Write the frames as a table, one row each; unknown values are empty.

    Parameters
    ----------
    record : RunRecord
    path : Path
        Its ending chooses the format: ``.csv``, with a header line, or ``.parquet``, which has the facts of
        the run with it.

    Raises
    ------
    InputError
        If the ending is another one, or what writes Parquet is not installed.
    OutputError
        If the table cannot be written; nothing half-written is left.
    """
    path = Path(path)
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise InputError(f"{path}: expected a name that ends in .csv or .parquet.")
    with _whole(path) as beside:
        write(record, beside)


def _write_csv(record: RunRecord, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(record.rows())


def _write_parquet(record: RunRecord, path: Path) -> None:
    try:
        import pyarrow as arrow  # an optional extra, and slow to import
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            "Parquet needs pyarrow, which is not installed. Install it with: pip install 'parfocal[parquet]'"
        ) from error
    types = {"REAL": arrow.float64(), "INTEGER": arrow.bool_(), "TEXT": arrow.string()}
    schema = arrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()], metadata=record.facts())
    rows = record.rows()
    with parquet.ParquetWriter(path, schema) as table:
        while some := list(islice(rows, AT_ONCE)):
            columns = zip(*some, strict=True)
            arrays = [
                arrow.array(map(bool, values) if kind == "INTEGER" else values, types[kind])
                for values, kind in zip(columns, COLUMNS.values(), strict=True)
            ]
            table.write_table(arrow.Table.from_arrays(arrays, schema=schema))


_WRITERS: dict[str, Callable[[RunRecord, Path], None]] = {".csv": _write_csv, ".parquet": _write_parquet}


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place at the end."""
    beside = path.with_name(f"{path.name}.partial")
    try:
        with writing(path):
            yield beside
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
