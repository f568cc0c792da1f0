"""Annotations: who says what, and what they agree on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parfocal.data.annotation import Annotation, agreed_focus_um, read_annotations, write_annotations
from parfocal.errors import DatasetError

DAY = "2018-07-01T12:00:00+00:00"
HEADER = "stack,focus_z_um,annotator,created\n"


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.builds(
            Annotation,
            st.text("abc ,\"'é", min_size=1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text("xyz, ;é", min_size=1).filter(str.strip),
            st.datetimes().map(lambda when: when.isoformat()),
        ),
        max_size=4,
    )
)
def test_annotations_come_back_as_they_were_written(rows: list[Annotation], tmp_path_factory) -> None:
    path = tmp_path_factory.getbasetemp() / "annotations.csv"
    write_annotations(path, rows)
    assert read_annotations(path) == tuple(rows)


def test_a_table_that_is_not_there_holds_no_annotations(tmp_path: Path) -> None:
    assert read_annotations(tmp_path / "annotations.csv") == ()


def test_each_annotator_has_one_voice() -> None:
    busy = [Annotation("s", z_um, "busy", DAY) for z_um in (7.0, 8.0, 9.0)]
    others = [Annotation("s", 1.0, "ann", DAY), Annotation("s", 2.0, "bob", DAY)]
    assert agreed_focus_um([*busy, *others]) == 2.0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(("s", float("nan"), "ann", DAY), "focus position", id="no position"),
        pytest.param(("s", 1.0, " ", DAY), "name of the annotator", id="nobody"),
        pytest.param(("s", 1.0, "ann", "yesterday"), "a time such as", id="no time"),
    ],
)
def test_an_annotation_that_makes_no_sense_is_refused(values: tuple, expected: str) -> None:
    with pytest.raises(DatasetError, match=expected):
        Annotation(*values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("stack,z\ns,1\n", "Expected the columns", id="other columns"),
        pytest.param("", "Expected the columns", id="empty file"),
        pytest.param(f"{HEADER}s,1.0,ann,{DAY}\ns,high,ann,{DAY}\n", "line 3: .*'high'", id="no number"),
        pytest.param(f"{HEADER}s,1.0,ann\n", "line 2: Expected 4 values", id="short line"),
        pytest.param(f"{HEADER}s,1.0,ann,{DAY},x\n", "line 2: Expected 4 values", id="long line"),
        pytest.param(f"{HEADER}s,1.0,,{DAY}\n", "line 2: .*annotator", id="nobody"),
        pytest.param("\xff\xfe", "UTF-8", id="not UTF-8"),
    ],
)
def test_a_damaged_table_is_refused_and_its_line_named(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError, match=expected) as error:
        read_annotations(path)
    assert str(path) in str(error.value)
