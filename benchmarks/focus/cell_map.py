"""The defocus map against the true heights of single cells, beside the frame's one answer for all of them.

``cell_map.py DAYS MODEL`` asks a model for the map of test frames and reads it where ``cells.csv`` says that
cells are. Large enough cells within reach of focus count, each in every plane.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.data import Cells, Dataset, read_cells
from parfocal.errors import ParfocalError
from parfocal.model import FocusEstimator, use_threads
from parfocal.zstack import ZStack

LEAST_RADIUS_UM = 1.4
"""Smaller ones are buds that hide behind their mothers."""
REACH_UM = 5.0


@dataclass(frozen=True, eq=False)
class CellAnswers:
    """For each cell in each plane, shape (N,): the truth, the map's answer and the frame's, in um."""

    actual_um: NDArray[np.float64]
    of_map_um: NDArray[np.float64]
    of_frame_um: NDArray[np.float64]
    std_um: NDArray[np.float64]
    layer: NDArray[np.str_]
    experiment: NDArray[np.str_]


def large_cells(folder: Path) -> dict[str, Cells]:
    """The cells of each stack that are large enough."""
    large = {
        stack: cells.where(cells.radius_um > LEAST_RADIUS_UM) for stack, cells in read_cells(folder).items()
    }
    return {stack: cells for stack, cells in large.items() if len(cells)}


def ask(estimator: FocusEstimator, dataset: Dataset, *, part: str, every: int) -> CellAnswers:
    """The answers for the cells of each `every`-th stack of a part of the dataset."""
    cells = large_cells(dataset.folder)
    experiments = {row.stack: row.experiment for row in dataset.split()}
    parts = [
        answers
        for stack_id in dataset.ids_in(part)[::every]
        if stack_id in cells
        for answers in _of_stack(
            estimator, dataset.read(stack_id), cells[stack_id], experiment=experiments[stack_id]
        )
    ]
    return CellAnswers(*(np.concatenate(arrays) for arrays in zip(*map(_arrays, parts), strict=True)))


def _arrays(answers: CellAnswers) -> tuple[NDArray[Any], ...]:
    return tuple(vars(answers).values())


def _of_stack(
    estimator: FocusEstimator, stack: ZStack, cells: Cells, *, experiment: str
) -> Iterator[CellAnswers]:
    for frame_yx, z_um in zip(stack.frames_zyx, stack.z_um, strict=True):
        actual_um = z_um - cells.focus_z_um
        near = np.abs(actual_um) <= REACH_UM
        if not near.any():
            continue
        defocus_map = estimator.defocus_map(frame_yx, pixel_size_um=stack.pixel_size_um)
        of_map_um, std_um = defocus_map.at(cells.x_um[near], cells.y_um[near])
        of_frame_um = estimator.estimate(frame_yx, pixel_size_um=stack.pixel_size_um).defocus_um
        n = int(near.sum())
        yield CellAnswers(
            actual_um[near],
            of_map_um,
            np.full(n, of_frame_um),
            std_um,
            cells.layer[near],
            np.full(n, experiment),
        )


def numbers_of(answers: CellAnswers) -> dict[str, Any]:
    """Errors over all cells, and by layer and experiment."""
    layers = {str(name): answers.layer == name for name in np.unique(answers.layer)}
    days = {str(name): answers.experiment == name for name in np.unique(answers.experiment)}
    everywhere = np.ones(answers.layer.shape, bool)
    return {name: _numbers(answers, kept) for name, kept in {"all": everywhere, **layers, **days}.items()}


def _numbers(answers: CellAnswers, kept: NDArray[np.bool_]) -> dict[str, float]:
    told = kept & np.isfinite(answers.of_map_um)
    of_map = (answers.of_map_um - answers.actual_um)[told]
    of_frame = (answers.of_frame_um - answers.actual_um)[told]
    return {
        "n": int(kept.sum()),
        "told": float(told.sum() / kept.sum()),
        "map_rmse_um": _rms(of_map),
        "map_median_um": float(np.median(np.abs(of_map))) if of_map.size else float("nan"),
        "frame_rmse_um": _rms(of_frame),
        "frame_median_um": float(np.median(np.abs(of_frame))) if of_map.size else float("nan"),
        "said_rms_um": _rms(answers.std_um[told]),
    }


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")


def table(numbers: dict[str, dict[str, float]]) -> str:
    """The numbers as a table, one line for each group of cells."""
    head = f"{'errors in um':14}{'cells':>8}{'told':>7}   map RMSE  median   frame RMSE  median   map says"
    lines = [
        f"{name:14}{row['n']:8.0f}{row['told']:7.0%}{row['map_rmse_um']:11.3f}{row['map_median_um']:8.3f}"
        f"{row['frame_rmse_um']:13.3f}{row['frame_median_um']:8.3f}{row['said_rms_um']:11.3f}"
        for name, row in numbers.items()
    ]
    return "\n".join([head, *lines])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("days", type=Path, help="the simulated days, see days.py")
    parser.add_argument("model", type=Path)
    parser.add_argument("--part", default="test")
    parser.add_argument("--every", type=int, default=1, help="of the stacks of that part")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file for the numbers")
    options = parser.parse_args()
    use_threads(options.threads)
    try:
        dataset = Dataset.open(options.days)
        estimator = FocusEstimator.load(options.model, threads=options.threads)
        numbers = numbers_of(ask(estimator, dataset, part=options.part, every=options.every))
    except ParfocalError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(numbers))
    if options.out:
        options.out.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
