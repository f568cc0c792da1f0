from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from parfocal.errors import DatasetError
from parfocal.evaluation.comparison import compare_frames, paired_difference
from parfocal.evaluation.frames import FrameResult

STACKS = np.repeat(np.arange(10), 6)
ERROR_UM = np.random.default_rng(0).normal(0, 0.5, 10)[STACKS] + np.random.default_rng(1).normal(0, 0.2, 60)


def frames(error_um: Any, *, accepted: bool = True) -> list[FrameResult]:
    return [
        FrameResult(
            stack=f"s{stack}",
            plane=plane % 6,
            actual_um=plane % 6 - 3.0,
            inferred_um=plane % 6 - 3.0 + float(error),
            std_um=0.3,
            low_um=plane % 6 - 4.0,
            high_um=plane % 6 - 2.0,
            in_distribution=1.0,
            accepted=accepted,
            pit=0.5,
            experiment="one",
            n_cells=None,
        )
        for plane, (stack, error) in enumerate(zip(STACKS, error_um, strict=True))
    ]


def test_identical_models_do_not_differ_at_all() -> None:
    found = paired_difference(ERROR_UM, -ERROR_UM, stacks=STACKS)
    assert (found["mae_um"], found["mae_um_ci95"]) == (0.0, [0.0, 0.0])
    assert (found["within_1um"], found["within_1um_ci95"]) == (0.0, [0.0, 0.0])
    assert (found["probability_b_better"], found["p_value"]) == (0.5, 1.0)
    assert found["stacks_a_better"] == found["stacks_b_better"] == 0.0


def test_a_known_shift_of_every_error_comes_out_exactly_however_stacks_are_drawn() -> None:
    found = paired_difference(np.abs(ERROR_UM) + 0.25, ERROR_UM, stacks=STACKS)
    assert found["mae_um"] == pytest.approx(-0.25)
    assert found["mae_um_ci95"] == pytest.approx([-0.25, -0.25])
    assert found["probability_b_better"] == pytest.approx(1001 / 1002)
    assert found["p_value"] == 2 / 2**10
    assert (found["stacks_a_better"], found["stacks_b_better"]) == (0.0, 1.0)


def test_a_small_case_is_that_done_by_hand() -> None:
    # stack a: 1.5 against 0.5 on average; stack b: 0.25 against 2.0
    found = paired_difference([2.0, -1.0, 0.25], [0.5, 0.5, -2.0], stacks=["a", "a", "b"])
    assert found["mae_um"] == pytest.approx((3.0 - 3.25) / 3)
    assert found["within_1um"] == pytest.approx((2 - 2) / 3)
    assert found["by_stack"] == {
        "stack": ["a", "b"],
        "n_images": [2, 1],
        "a_mae_um": [1.5, 0.25],
        "b_mae_um": [0.5, 2.0],
    }
    assert (found["stacks_a_better"], found["stacks_b_better"]) == (0.5, 0.5)
    assert found["mae_um_ci95"] == [-1.0, 1.75]
    assert found["p_value"] == 1.0  # -2 and 1.75: every turn of signs gives as much


def test_to_swap_the_models_turns_the_sign() -> None:
    other = ERROR_UM + np.random.default_rng(2).normal(0, 0.1, 60)
    one_way, back = (
        paired_difference(*pair, stacks=STACKS) for pair in ((ERROR_UM, other), (other, ERROR_UM))
    )
    assert one_way["mae_um"] == pytest.approx(-back["mae_um"])
    assert one_way["mae_um_ci95"] == pytest.approx([-end for end in reversed(back["mae_um_ci95"])])
    assert one_way["probability_b_better"] == pytest.approx(1 - back["probability_b_better"])


def test_pairs_tell_more_than_two_separate_intervals() -> None:
    both = [np.abs(ERROR_UM), np.abs(ERROR_UM) + 0.05]
    found = compare_frames(frames(both[0]), frames(both[1]), dof_um=None)
    assert found["b"]["mae_um"] < found["a"]["mae_um_ci95"][1]
    assert found["difference"]["mae_um_ci95"][0] > 0


def test_one_stack_has_no_interval() -> None:
    found = paired_difference([1.0, 2.0], [0.5, 0.5], stacks=["a", "a"])
    assert found["mae_um"] == -1.0
    assert found["mae_um_ci95"] is found["within_1um_ci95"] is found["probability_b_better"] is None
    assert found["p_value"] is None


@pytest.mark.parametrize("n_stacks", [2, 5, 12, 40])
def test_chance_is_told_by_turning_whole_stacks(n_stacks: int) -> None:
    stacks = np.repeat(np.arange(n_stacks), 3)
    better = np.tile([0.5, 0.6, 0.7], n_stacks)
    p_value = paired_difference(better + 0.1, better, stacks=stacks)["p_value"]
    assert p_value == pytest.approx(max(2 / 2**n_stacks, 1 / 4097))


def test_differences_by_chance_have_p_values_of_chance() -> None:
    generator = np.random.default_rng(3)
    found = [
        paired_difference(*generator.uniform(0, 1, (2, 40)), stacks=np.arange(40) // 2)["p_value"]
        for _ in range(200)
    ]
    assert np.mean(np.array(found) < 0.2) == pytest.approx(0.2, abs=0.08)


def test_only_images_that_both_were_asked_and_answered_count() -> None:
    a, b = frames(ERROR_UM), frames(2 * ERROR_UM)
    b[0] = replace(b[0], inferred_um=np.nan)
    found = compare_frames(a[:50], b[:45], dof_um=0.5)
    assert found["difference"]["n_images"] == found["a"]["n_images"] == found["b"]["n_images"] == 44
    assert found["unanswered"] == {"a": 0, "b": 1, "either": 1}
    assert found["b"]["mae_um"] == pytest.approx(2 * found["a"]["mae_um"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_images_that_both_stand_by_are_compared_apart() -> None:
    a, b = frames(ERROR_UM), frames(ERROR_UM, accepted=False)
    assert compare_frames(a, b, dof_um=None)["accepted"] is None
    assert compare_frames(a, [*a[:6], *b[6:]], dof_um=None)["accepted"]["n_images"] == 6


def test_evaluations_with_another_focus_are_refused() -> None:
    moved = [replace(frame, actual_um=frame.actual_um + 0.1) for frame in frames(ERROR_UM)]
    with pytest.raises(DatasetError, match=r"the same focus.*plane 0 of stack 's0' is -3 um.*-2\.9 um"):
        compare_frames(frames(ERROR_UM), moved, dof_um=None)


def test_evaluations_without_a_common_image_are_refused() -> None:
    every = frames(ERROR_UM)
    with pytest.raises(DatasetError, match="none to compare on"):
        compare_frames(every[:10], every[10:], dof_um=None)
