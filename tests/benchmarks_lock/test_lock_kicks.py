"""Kicks: how frames until focus are counted, on which scenes, and how their file and table are made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kicks
import pytest
import side_by_side
from holders import Holder, LockHolder, StandsStill
from jumping_focus import JumpingFocus
from kicks import KickPlan, frames_to_focus, kick_scene, scenes_made, table
from lock_fakes import TruthfulEstimator
from rules import EachAnswer
from side_by_side import Stand, by_rule, focus_lock, sample_of

from parfocal.control import SimulatedClock
from parfocal.errors import InputError
from parfocal.microscope import SimulatedMicroscope
from tiny_microscope import TINY

PLAN = KickPlan(kicks=5, scenes=2)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "virtual_microscope", lambda plan: TINY)


def truthful(stand: Stand) -> Holder:
    estimator = TruthfulEstimator(stand.microscope, noise_um=0.05, bias_um=0.0)
    return LockHolder(focus_lock(stand, estimator))


def test_a_drive_whose_focus_jumps_reads_what_it_read_before() -> None:
    microscope = SimulatedMicroscope(TINY, seed=3, clock=SimulatedClock(paced=False))
    drive, before_um = JumpingFocus(microscope), microscope.true_defocus_um()
    reads_um = drive.position_um()
    drive.jump(7.0)
    assert drive.position_um() == pytest.approx(reads_um)
    assert microscope.true_defocus_um() - before_um == pytest.approx(7.0, abs=0.6)  # it settles
    drive.move_to(reads_um - 7.0)
    assert microscope.true_defocus_um() == pytest.approx(before_um, abs=0.6)


@pytest.mark.parametrize(
    ("kick_um", "fewest", "most"), [(0.5, 0, 0), (-2.0, 1, 4), (12.0, 3, 20), (-12.0, 5, 20)]
)
def test_a_truthful_lock_is_back_after_a_few_frames(kick_um: float, fewest: int, most: int) -> None:
    run, t_s, _ = PLAN.of_scene(0)
    frames = frames_to_focus(Stand(run, sample_of(run), truthful, begin_s=t_s), kick_um=kick_um)
    assert frames is not None and fewest <= frames <= most


def test_who_stands_still_never_finds_back() -> None:
    run, t_s, _ = PLAN.of_scene(0)
    stand = Stand(run, sample_of(run), lambda stand: StandsStill(), begin_s=t_s)
    assert frames_to_focus(stand, kick_um=3.0) is None


def test_kicks_are_spread_over_scenes_of_their_own() -> None:
    (one, one_s, first), (other, _, second) = PLAN.of_scene(0), PLAN.of_scene(1)
    assert (len(first), len(second)) == (3, 2) and one.seed != other.seed
    assert one_s % one.scene_every_s == 0 and max(abs(first)) <= kicks.FARTHEST_UM
    told = kick_scene(PLAN, 1, {"parfocal": truthful})
    assert [set(kick["frames"]) for kick in told] == [{"parfocal"}] * 2
    assert [kick["refused"] for kick in told] == [{"parfocal": 0.0}] * 2


def results(frames: list[int | None]) -> dict[str, Any]:
    scene = [
        {"seed": 200, "t_s": 0.0, "kick_um": um, "frames": {"parfocal": n}, "refused": {"parfocal": 0.25}}
        for um, n in zip((1.0, -6.0, 11.0, 14.0), frames, strict=True)
    ]
    return {
        "plan": {"kicks": 4},
        "models": {"ours": "abc", "paper": None},
        "processor": "a processor",
        "commit": "0123456789",
        "date": "2018-03-16",
        "scenes": [scene],
    }


def test_a_kick_that_was_never_found_back_from_counts_as_late() -> None:
    line = table(results([0, 4, 20, None])).splitlines()[2]
    assert line == "| parfocal | 4 | 75.0% | 100.0% | 100.0% | 50.0% | 20 | inf | 1 | 25.0% |"


def test_scenes_that_are_there_are_kept_and_those_of_another_plan_refused(tmp_path: Path) -> None:
    file, made = tmp_path / "kicks.json", results([0, 4, 20, None])
    assert scenes_made(file, {"plan": {"kicks": 4}}) == []
    file.write_text(json.dumps(made), "utf-8")
    assert scenes_made(file, {"plan": {"kicks": 4}}) == made["scenes"]
    with pytest.raises(InputError, match="of the plan"):
        scenes_made(file, {"plan": {"kicks": 5}})


def test_a_rule_stands_before_its_scene_like_a_lock() -> None:
    run, t_s, _ = PLAN.of_scene(0)

    def by_answer(stand: Stand) -> Holder:
        estimator = TruthfulEstimator(stand.microscope, noise_um=0.05, bias_um=0.0)
        return by_rule(lambda: EachAnswer(estimator))(stand)

    stand = Stand(run, sample_of(run), by_answer, begin_s=t_s)
    assert frames_to_focus(stand, kick_um=-4.0) in (1, 2, 3)
