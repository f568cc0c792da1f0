from __future__ import annotations

import math
from pathlib import Path

import pytest

from parfocal.errors import DatasetError
from parfocal.evaluation.frames import FRAMES_FILE, FrameResult, frames_text, read_frames

ROW = FrameResult(
    stack="a, b",
    plane=3,
    actual_um=1.5,
    inferred_um=math.nan,
    std_um=0.25,
    low_um=math.nan,
    high_um=math.nan,
    in_distribution=0.5,
    accepted=False,
    pit=0.125,
    experiment="mon\u00b5day",
    n_cells=None,
)


def test_the_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / FRAMES_FILE).write_text(frames_text([ROW, ROW]), encoding="utf-8")
    assert list(map(repr, read_frames(tmp_path))) == [repr(ROW)] * 2


@pytest.mark.parametrize("text", ["", "stack,plane\na,1\n"], ids=["empty", "columns missing"])
def test_another_table_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / FRAMES_FILE).write_text(text)
    with pytest.raises(DatasetError, match=r"per_frame\.csv.*Evaluate again"):
        read_frames(tmp_path)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Evaluate again"):
        read_frames(tmp_path)
