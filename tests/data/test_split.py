"""The split keeps stacks whole, experiments balanced and no part empty."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parfocal.data.split import SplitRow, read_split, split_by_stack, write_split
from parfocal.errors import DatasetError


def stacks(n: int, *, n_experiments: int = 1) -> list[tuple[str, str]]:
    return [(f"s{i:03d}", f"e{i % n_experiments}") for i in range(n)]


@settings(max_examples=80, deadline=None)
@given(n=st.integers(3, 60), n_experiments=st.integers(1, 5), seed=st.integers(0, 2**32), data=st.data())
def test_every_stack_has_one_part_and_no_part_is_empty(
    n: int, n_experiments: int, seed: int, data: st.DataObject
) -> None:
    test = data.draw(st.floats(0.01, 0.9))
    validation = data.draw(st.floats(0.01, 0.95 - test))
    given_stacks = stacks(n, n_experiments=n_experiments)
    rows = split_by_stack(given_stacks, seed=seed, validation=validation, test=test)
    assert [(row.stack, row.experiment) for row in rows] == given_stacks
    assert {row.part for row in rows} == {"train", "validation", "test"}
    assert rows == split_by_stack(given_stacks, seed=seed, validation=validation, test=test)


def test_the_fractions_are_kept_in_each_experiment() -> None:
    rows = split_by_stack(stacks(100, n_experiments=4), seed=1, validation=0.16, test=0.2)
    assert Counter(row.part for row in rows) == {"train": 64, "validation": 16, "test": 20}
    for experiment in ("e0", "e1", "e2", "e3"):
        counts = Counter(row.part for row in rows if row.experiment == experiment)
        assert abs(counts["test"] - 5) <= 1 and abs(counts["validation"] - 4) <= 2


def test_another_seed_gives_another_split() -> None:
    assert split_by_stack(stacks(30), seed=1) != split_by_stack(stacks(30), seed=2)


@pytest.mark.parametrize(("n", "parts"), [(1, ["train"]), (2, ["test", "train"])])
def test_few_stacks_go_to_the_training_part_first(n: int, parts: list[str]) -> None:
    assert sorted(row.part for row in split_by_stack(stacks(n), seed=0)) == parts


def test_a_fraction_of_zero_leaves_its_part_empty() -> None:
    assert {row.part for row in split_by_stack(stacks(9), seed=0, test=0)} == {"train", "validation"}


@pytest.mark.parametrize(
    ("given_stacks", "fractions", "expected"),
    [
        pytest.param([], {}, "at least one stack", id="no stacks"),
        pytest.param([("a", "e"), ("a", "e")], {}, "more than once: a", id="stack twice"),
        pytest.param([("a", "e")], {"test": 1.0}, "together below 1", id="nothing to train on"),
        pytest.param([("a", "e")], {"test": -0.1}, "at least 0", id="negative"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(given_stacks: list, fractions: dict, expected: str) -> None:
    with pytest.raises(DatasetError, match=expected):
        split_by_stack(given_stacks, seed=0, **fractions)


def test_a_split_comes_back_as_it_was_written(tmp_path: Path) -> None:
    rows = (SplitRow("a", "day 1, warm", "train"), SplitRow("b", "", "test"))
    write_split(tmp_path / "split.csv", rows)
    assert read_split(tmp_path / "split.csv") == rows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("stack,part\n", "Expected the columns", id="other columns"),
        pytest.param("stack,experiment,part\na,e\n", "line 2: Expected 3 values", id="short line"),
        pytest.param("stack,experiment,part\na,e,exam\n", "line 2: .*got 'exam'", id="unknown part"),
    ],
)
def test_a_damaged_split_is_refused_and_its_line_named(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(DatasetError, match=expected):
        read_split(tmp_path / "split.csv")


def test_a_stack_that_a_table_names_twice_is_refused(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("stack,experiment,part\na,e,train\nb,e,test\na,e,test\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"split\.csv: Expected each stack once.*: a\."):
        read_split(path)
