"""What verbs print: results on the output stream; progress, notes and errors on the error stream."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

# Whatever is printed may hold a path, so nothing in it is mark-up; and a line stays one line.
_PLAIN: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False, "soft_wrap": True}
_output, _errors = Console(**_PLAIN), Console(stderr=True, **_PLAIN)

LOG_EVERY_S = 30.0
"""Where nobody watches a bar, progress is a line now and then."""

Tell = Callable[[str, float, str], None]
"""Is told (name of the step, fraction done, a few words)."""


def say(text: str, *, style: str = "") -> None:
    """Print a result as one line."""
    _output.print(text, style=style)


def say_json(values: dict[str, Any]) -> None:
    """Print a result as one line of JSON."""
    print(json.dumps(values, allow_nan=False), flush=True)


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a result as a table of as many lines as rows, its first column to the left."""
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    for k, row in enumerate((columns, *rows)):
        left, *right = zip(row, widths, strict=True)
        cells = (left[0].ljust(left[1]), *(text.rjust(width) for text, width in right))
        say("  ".join(cells), style="bold" if k == 0 else "")


def note(text: str, *, name: str = "", style: str = "") -> None:
    """Print something about the run, or an error after a name in red, as one line."""
    _errors.print(Text.assemble((name, "bold red"), (text, style)))


@contextmanager
def progress() -> Iterator[Tell]:
    """Shows how far long work is: a bar for each step, or a line now and then where nobody watches."""
    if _errors.is_terminal:
        with _bars() as tell:
            yield tell
    else:
        yield _Lines()


@contextmanager
def _bars() -> Iterator[Tell]:
    columns = (
        TextColumn("{task.description:<9}", markup=False),
        BarColumn(bar_width=12),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("left  {task.fields[words]}", markup=False),
    )
    with Progress(*columns, console=_errors) as bars:
        tasks = {}

        def tell(name: str, fraction: float, words: str) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=1.0, words="")
            bars.update(tasks[name], completed=fraction, words=words)

        yield tell


class _Lines:
    """A line at the start of each step, at its end, and every half minute between."""

    def __init__(self) -> None:
        self._said_s: dict[str, float] = {}

    def __call__(self, name: str, fraction: float, words: str) -> None:
        now_s = time.monotonic()
        if fraction >= 1 or now_s - self._said_s.get(name, -LOG_EVERY_S) >= LOG_EVERY_S:
            self._said_s[name] = now_s
            print(f"{name}: {fraction:.0%}, {words}", file=sys.stderr, flush=True)
