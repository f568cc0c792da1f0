"""Whether more stacks would help, from trainings with fewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_world import dataset_at

from parfocal.data import SplitRow
from parfocal.errors import DatasetError
from parfocal.model.learning_curve import curve_of, curve_splits, learning_curve

PARTS = ("train",) * 8 + ("validation",) * 3 + ("test",)


def rows(*parts: str) -> list[SplitRow]:
    return [SplitRow(f"s{k}", "day1", part) for k, part in enumerate(parts)]


def test_smaller_draws_are_parts_of_larger_ones_beside_the_same_validation_stacks() -> None:
    splits = curve_splits(rows(*PARTS))
    assert list(splits) == [2, 4, 8]
    for draw in (0, 1):
        stacks = [{row.stack for row in draws[draw] if row.part == "train"} for draws in splits.values()]
        assert [len(some) for some in stacks] == [2, 4, 8]
        assert stacks[0] < stacks[1] < stacks[2]
    for draws in splits.values():
        for one in draws:
            assert {row.stack for row in one if row.part == "validation"} == {"s8", "s9", "s10"}
            assert not [row for row in one if row.part == "test"]


def test_two_halves_share_no_stack() -> None:
    first, second = curve_splits(rows(*PARTS))[4]
    assert not {row.stack for row in first if row.part == "train"} & {
        row.stack for row in second if row.part == "train"
    }


@pytest.mark.parametrize(
    "parts",
    [("train",) * 3 + ("validation",) * 3, ("train",) * 8 + ("validation",) * 2],
    ids=["few to learn from", "few to ask about"],
)
def test_too_few_stacks_are_refused(parts: tuple[str, ...]) -> None:
    with pytest.raises(DatasetError, match="at least 4 training stacks and 3 validation stacks"):
        curve_splits(rows(*parts))


def test_an_error_that_falls_in_every_stack_calls_for_more() -> None:
    before = np.array([1.0, 1.2, 0.8, 1.1])
    curve = curve_of([10, 20], np.array([before, 0.7 * before]))
    assert curve.fell == pytest.approx(0.3) and curve.fell95 == pytest.approx((0.3, 0.3))
    assert curve.verdict.startswith("More stacks would likely help: the error fell by 30 %")
    assert curve.points[1].n_stacks == 20 and curve.points[1].mae_um == pytest.approx(0.7 * before.mean())


def test_an_error_that_stays_does_not() -> None:
    before = np.array([1.0, 1.2, 0.8, 1.1])
    curve = curve_of([10, 20], np.array([before, before * [1.01, 0.99, 1.02, 0.99]]))
    assert curve.verdict.startswith("More stacks would hardly help: the error ")


def test_stacks_that_disagree_leave_it_open() -> None:
    curve = curve_of([10, 20], np.array([[1.0, 1.0, 1.0], [0.3, 1.3, 0.9]]))
    low, high = curve.fell95
    assert low < 0 < high
    assert "cannot be told yet" in curve.verdict


def test_an_error_that_grew_is_said_to_have_grown() -> None:
    curve = curve_of([10, 20], np.array([[1.0, 2.0], [1.1, 2.2]]))
    assert curve.verdict == (
        "More stacks would hardly help: the error grew by 10 % (95 %: 10 to 10) from 10 to 20 stacks."
    )


def test_a_dataset_gives_a_curve_and_stays_as_it_is(tmp_path: Path) -> None:
    parts = ("train",) * 4 + ("validation",) * 3
    dataset = dataset_at(tmp_path / "spots", parts=parts)
    told: list[tuple[int, int]] = []
    before = {path: path.read_bytes() for path in (tmp_path / "spots").rglob("*") if path.is_file()}
    curve = learning_curve(dataset, steps=2, watch=lambda *at: told.append(at))
    assert [point.n_stacks for point in curve.points] == [1, 2, 4] and curve.n_validation == 3
    for point in curve.points:
        low_um, high_um = point.interval95_um
        assert 0 < low_um <= point.mae_um <= high_um
    assert told[-1] == (6, 6)
    assert before == {path: path.read_bytes() for path in (tmp_path / "spots").rglob("*") if path.is_file()}
