"""Accuracy in parts of a dataset: by experiment, and by how many cells there are in the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from parfocal.data.cells import CELLS_FILE, read_cells
from parfocal.data.dataset import Dataset
from parfocal.evaluation.metrics import Block, metrics_where

THIRDS = ("fewest", "middle", "most")
_LEAST_STACKS = 3


@dataclass(frozen=True)
class StackFacts:
    """What a dataset tells of a stack: its experiment, and its number of cells or None where unknown."""

    experiment: str
    n_cells: int | None


def stack_facts(dataset: Dataset) -> dict[str, StackFacts]:
    """Experiment and number of cells of each stack of the split.

    Raises
    ------
    DatasetError
        If the split or the table of cells cannot be read.
    """
    has_cells = (dataset.folder / CELLS_FILE).exists()
    cells = read_cells(dataset.folder) if has_cells else {}
    return {
        row.stack: StackFacts(row.experiment, len(cells.get(row.stack, ())) if has_cells else None)
        for row in dataset.split()
    }


def metrics_by_label(
    labels: Sequence[str], actual_um: ArrayLike, inferred_um: ArrayLike, **others: Any
) -> dict[str, Block]:
    """Blocks of `focus_metrics`, one for each label, sorted by label.

    Parameters
    ----------
    labels : sequence of str, N of them
        Such as the experiment of each frame.
    actual_um, inferred_um, **others
        As in `focus_metrics`.

    Examples
    --------
    >>> blocks = metrics_by_label(["b", "a"], [0, 2], [1, 2], stack_index=[0, 1], bin_edges_um=[-5, 5])
    >>> [(label, block["mae_um"]) for label, block in blocks.items()]
    [('a', 0.0), ('b', 1.0)]
    """
    every = np.asarray(labels)
    return {
        str(label): metrics_where(every == label, actual_um, inferred_um, **others)
        for label in sorted(set(labels))
    }


def thirds_by_cells(n_cells: Mapping[str, int | None]) -> dict[str, str]:
    """One of `THIRDS` for each stack, by its number of cells.

    Parameters
    ----------
    n_cells : mapping
        Number of cells of each stack; None where unknown.

    Returns
    -------
    dict
        Empty where there is nothing to compare: fewer than three stacks, a number that is unknown, or one
        that is the same in all. Stacks of equal numbers share a third, so that a third may have no stack.

    Examples
    --------
    >>> thirds_by_cells({"a": 4, "b": 30, "c": 9})
    {'a': 'fewest', 'b': 'most', 'c': 'middle'}
    """
    counts = [count for count in n_cells.values() if count is not None]
    if len(counts) < max(_LEAST_STACKS, len(n_cells)):
        return {}
    low, high = np.quantile(counts, [1 / 3, 2 / 3])
    third = {stack: THIRDS[int(n > low) + int(n > high)] for stack, n in zip(n_cells, counts, strict=True)}
    return third if len(set(third.values())) > 1 else {}


def metrics_by_density(
    stacks: Sequence[str],
    n_cells: Sequence[int | None],
    actual_um: ArrayLike,
    inferred_um: ArrayLike,
    **others: Any,
) -> dict[str, Block]:
    """Blocks of `focus_metrics` for thirds of the stacks by their number of cells, from few to many.

    Parameters
    ----------
    stacks, n_cells : sequences of length N
        The stack of each frame, and how many cells that has.
    actual_um, inferred_um, **others
        As in `focus_metrics`.

    Returns
    -------
    dict
        Under the names of `THIRDS`; each block has ``n_cells``, the least and the largest number, too. Empty
        where there is nothing to compare, see `thirds_by_cells`.
    """
    of_stack = dict(zip(stacks, n_cells, strict=True))
    thirds = thirds_by_cells(of_stack)
    if not thirds:
        return {}
    blocks = metrics_by_label([thirds[stack] for stack in stacks], actual_um, inferred_um, **others)
    return {
        third: {"n_cells": _ends(of_stack, thirds, third), **blocks[third]}
        for third in THIRDS
        if third in blocks
    }


def _ends(n_cells: Mapping[str, int | None], thirds: Mapping[str, str], third: str) -> list[int]:
    counts = [n for stack, n in n_cells.items() if n is not None and thirds[stack] == third]
    return [min(counts), max(counts)]
