"""What the page shows is whole in every state, and says nothing that the lock does not know."""

import json
import re
from xml.etree import ElementTree

import pytest
from web_world import START, snapshot_at, steps_of

from parfocal.control import LockState, LockSummary
from parfocal.web.board import LockBoard
from parfocal.web.look import LOOKS
from parfocal.web.showcase import SPANS, Showcase

HELD = LockSummary(1.0, 72_000, 72_000, 20, 0.1, 0.4, 1.0, 0, True, 3.0)


def shown_of(*snapshots, heard=()):
    board = LockBoard(START)
    board.take(steps_of(*snapshots, heard=heard))
    return Showcase(board).now()


def test_every_state_has_a_word_a_colour_and_a_shape_of_its_own():
    assert set(LOOKS) == set(LockState)
    assert len({look.shape for look in LOOKS.values()}) == len(LOOKS)
    assert len({look.meaning for look in LOOKS.values()}) == len(LOOKS)


@pytest.mark.parametrize("state", LockState)
def test_the_state_is_told_at_a_glance(state):
    shown = shown_of(snapshot_at(1.0), snapshot_at(2.0, state=state), snapshot_at(62.0, state=state))
    assert f"<b>{state}</b>" in shown.state
    assert LOOKS[state].colour in shown.state


def test_the_drawings_are_well_formed_wherever_the_stage_is():
    for z_um in (90.0, 100.0, 110.0, 200.0):
        for belief_um, sd_um in ((0.0, 0.1), (-14.0, 3.0), (0.0, 1000.0)):
            shown = shown_of(snapshot_at(1.0, z_um=z_um, belief_um=belief_um, belief_sd_um=sd_um))
            for drawing in (shown.stage, shown.belief):
                for svg in re.findall(r"<svg.*?</svg>", drawing, re.DOTALL):
                    ElementTree.fromstring(svg)


def test_nothing_is_told_of_a_focus_that_is_not_known():
    shown = shown_of(snapshot_at(1.0, belief_sd_um=1000.0, accepted=False))
    assert "not known yet" in shown.defocus
    assert "refused" in shown.belief


def test_words_of_devices_and_paths_are_words_only():
    mark_up = "<script>alert(1)</script>"
    shown = shown_of(snapshot_at(1.0, state=LockState.LOST, reason=mark_up), heard=((0.5, mark_up),))
    for part in (shown.banner, shown.trust, shown.events):
        assert "<script" not in part
        assert "&lt;script" in part


def test_the_end_is_told_with_the_way_to_go_on():
    board = LockBoard(START)
    board.take(steps_of(snapshot_at(1.0)))
    board.end(HELD)
    banner = Showcase(board).now().banner
    assert "Focus was held for 1 h 0 min" in banner
    assert "--resume night.sqlite" in banner


@pytest.mark.parametrize("name", SPANS)
def test_the_strip_chart_is_plain_json_and_as_long_as_a_screen_is_wide(name):
    board = LockBoard(START)
    for k in range(3000):
        board.take(steps_of(snapshot_at(k * 20.0, accepted=k % 7 > 0, true_defocus_um=0.2)))
    chart = Showcase(board).chart(name)
    text = json.dumps(chart, allow_nan=False)
    assert len(text) < 80_000
    assert {trace["name"] for trace in chart["data"] if trace.get("name")} == {
        "stage",
        "focus",
        "believed",
        "true",
    }


def test_viewers_share_what_was_made_a_moment_ago():
    board = LockBoard(START)
    board.take(steps_of(snapshot_at(1.0)))
    showcase = Showcase(board)
    assert showcase.now() is showcase.now()
    assert showcase.chart("all") is showcase.chart("all")
