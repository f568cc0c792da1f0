"""Failure scenes: which frames are of them, what is counted, and how it is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from failures import draw, measure, parse, scene_numbers, stacks, table
from lock_fakes import estimate_of

from parfocal.optics import preset
from parfocal.studies.failure_scenes import FEW_UP, HALF_UP, SCENES, Answers, with_cells
from tiny_microscope import TINY

MADE_BY = {"model": "abc", "stacks": 2, "processor": "a cpu", "commit": "0123456789", "date": "2018-03-16"}


def answers(defocus_um: list[float], errors_um: list[float], *, std_um: float = 0.3) -> Answers:
    told = [estimate_of(z + e, std_um=std_um) for z, e in zip(defocus_um, errors_um, strict=True)]
    return Answers(np.array(defocus_um), told)


def test_a_scene_is_looked_at_where_it_fails() -> None:
    near, above = SCENES[1], SCENES[2]
    asked = answers([-9.0, -1.0, 2.0, 5.0, 9.5, 12.0], [0.0] * 6)
    assert asked.within(near).actual_um.tolist() == [-1.0, 2.0]
    assert asked.within(above).actual_um.tolist() == [5.0, 9.5]


def test_wrong_and_accepted_is_counted_and_a_broad_answer_told_from_ordinary_ones() -> None:
    ordinary = answers([-1.0, 0.0, 1.0], [0.1, 0.0, 0.2])
    broad = answers([-2.0, 0.0, 1.0, 2.0], [0.0, 5.0, -1.5, 0.2], std_um=3.0)
    numbers = scene_numbers(SCENES[1], broad, ordinary)
    assert numbers["accepted"] == 1.0 and numbers["wrong_of_accepted"] == 0.5
    assert numbers["auc_width"] == numbers["auc_both"] == numbers["auc_both_of_wrong"] == 1.0
    assert numbers["worst"]["actual_um"] == 0.0 and numbers["worst"]["told_um"] == 5.0


def test_layers_are_counted() -> None:
    one, two = answers([0.0], [0.0]).estimates[0], replace(estimate_of(0.0), layers_um=(0.0, -5.0))
    assert Answers(np.zeros(2), [one, two]).layered == 0.5


@pytest.mark.parametrize("cells", [FEW_UP, HALF_UP], ids=["few", "half"])
def test_the_usual_microscope_can_be_given_such_cells(cells: dict[str, float]) -> None:
    changed = with_cells(preset("yeast-40x"), **cells)
    assert changed.specimens[0].under_ceiling == cells["under_ceiling"]


class ToldByBrightness:
    """Answers with something that follows from the frame."""

    fingerprint = "brightness"
    z_range_um = (-15.0, 15.0)

    def estimate(self, frame_yx, *, pixel_size_um):
        return replace(estimate_of(float(frame_yx.mean() % 7)), bin_centres_um=np.arange(3.0))


def test_all_scenes_are_measured_shown_and_drawn() -> None:
    told = {**MADE_BY, **measure(ToldByBrightness(), microscope=TINY, n_stacks=1)}
    assert list(told["scenes"]) == [scene.name for scene in SCENES]
    assert all(one["n_images"] >= 5 for one in told["scenes"].values())
    lines = table(told).splitlines()
    assert len(lines) == 2 + len(SCENES) + 2 and len({line.count("|") for line in lines[:5]}) == 1
    for one in told["scenes"].values():
        one["worst"]["probabilities"] = [0.2, 0.5, 0.3]
    assert len(draw(told).axes) == len(SCENES)


def test_each_stack_is_of_a_day_of_its_own() -> None:
    first, second = stacks(TINY, n=2)
    assert first.experiment != second.experiment and first.settings != second.settings


def test_a_command_line_that_asks_for_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([])
    assert "expected a model" in capsys.readouterr().err
