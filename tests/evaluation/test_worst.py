from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parfocal.errors import DatasetError
from parfocal.estimate import FocusEstimate
from parfocal.evaluation.frames import Answer
from parfocal.evaluation.worst import (
    MOST_ACCEPTED,
    MOST_REFUSED,
    THUMBNAIL_PX,
    WorstImage,
    keep_worst,
    read_worst,
    worst_of_stack,
    write_worst,
)
from parfocal.evaluation.worst_figure import distribution_figure
from parfocal.zstack import ZStack

FRAMES = np.random.default_rng(0).integers(500, 3000, (5, 300, 600)).astype(np.uint16)
STACK = ZStack(FRAMES, np.arange(5.0), 0.1)


def answer(plane: int, inferred_um: float, *, accepted: bool = True) -> Answer:
    estimate = FocusEstimate(
        defocus_um=inferred_um,
        std_um=0.3,
        interval90_um=(inferred_um - 0.5, inferred_um + 0.5),
        probabilities=np.array([0.25, 0.75]),
        bin_centres_um=np.array([-1.0, 1.0]),
        in_distribution=0.9,
        accepted=accepted,
        layers_um=(),
        latency_ms=1.0,
    )
    return Answer(plane, 0.0, estimate)


def image(stack: str, error_um: float, *, rank: int = 0, accepted: bool = True) -> WorstImage:
    [made] = worst_of_stack([answer(0, error_um, accepted=accepted)], STACK, name=stack)
    return replace(made, rank=rank)


def told(images: tuple[WorstImage, ...]) -> list[tuple[str, int, float, bool]]:
    return [(found.stack, found.plane, found.error_um, found.accepted) for found in images]


def test_a_stack_gives_two_images_that_are_stood_by_and_two_that_are_not() -> None:
    answers = [answer(0, 0.5), answer(1, -3.0), answer(2, 2.0), answer(3, 9.0, accepted=False)]
    got = told(worst_of_stack([*answers, answer(4, np.nan)], STACK, name="s"))
    assert got == [("s", 1, 3.0, True), ("s", 2, 2.0, True), ("s", 3, 9.0, False)]


def test_the_worst_of_each_stack_come_before_a_second_of_any() -> None:
    of_stacks = [image(str(index), 1.0 + index) for index in range(MOST_ACCEPTED - 1)]
    second, third = image("0", 0.75, rank=1), image("1", 99.0, rank=1)
    kept = keep_worst([second, *of_stacks, third])
    assert [found.error_um for found in kept] == [99.0, 5.0, 4.0, 3.0, 2.0, 1.0]


def test_what_the_model_refuses_comes_last_and_is_few() -> None:
    refused = [image(str(index), 50.0 + index, accepted=False) for index in range(5)]
    kept = keep_worst([*refused, image("a", 1.0)])
    assert [found.accepted for found in kept] == [True] + [False] * MOST_REFUSED
    assert [found.error_um for found in kept] == [1.0, 54.0, 53.0]


def test_keeping_the_worst_as_stacks_come_keeps_the_worst_of_all() -> None:
    errors = np.random.default_rng(1).uniform(0, 5, 40)
    images = [image(str(k // 2), float(e), rank=k % 2, accepted=k % 3 > 0) for k, e in enumerate(errors)]
    kept: tuple[WorstImage, ...] = ()
    for start in range(0, 40, 4):
        kept = keep_worst((*kept, *images[start : start + 4]))
    assert told(kept) == told(keep_worst(images))


def test_pictures_are_small_and_keep_their_shape() -> None:
    picture = image("s", 1.0).picture_yx
    assert picture.shape == (THUMBNAIL_PX // 2, THUMBNAIL_PX)
    assert (picture.dtype, picture.min(), picture.max()) == (np.uint8, 0, 255)
    assert image("s", 1.0).width_um == pytest.approx(60.0)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    images = (image("a", 3.0), image("b", -1.0, accepted=False))
    write_worst(tmp_path, images)
    again = read_worst(tmp_path)
    assert told(again) == told(images)
    for before, after in zip(images, again, strict=True):
        np.testing.assert_array_equal(before.picture_yx, after.picture_yx)
        assert (before.probabilities, before.interval90_um) == (after.probabilities, after.interval90_um)


def test_pictures_of_an_earlier_evaluation_go(tmp_path: Path) -> None:
    write_worst(tmp_path, [image("a", 3.0), image("b", 2.0)])
    write_worst(tmp_path, [image("c", 1.0)])
    assert {item.name for item in (tmp_path / "worst").iterdir()} == {"worst.json", "1.png"}


def test_a_lost_picture_is_said(tmp_path: Path) -> None:
    write_worst(tmp_path, [image("a", 3.0)])
    (tmp_path / "worst" / "1.png").unlink()
    with pytest.raises(DatasetError, match=r"worst\.json.*Evaluate again"):
        read_worst(tmp_path)


def test_the_figure_marks_the_truth_and_the_answer_inside_its_axes() -> None:
    [axes] = distribution_figure(image("a", 30.0)).axes
    at = [float(np.asarray(line.get_xdata())[0]) for line in axes.lines[:2]]
    assert at == [0.0, 30.0]
    low, high = axes.get_xlim()
    assert low < -1 < 30.5 < high
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("defocus (µm)", "probability (%)")
