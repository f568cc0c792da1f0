"""The line through a model's answers: exact or steady where there is one, refused where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from parfocal.errors import InputError
from parfocal.model.answer_line import Line, StackAnswers, check_line, fit_line, usable_stacks

Z_UM = np.linspace(-10.0, 10.0, 31)


def answers(
    line: Line, *, noise_um: float = 0.0, z_um: NDArray[np.float64] = Z_UM, seed: int = 0
) -> StackAnswers:
    noise = noise_um * np.random.default_rng(seed).standard_normal(len(z_um))
    return StackAnswers(
        z_um, (z_um - line.offset_um) / line.scale + noise, np.ones(len(z_um)), np.ones(len(z_um))
    )


@given(scale=st.floats(0.4, 2.5), offset_um=st.floats(-5, 5), n_stacks=st.integers(1, 4))
def test_exact_answers_give_their_line(scale: float, offset_um: float, n_stacks: int) -> None:
    line = fit_line([answers(Line(scale, offset_um))] * n_stacks)
    assert line.scale == pytest.approx(scale) and line.offset_um == pytest.approx(offset_um, abs=1e-9)


def test_a_fifth_of_wild_answers_moves_it_little() -> None:
    good = answers(Line(1.2, 0.5), noise_um=0.1)
    inferred = good.inferred_um.copy()
    inferred[::5] = np.random.default_rng(1).uniform(-10, 10, len(inferred[::5]))
    line = fit_line([replace(good, inferred_um=inferred)])
    assert line.scale == pytest.approx(1.2, abs=0.1) and line.offset_um == pytest.approx(0.5, abs=0.2)


def test_stacks_with_an_offset_of_their_own_do_not_tilt_it() -> None:
    low, high = Z_UM[:15], Z_UM[15:]
    line = fit_line([answers(Line(1.0, -1.0), z_um=low), answers(Line(1.0, 1.0), z_um=high)])
    assert line.scale == pytest.approx(1.0) and line.offset_um == pytest.approx(0.0, abs=1e-9)


def test_stacks_with_few_planes_or_little_range_are_left_out() -> None:
    good = answers(Line(1.0, 0.0))
    few = answers(Line(1.0, 0.0), z_um=Z_UM[:4])
    narrow = answers(Line(1.0, 0.0), z_um=np.linspace(0, 1, 9))
    assert usable_stacks([few, good, narrow], range_um=3.0) == [good]
    with pytest.raises(InputError, match="at least 5 planes that the model answers, got 4"):
        usable_stacks([few], range_um=3.0)
    with pytest.raises(InputError, match="over at least 3 um, got 1 um"):
        usable_stacks([few, narrow], range_um=3.0)


@pytest.mark.parametrize(
    ("stack", "told"),
    [
        (answers(Line(2.6, 0.0)), r"scale from 0\.5 to 2, got 2\.60"),
        (answers(Line(0.3, 0.0)), r"scale from 0\.5 to 2, got 0\.30"),
        (answers(Line(-1.0, 0.0)), r"rank correlation of at least 0\.9; got -1\.00.*other way round"),
        (
            StackAnswers(Z_UM, np.abs(Z_UM), np.ones(31), np.ones(31)),
            r"rank correlation of at least 0\.9; got -?0\.0",
        ),
        (StackAnswers(Z_UM, np.zeros(31), np.ones(31), np.ones(31)), r"rank correlation"),
    ],
    ids=["too steep", "too flat", "backwards", "no sign", "always the same"],
)
@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_a_line_that_makes_no_sense_is_refused(stack: StackAnswers, told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_line(fit_line([stack]), [stack])
