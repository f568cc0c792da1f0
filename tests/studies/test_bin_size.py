"""The study of bin sizes and z steps, at toy size and on made-up numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parfocal.studies.bin_size import (
    STUDY,
    every_nth,
    probability_map,
    quantisation_floor_um2,
)
from parfocal.studies.learned import Answers
from parfocal.studies.paper_network import paper_recipe
from parfocal.studies.running import run_study
from parfocal.zstack import ZStack

INTEGERS = np.arange(-20.0, 21.0)


@pytest.mark.parametrize(("bin_um", "n_bins"), [(1.0, 41), (2.0, 21), (3.0, 15), (4.0, 11), (5.0, 9)])
def test_bins_cover_20_um_to_each_side_with_one_about_focus(bin_um: float, n_bins: int) -> None:
    centres_um = paper_recipe("paper", bin_um=bin_um).bins.centres_um
    assert len(centres_um) == n_bins
    assert 0.0 in centres_um
    assert centres_um[-1] >= 20.0


@pytest.mark.parametrize(("bin_um", "floor_um2"), [(1.0, 0.0), (3.0, 2 / 3), (5.0, 2.0)])
def test_the_floor_of_odd_bins_on_whole_micrometres_is_that_of_their_members(
    bin_um: float, floor_um2: float
) -> None:
    n = int(bin_um) // 2
    members = np.arange(-n, n + 1.0)  # of the bin about focus
    assert quantisation_floor_um2(members, np.array([-bin_um, 0.0, bin_um])) == pytest.approx(floor_um2)


def test_answers_are_counted_where_they_belong() -> None:
    answers = Answers(np.array([0.0, 0.2, 5.0, 5.0]), np.array([0.0, 5.0, 5.0, 5.0]), ["a"] * 4)
    chart = probability_map(answers, np.array([-5.0, 0.0, 5.0]))
    rows = dict(zip(np.array(chart["actual_edges_um"][:-1]) + 0.5, chart["probability"], strict=True))
    assert rows[0.0] == [0.0, 0.5, 0.5]
    assert rows[5.0] == [0.0, 0.0, 1.0]
    assert rows[3.0] is None


def test_every_second_plane_keeps_its_position() -> None:
    stack = ZStack(np.arange(5 * 9).reshape(5, 3, 3).astype(np.uint16), np.arange(5.0), 0.24)
    half = every_nth(stack, n=2)
    assert half.z_um.tolist() == [0.0, 2.0, 4.0]
    assert (half.frames_zyx[1] == stack.frames_zyx[2]).all()


def test_bins_and_z_steps_are_learned_and_shown(studies_out: Path) -> None:
    results = run_study(STUDY, studies_out, size="toy")
    assert list(results.cases) == ["10X-bins-1um", "10X-bins-5um", "z-step-1um", "z-step-0.5um"]
    fine, coarse = results["10X-bins-1um"], results["10X-bins-5um"]
    assert fine["floor_um2"] < 1 / 12 + 0.06 < coarse["floor_um2"]
    assert results["z-step-0.5um"]["n_images"] == results["z-step-1um"]["n_images"]  # asked about all planes
    assert set(STUDY.figures(results)) == {"maps", "bin-size", "z-step"}
    assert len(STUDY.findings(results)) == 3
    assert len(STUDY.table(results).rows) == 4
