"""The study of live control: how well each holder held, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parfocal.control import LimitSettings, SimulatedClock
from parfocal.microscope import SimulatedMicroscope
from parfocal.studies.closed_loop import (
    BAND_UM,
    MOST_KEPT,
    NONE,
    OURS,
    PAPER,
    PLANS,
    STUDY,
    Holder,
    Step,
    hold,
    how_held,
    paper_rule,
    thinned,
)
from parfocal.studies.running import run_study
from parfocal.studies.study import Results
from tiny_microscope import TINY

TOY = PLANS["toy"]


@pytest.fixture(scope="module")
def results(studies_out: Path) -> Results:
    return run_study(STUDY, studies_out, size="toy")


def test_all_holders_have_the_same_drift_and_frames(results: Results) -> None:
    assert list(results.cases) == [NONE, PAPER, OURS]
    assert {told["n_frames"] for told in results.cases.values()} == {TOY.n_frames}
    assert {told["drift_um"] for told in results.cases.values()} == {results[NONE]["drift_um"]}
    assert results[NONE]["drift_um"] == pytest.approx(TOY.drift_um, rel=0.1)


def test_with_no_control_the_stage_stands_and_the_focus_is_lost(results: Results) -> None:
    none = results[NONE]
    assert none["moves"] == none["travel_um"] == none["stage_range_um"] == 0
    assert none["largest_um"] == pytest.approx(TOY.drift_um, rel=0.3)
    assert set(none["course"]["told_um"]) == {None}


def test_our_lock_leaves_less_than_no_control(results: Results) -> None:
    assert results[OURS]["rms_um"] < results[NONE]["rms_um"]
    assert results[OURS]["moves"] > 0


def test_the_network_of_2018_is_trained_in_its_case(results: Results) -> None:
    assert results[PAPER]["steps"] == 4 and "steps" not in results[OURS]


def test_the_figures_show_stage_and_defocus_of_both_holders(results: Results) -> None:
    drawn = STUDY.figures(results)
    assert list(drawn) == ["held-by-2018", "held-by-ours"]
    for name, one in zip((PAPER, OURS), drawn.values(), strict=True):
        above, below = one.figure.axes
        assert above.lines[0].get_ydata().tolist() == results[name]["course"]["stage_um"]
        assert below.lines[-1].get_ydata().tolist() == results[name]["course"]["true_um"]


def test_table_and_findings_tell_the_numbers(results: Results) -> None:
    table, (held, *_) = STUDY.table(results), STUDY.findings(results)
    assert [row[1] for row in table.rows] == [f"{told['rms_um']:.2f}" for told in results.cases.values()]
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert f"{results[PAPER]['within_1um']:.0%} of the frames are within 1 µm" in held.here
    assert held.verdict != "agrees"  # after four steps


def test_a_day_at_the_size_of_the_paper_is_that_of_the_paper() -> None:
    plan = PLANS["paper"]
    assert (plan.hours, plan.drift_um, plan.cells_at_start) == (24.0, 40.0, 15)
    assert plan.n_frames == 24 * 3600 * 20


class Knows:
    """Answers with the true defocus."""

    fingerprint = "knows"
    z_range_um = (-20.0, 20.0)

    def __init__(self, microscope: SimulatedMicroscope) -> None:
        self._microscope = microscope

    def estimate(self, frame_yx, *, pixel_size_um):
        from_focus = self._microscope.true_defocus_um()
        return type("Told", (), {"defocus_um": from_focus})()


def test_the_rule_of_2018_holds_what_it_is_told_rightly() -> None:
    def make(live: SimulatedMicroscope, limits: LimitSettings, clock: SimulatedClock) -> Holder:
        return paper_rule(Knows(live))(live, limits, clock)

    told = hold(TOY, TINY, make)
    left_um = np.abs(told["course"]["true_um"])
    assert left_um.max() < BAND_UM + 0.5  # it drifts between two frames
    assert left_um.max() > BAND_UM  # it does not move before
    assert 0 < told["moves"] < 10


def test_a_holder_that_stands_still_takes_no_frame() -> None:
    assert Step() == Step(None, accepted=True, move_um=0.0)


def test_how_held_counts_from_a_frame_on_but_all_moves() -> None:
    told = how_held(np.array([5.0, 0.6, -0.8]), stage_um=[0, -5, -5], moves_um=[-5, 0, 0.5], since=1)
    assert told["rms_um"] == pytest.approx(np.sqrt((0.36 + 0.64) / 2))
    assert (told["largest_um"], told["within_1um"]) == (0.8, 1.0)
    assert (told["moves"], told["travel_um"], told["stage_range_um"]) == (2, 5.5, 5.0)


@pytest.mark.parametrize("n", [1, MOST_KEPT, MOST_KEPT + 1, 1_728_000])
def test_few_values_are_kept_of_many(n: int) -> None:
    kept = thinned(np.arange(n))
    assert len(kept) <= MOST_KEPT and kept[0] == 0
