"""The course of a lock is kept for days, in little memory, and forgets no bad moment of what it keeps."""

import math

import pytest
from web_world import snapshot_at

from parfocal.control import LockState
from parfocal.web.history import BUCKETS, LEVELS, History, columns

DAY_S = 86400.0


def test_the_last_minutes_are_kept_frame_by_frame():
    history = History()
    for k in range(1000):
        history.add(snapshot_at(0.1 * k), target_um=0.0)
    shown = history.over(60.0)
    assert [bucket.t_s for bucket in shown] == pytest.approx([0.1 * k for k in range(399, 1000)])


def test_days_fit_in_a_bounded_number_of_buckets():
    history = History()
    for k in range(40_000):
        history.add(snapshot_at(k * 5 * DAY_S / 40_000), target_um=0.0)
    kept = history.over()
    assert len(kept) <= BUCKETS
    assert (kept[0].t_s, kept[-1].t_s) == (0.0, pytest.approx(5 * DAY_S, abs=900))
    assert sum(len(level) for level in history._levels) <= BUCKETS * LEVELS


def test_one_bad_frame_in_hours_is_still_seen():
    history = History()
    for k in range(20_000):
        told = {"state": LockState.LOST, "belief_um": 7.0, "in_distribution": 0.01} if k == 4567 else {}
        history.add(snapshot_at(float(k), **told), target_um=1.0)
    bad = [bucket for bucket in history.over() if bucket.state is LockState.LOST]
    assert len(bad) == 1
    assert (bad[0].most_um, bad[0].in_distribution) == (6.0, 0.01)


def test_what_was_not_accepted_says_nothing_of_the_focus():
    history = History()
    history.add(snapshot_at(0.0, accepted=False, defocus_um=9.0), target_um=0.0)
    assert math.isnan(history.over()[0].focus_z_um)
    history.add(snapshot_at(0.05, defocus_um=0.5), target_um=0.0)
    assert history.over()[0].focus_z_um == 99.5


def test_a_hurried_clock_has_longer_buckets():
    history = History(speed=72.0)
    for k in range(100):
        history.add(snapshot_at(3.6 * k), target_um=0.0)
    assert len(history.over(60 * 72.0)) == 50


def test_columns_have_a_list_for_each_value():
    history = History()
    history.add(snapshot_at(1.0), target_um=0.0)
    told = columns(history.over())
    assert told["z_um"] == [100.0]
    assert told["state"] == [LockState.LOCKED]
    assert {len(values) for values in told.values()} == {1}
