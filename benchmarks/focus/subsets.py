"""Smaller data sets of the benchmark's days: what somebody has who collected only N stacks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from zlib import crc32

import numpy as np

from parfocal.data import Annotation, Dataset, SplitRow
from parfocal.errors import InputError

ONE_IN = 5
"""One in so many of the stacks is held back for validation."""
LABEL_NOISE_UM = 0.5
"""How far from the truth people annotate, before they settle for the nearest plane."""


def collected(days: Dataset, *, n_stacks: int, seed: int) -> tuple[str, ...]:
    """Ids of the first N training stacks of a draw that takes the days in turns.

    Parameters
    ----------
    days : Dataset
    n_stacks : int
    seed : int
        0 leaves each day in its own order, another seed shuffles it. Of one seed, the stacks of a smaller
        draw are part of every larger one.

    Raises
    ------
    InputError
        If the days hold fewer training stacks.
    """
    by_day: defaultdict[str, list[str]] = defaultdict(list)
    for row in days.split():
        if row.part == "train":
            by_day[row.experiment].append(row.stack)
    if seed:
        random = np.random.default_rng(seed)
        by_day = defaultdict(list, {day: list(random.permutation(ids)) for day, ids in by_day.items()})
    turns = chain.from_iterable(zip_longest(*by_day.values()))
    ids = [str(stack) for stack in turns if stack is not None]
    if not 2 <= n_stacks <= len(ids):
        raise InputError(f"Expected 2 to {len(ids)} stacks, to learn from and to validate; got {n_stacks}.")
    return tuple(ids[:n_stacks])


def parts_of(stacks: tuple[str, ...]) -> dict[str, str]:
    """``validation`` for one in five of some stacks, but one at least, and ``train`` for the others."""
    n = len(stacks)
    held_back = range(ONE_IN - 1, n, ONE_IN) if n >= ONE_IN else (n - 1,)
    return {stack: "validation" if k in held_back else "train" for k, stack in enumerate(stacks)}


def make_subset(days: Dataset, folder: Path, *, n_stacks: int, seed: int, noisy: bool = False) -> Dataset:
    """N collected stacks and all test stacks as a data set of its own, the stacks as links.

    Parameters
    ----------
    days : Dataset
    folder : Path
        Must not exist, or be empty.
    n_stacks, seed : int
        See `collected`.
    noisy : bool
        Whether the collected stacks are annotated as people do it; test stacks always have the truth.
    """
    parts = parts_of(collected(days, n_stacks=n_stacks, seed=seed))
    parts |= dict.fromkeys(days.ids_in("test"), "test")
    subset = Dataset.create(folder, days.settings)
    for stack in parts:
        subset.stack_path(stack).symlink_to(days.stack_path(stack).resolve())
    rows = [row for row in days.annotations() if row.stack in parts]
    if noisy:
        rows = [row if parts[row.stack] == "test" else as_people_do(days, row, seed=seed) for row in rows]
    subset.annotate(rows)
    experiments = {row.stack: row.experiment for row in days.split()}
    subset.write_split([SplitRow(stack, experiments[stack], part) for stack, part in parts.items()])
    return subset


def as_people_do(days: Dataset, row: Annotation, *, seed: int) -> Annotation:
    """An annotation a little off, at the plane that is nearest then; the same for a stack in every subset."""
    random = np.random.default_rng([seed, crc32(row.stack.encode())])
    seen_um = row.focus_z_um + random.normal(0, LABEL_NOISE_UM)
    z_um = days.positions_um(row.stack)
    return replace(row, focus_z_um=float(z_um[np.abs(z_um - seen_um).argmin()]), annotator="a person")
