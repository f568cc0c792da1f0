"""The map's benchmark counts the right cells, in the right planes, and compares like with like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cell_map import CellAnswers, large_cells, numbers_of, table


def test_small_cells_do_not_count(tmp_path: Path) -> None:
    rows = ["s1,yeast,1,2,100.5,2.3,floor", "s1,yeast,3,4,101,1.3,floor", "s2,yeast,5,6,99,1.5,ceiling"]
    head = "stack,kind,x_um,y_um,focus_z_um,radius_um,layer"
    (tmp_path / "cells.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    cells = large_cells(tmp_path)
    assert {stack: of_stack.x_um.tolist() for stack, of_stack in cells.items()} == {"s1": [1.0], "s2": [5.0]}
    assert cells["s2"].layer.tolist() == ["ceiling"] and cells["s1"].focus_z_um.tolist() == [100.5]


def test_the_frame_is_judged_on_the_cells_that_the_map_tells() -> None:
    answers = CellAnswers(
        actual_um=np.array([0.0, 0.0, 2.0]),
        of_map_um=np.array([0.3, np.nan, 2.4]),
        of_frame_um=np.array([1.0, 9.0, 1.0]),
        std_um=np.array([0.5, np.nan, 0.5]),
        layer=np.array(["floor", "floor", "ceiling"]),
        experiment=np.array(["usual"] * 3),
    )
    numbers = numbers_of(answers)
    assert list(numbers) == ["all", "ceiling", "floor", "usual"]
    whole = numbers["all"]
    assert whole["told"] == pytest.approx(2 / 3)
    assert whole["map_rmse_um"] == pytest.approx(np.sqrt((0.3**2 + 0.4**2) / 2))
    assert whole["frame_rmse_um"] == pytest.approx(1.0)
    assert numbers["floor"]["n"] == 2 and numbers["floor"]["map_rmse_um"] == pytest.approx(0.3)
    assert len(table(numbers).splitlines()) == 5
