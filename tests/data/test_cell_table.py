"""The table of cells comes back as it was written, and says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parfocal.data import CellRow, read_cells, write_cells
from parfocal.data.cells import usual_focus_z_um
from parfocal.errors import DatasetError

ROWS = [
    CellRow("s1", "yeast", 1.0, 2.0, 100.5, 2.3, "floor"),
    CellRow("s2", "yeast", 5.0, 6.0, 99.0, 1.5, "ceiling"),
    CellRow("s1", "bud", 3.0, 4.0, 101.0, 1.3, "floor"),
]


def test_cells_come_back_stack_by_stack(tmp_path: Path) -> None:
    write_cells(tmp_path, ROWS)
    cells = read_cells(tmp_path)
    assert {stack: len(of_stack) for stack, of_stack in cells.items()} == {"s1": 2, "s2": 1}
    first = cells["s1"]
    assert first.x_um.tolist() == [1.0, 3.0] and first.focus_z_um.tolist() == [100.5, 101.0]
    assert first.where(first.radius_um > 2).y_um.tolist() == [2.0]
    assert cells["s2"].layer.tolist() == ["ceiling"]


@pytest.mark.parametrize("line", ["s,y,a,1,1,1,floor", "s,y,1,1"])
def test_a_damaged_table_is_refused(line: str, tmp_path: Path) -> None:
    write_cells(tmp_path, ROWS)
    table = tmp_path / "cells.csv"
    table.write_text(table.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"cells\.csv: expected a table of cells"):
        read_cells(tmp_path)


def test_no_cells_are_none(tmp_path: Path) -> None:
    write_cells(tmp_path, [])
    assert read_cells(tmp_path) == {}


def test_a_missing_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cells\.csv"):
        read_cells(tmp_path)


def cell(focus_z_um: float, radius_um: float) -> CellRow:
    return CellRow("s", "yeast", 1.0, 2.0, focus_z_um, radius_um, "floor")


def test_large_cells_count_for_more() -> None:
    assert usual_focus_z_um([cell(1.0, 1.0), cell(1.2, 1.0), cell(5.0, 2.0)]) == 5.0
    assert usual_focus_z_um([cell(1.0, 1.0), cell(1.2, 1.0), cell(5.0, 1.0)]) == 1.2


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 20)), min_size=1, max_size=12))
def test_at_most_half_of_the_area_lies_below_and_at_most_half_above(cells) -> None:
    usual = usual_focus_z_um([cell(*one) for one in cells])
    area = sum(radius**2 for _, radius in cells)
    assert sum(radius**2 for z_um, radius in cells if z_um < usual) <= area / 2 + 1e-9 * area
    assert sum(radius**2 for z_um, radius in cells if z_um > usual) <= area / 2 + 1e-9 * area


def test_without_cells_nothing_is_in_focus() -> None:
    with pytest.raises(DatasetError, match="Expected cells"):
        usual_focus_z_um([])
