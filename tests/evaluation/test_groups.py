from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parfocal.data import CellRow, Dataset, DatasetSettings, SplitRow, write_cells
from parfocal.errors import DatasetError
from parfocal.evaluation.groups import (
    StackFacts,
    metrics_by_density,
    metrics_by_label,
    stack_facts,
    thirds_by_cells,
)
from parfocal.zstack import ZStack

EDGES = [-5.0, 5.0]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset.create(tmp_path / "data", DatasetSettings(name="d", pixel_size_um=0.24))
    for name in "ab":
        made.write(name, ZStack(np.zeros((2, 4, 4), np.uint16), [0.0, 1.0], 0.24))
    made.write_split([SplitRow("a", "monday", "test"), SplitRow("b", "tuesday", "test")])
    return made


def test_without_a_table_of_cells_their_number_is_unknown(dataset: Dataset) -> None:
    assert stack_facts(dataset) == {"a": StackFacts("monday", None), "b": StackFacts("tuesday", None)}


def test_a_stack_that_the_table_does_not_name_has_no_cells(dataset: Dataset) -> None:
    write_cells(dataset.folder, [CellRow("a", "yeast", 1.0, 1.0, 0.5, 2.0, "floor")] * 3)
    assert [fact.n_cells for fact in stack_facts(dataset).values()] == [3, 0]


def test_a_broken_table_of_cells_is_refused(dataset: Dataset) -> None:
    (dataset.folder / "cells.csv").write_text("stack,kind\na,yeast\n")
    with pytest.raises(DatasetError, match=r"cells\.csv"):
        stack_facts(dataset)


def test_each_label_has_the_block_of_its_frames() -> None:
    blocks = metrics_by_label(
        ["x", "y", "x"], [0, 1, 2], [0.5, 3, 2], stack_index=[0, 1, 0], bin_edges_um=EDGES
    )
    assert {label: (block["n_images"], block["mae_um"]) for label, block in blocks.items()} == {
        "x": (2, 0.25),
        "y": (1, 2.0),
    }


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param([1, 2, 3, 4, 5, 6], "fewest fewest middle middle most most", id="even"),
        pytest.param([5, 5, 5, 9], "fewest fewest fewest most", id="equal numbers stay together"),
        pytest.param([0, 0, 0, 0], "", id="all alike"),
        pytest.param([1, 9], "", id="two stacks"),
        pytest.param([1, None, 9, 4], "", id="one unknown"),
        pytest.param([], "", id="none"),
    ],
)
def test_thirds_are_by_number_of_cells(counts: list[int | None], expected: str) -> None:
    thirds = thirds_by_cells({str(index): count for index, count in enumerate(counts)})
    assert list(thirds.values()) == expected.split()


def test_density_blocks_come_from_few_to_many_and_say_how_many() -> None:
    blocks = metrics_by_density(
        ["a", "a", "b", "c"], [90, 90, 4, 20], [0, 0, 0, 0], [1, 3, 0, 0.5], stack_index=[0, 0, 1, 2],
        bin_edges_um=EDGES,
    )  # fmt: skip
    assert [(name, b["n_cells"], b["mae_um"]) for name, b in blocks.items()] == [
        ("fewest", [4, 4], 0.0),
        ("middle", [20, 20], 0.5),
        ("most", [90, 90], 2.0),
    ]


def test_an_unknown_density_leaves_its_blocks_out() -> None:
    assert metrics_by_density(["a"], [None], [0], [0], stack_index=[0], bin_edges_um=EDGES) == {}
