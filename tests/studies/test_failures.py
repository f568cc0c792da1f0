"""The study of failure cases: what is counted of a scene, and what is shown of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parfocal.estimate import FocusEstimate
from parfocal.studies.failure_scenes import SCENES, Answers, count_modes
from parfocal.studies.failures import (
    OURS,
    PAPER,
    STUDY,
    TRAINED_ON,
    as_picture,
    as_text,
    scene_numbers,
)
from parfocal.studies.running import run_study
from parfocal.studies.study import Results


@pytest.fixture(scope="module")
def results(studies_out: Path) -> Results:
    return run_study(STUDY, studies_out, size="toy")


def estimate_of(defocus_um: float, *, std_um: float = 0.3) -> FocusEstimate:
    interval_um = (defocus_um - 1.645 * std_um, defocus_um + 1.645 * std_um)
    bins = np.ones(1), np.array([defocus_um])
    return FocusEstimate(defocus_um, std_um, interval_um, *bins, 1.0, True, (defocus_um,), 1.0)


def answers(defocus_um: list[float], errors_um: list[float], *, std_um: float = 0.3) -> Answers:
    told = [estimate_of(z + e, std_um=std_um) for z, e in zip(defocus_um, errors_um, strict=True)]
    return Answers(np.array(defocus_um), told)


def test_every_network_is_asked_about_every_scene(results: Results) -> None:
    assert list(results.cases) == [PAPER, OURS, TRAINED_ON]
    for told in results.cases.values():
        assert list(told["scenes"]) == [scene.name for scene in SCENES]
        for one in told["scenes"].values():
            assert one["scene"]["n_images"] >= 3 and one["ordinary"]["n_images"] >= 3
            assert 0 <= one["auc_both"] <= 1


def test_the_trained_ones_took_their_steps(results: Results) -> None:
    assert results[PAPER]["steps"] == 4 and results[TRAINED_ON]["steps"] == 2
    assert "steps" not in results[OURS]


def test_the_shipped_model_errs_less_than_one_of_four_steps(results: Results) -> None:
    for scene in SCENES:
        paper, ours = (results[name]["scenes"][scene.name]["scene"] for name in (PAPER, OURS))
        assert ours["mae_um"] < paper["mae_um"]


def test_the_figure_shows_each_scene_with_two_distributions(results: Results) -> None:
    (drawn,) = STUDY.figures(results).values()
    frames, ours = drawn.figure.axes[:3], drawn.figure.axes[6:9]
    assert all(axes.images for axes in frames)
    for axes, one in zip(ours, results[PAPER]["worst"].values(), strict=True):
        heights = [bar.get_height() for bar in axes.patches]
        assert heights == one[OURS]["probabilities"] and sum(heights) == pytest.approx(1, abs=0.01)


def test_the_frame_that_is_shown_is_the_one_that_erred_most(results: Results) -> None:
    for name, one in results[PAPER]["worst"].items():
        error_um = abs(one[PAPER]["told_um"] - one["actual_um"])
        assert error_um == pytest.approx(results[PAPER]["scenes"][name]["scene"]["largest_um"])


def test_the_table_has_a_row_for_each_network_and_scene(results: Results) -> None:
    table = STUDY.table(results)
    assert len(table.rows) == 3 * len(SCENES)
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_findings_follow_from_the_numbers(results: Results) -> None:
    few = results[PAPER]["scenes"][SCENES[0].name]
    first, *_ = STUDY.findings(results)
    assert f"by up to {few['scene']['largest_um']:.1f} µm" in first.here
    assert (first.verdict == "agrees") == (few["scene"]["mae_um"] > 2.5)


def test_a_scene_is_counted_beside_ordinary_frames_at_its_defocus() -> None:
    ordinary = answers([-9.0, -1.0, 0.0, 1.0], [4.0, 0.1, 0.0, 0.2])
    broad = answers([-9.0, -2.0, 0.0, 1.0, 2.0], [0.0, 0.0, 6.0, -1.5, 0.2], std_um=3.0)
    numbers = scene_numbers(SCENES[1], broad, ordinary)
    assert numbers["scene"]["n_images"] == 4 and numbers["ordinary"]["n_images"] == 3
    assert numbers["scene"]["off_by_1um"] == 0.5 and numbers["scene"]["off_by_5um"] == 0.25
    assert numbers["ordinary"]["mae_um"] == pytest.approx(0.1)
    assert numbers["auc_width"] == numbers["auc_both"] == 1.0


def test_layers_are_counted() -> None:
    one, two = answers([0.0], [0.0]).estimates[0], replace(estimate_of(0.0), layers_um=(0.0, -5.0))
    assert Answers(np.zeros(2), [one, two]).layered == 0.5


@pytest.mark.parametrize(
    ("probabilities", "modes"),
    [
        ([1.0, 0.0, 0.0], 1),
        ([0.5, 0.0, 0.5], 2),
        ([0.45, 0.3, 0.25], 1),
        ([0.4, 0.25, 0.35], 1),  # the valley is not deep
        ([0.05, 0.9, 0.0, 0.05], 1),  # the second is too low
        ([0.3, 0.0, 0.3, 0.0, 0.4], 3),
        ([0.04] * 25, 0),
    ],
)
def test_peaks_are_counted(probabilities: list[float], modes: int) -> None:
    assert count_modes(probabilities) == modes


def test_a_picture_survives_as_text() -> None:
    frame_yx = np.arange(200 * 200, dtype=np.uint16).reshape(200, 200)
    picture = as_picture(as_text(frame_yx))
    assert picture.shape == (96, 96)
    assert picture[0, 0] == 0 and picture[-1, -1] == 255 and np.all(np.diff(picture[:, 50].astype(int)) >= 0)
