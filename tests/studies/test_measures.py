"""The study of classical focus measures, at toy size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parfocal.focus_measures import FOCUS_MEASURES
from parfocal.studies.measures import KINDS, STUDY, of_largest, valley_um
from parfocal.studies.running import run_study


@pytest.mark.parametrize(
    ("scores", "z_um"),
    [
        ([1, 9, 5, 3, 4, 8, 1], 0.0),  # between two peaks, whatever lies outside
        ([0, 1, 5, 9, 5, 1, 0], -1.0),  # one peak: the lowest of its upper half, the first of two
        ([2, 2, 2, 2, 2, 2, 2], -3.0),
    ],
)
def test_a_valley_is_the_lowest_between_the_peaks(scores: list[float], z_um: float) -> None:
    assert valley_um(np.arange(-3.0, 4.0), np.array(scores, float)) == z_um


def test_scores_are_over_the_largest_of_their_stack() -> None:
    assert of_largest(np.array([1.0, 4.0])).tolist() == [0.25, 1.0]
    assert of_largest(np.zeros(2)).tolist() == [0.0, 0.0]


def test_every_measure_is_scored_on_every_kind_of_specimen(studies_out: Path) -> None:
    results = run_study(STUDY, studies_out, size="toy")
    assert list(results.cases) == [*KINDS, "network"]
    for kind in KINDS:
        measures = results[kind]["measures"]
        assert set(measures) == set(FOCUS_MEASURES)
        for one in measures.values():
            assert max(one["mean"]) <= 1.0
            assert one["alone"]["n_images"] == one["helped"]["n_images"] > 0
    assert len(STUDY.table(results).rows) == len(FOCUS_MEASURES)
    assert len(STUDY.figures(results)) == 5
    assert len(STUDY.findings(results)) == 4
