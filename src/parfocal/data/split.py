"""The split of stacks into train, validation and test: drawn once by stack, never by frame.

Stacks of a fourth part, ``reject``, show what a model must not answer; they need no focus.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parfocal.data.whole_file import write_whole_text
from parfocal.errors import DatasetError

PARTS = ("train", "validation", "test", "reject")
_COLUMNS = ("stack", "experiment", "part")


@dataclass(frozen=True)
class SplitRow:
    """The part that one stack belongs to.

    Parameters
    ----------
    stack : str
        Id of the stack.
    experiment : str
        The experiment that it comes from.
    part : str
        ``train``, ``validation``, ``test`` or ``reject``.

    Raises
    ------
    DatasetError
        If the part is none of these.
    """

    stack: str
    experiment: str
    part: str

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise DatasetError(
                f"Expected part {' or '.join(PARTS)} for stack '{self.stack}', got '{self.part}'."
            )


def split_by_stack(
    ids_experiments: Iterable[tuple[str, str]], *, seed: int, validation: float = 0.15, test: float = 0.2
) -> tuple[SplitRow, ...]:
    """Draw a part for each stack, each experiment giving its share to each part.

    Parameters
    ----------
    ids_experiments : iterable of (str, str)
        Stack id and experiment of each stack.
    seed : int
        Equal seeds give equal splits of equal stacks.
    validation, test : float
        Fractions, together below 1. A part with a fraction above 0 gets at least one stack as soon as there
        is one for each part, the training part first, then the test part.

    Returns
    -------
    tuple of SplitRow
        In the order of the stacks.

    Raises
    ------
    DatasetError
        If there are no stacks, an id comes twice, or the fractions leave nothing to train on.

    Examples
    --------
    >>> [row.part for row in split_by_stack([("a", "e1"), ("b", "e1"), ("c", "e1")], seed=0)].count("train")
    1
    """
    stacks = list(ids_experiments)
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise DatasetError(
            f"Expected fractions of at least 0, together below 1; got validation {validation}, test {test}."
        )
    if not stacks:
        raise DatasetError("Expected at least one stack to split, got none.")
    _check_unique([stack for stack, _ in stacks])
    n_test = _share(test, of=len(stacks), available=len(stacks) - 1)
    n_validation = _share(validation, of=len(stacks), available=len(stacks) - 1 - n_test)
    drawn = _mixed(stacks, seed=seed)
    parts = dict.fromkeys(drawn, "train")
    parts.update(dict.fromkeys(drawn[:n_test], "test"))
    parts.update(dict.fromkeys(drawn[n_test : n_test + n_validation], "validation"))
    return tuple(SplitRow(stack, experiment, parts[stack]) for stack, experiment in stacks)


def read_split(path: Path) -> tuple[SplitRow, ...]:
    """The split that a table holds.

    Raises
    ------
    DatasetError
        If the table is missing, cannot be read, or names a stack twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path}: Expected the split of the stacks; there is none yet. Write it once."
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: Expected a CSV table in UTF-8; it cannot be read ({error}).") from error
    if not lines or tuple(lines[0]) != _COLUMNS:
        raise DatasetError(f"{path}: Expected the columns {', '.join(_COLUMNS)}, got {lines[:1]}.")
    rows = tuple(_row(line, where=f"{path}, line {number}") for number, line in enumerate(lines[1:], start=2))
    _check_unique([row.stack for row in rows], where=f"{path}: ")
    return rows


def write_split(path: Path, rows: Sequence[SplitRow]) -> None:
    """Write a split as a table.

    Raises
    ------
    OutputError
        If the table cannot be written.
    """
    _check_unique([row.stack for row in rows])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((row.stack, row.experiment, row.part) for row in rows)
    write_whole_text(path, text.getvalue())


def _share(fraction: float, *, of: int, available: int) -> int:
    if fraction == 0:
        return 0
    # Leave one for the validation part where there are enough, so that no part is empty.
    spare = 1 if available > 1 else 0
    return min(max(round(fraction * of), 1), max(available - spare, 0))


def _mixed(stacks: list[tuple[str, str]], *, seed: int) -> list[str]:
    """Ids in random order such that any leading part holds each experiment in proportion."""
    generator = np.random.default_rng(seed)
    by_experiment: defaultdict[str, list[str]] = defaultdict(list)
    for index in generator.permutation(len(stacks)):
        stack, experiment = stacks[index]
        by_experiment[experiment].append(stack)
    ranked = [
        ((rank + generator.random()) / len(members), stack)
        for members in by_experiment.values()
        for rank, stack in enumerate(members)
    ]
    return [stack for _, stack in sorted(ranked)]


def _check_unique(ids: Sequence[str], *, where: str = "") -> None:
    twice = sorted(stack for stack, count in Counter(ids).items() if count > 1)
    if twice:
        raise DatasetError(f"{where}Expected each stack once in a split; more than once: {', '.join(twice)}.")


def _row(line: list[str], *, where: str) -> SplitRow:
    if len(line) != len(_COLUMNS):
        raise DatasetError(f"{where}: Expected {len(_COLUMNS)} values ({', '.join(_COLUMNS)}), got {line}.")
    try:
        return SplitRow(*line)
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}") from error
