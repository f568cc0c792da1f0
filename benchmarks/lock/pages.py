"""Puts printed tables into a page, between the two comments that keep their place."""

from __future__ import annotations

from pathlib import Path

from parfocal.data.whole_file import write_whole_text
from parfocal.errors import InputError

PAGE = Path(__file__).parents[2] / "docs" / "lock-benchmark.md"


def put_into(page: Path, name: str, text: str) -> None:
    """Replaces what a page has between ``<!-- NAME -->`` and ``<!-- /NAME -->``.

    Raises
    ------
    InputError
        If the page has no such place, or more than one.
    OutputError
        If it cannot be written.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    whole = page.read_text(encoding="utf-8")
    if whole.count(begin) != 1 or whole.count(end) != 1:
        raise InputError(f"{page}: expected one place between {begin.strip()} and {end} to put a table into.")
    before, _, rest = whole.partition(begin)
    _, _, after = rest.partition(end)
    write_whole_text(page, f"{before}{begin}\n{text}\n{end}{after}")
