"""A learned surface tells where the focus will be, and doubts what it cannot explain."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parfocal.control import (
    DoubtSettings,
    FocusMeasurement,
    LearnedSurface,
    SurfacePrior,
    Verdict,
    propose,
    serpentine,
    surface_from_json,
    surface_json,
    well_positions_um,
)
from parfocal.errors import InputError
from parfocal.estimate import FocusEstimate
from parfocal.microscope.drift import thermal_drift

WELLS_UM = well_positions_um(96)
ORDER = serpentine(WELLS_UM)
EVERY_S = 5.0


class Plate:
    """Wells with tilt, bow and own heights, all drifting together; the truth behind the tests."""

    def __init__(self, *, seed=0, drift_um=lambda t_s: 0.0, wells_um=WELLS_UM):
        self._random = np.random.default_rng(seed)
        self._drift_um, self.wells_um = drift_um, wells_um
        tilt = self._random.uniform(-2e-3, 2e-3, 2)
        x, y = ((wells_um - wells_um.mean(axis=0)) / 50_000).T
        own_um = self._random.normal(0, 0.7, len(wells_um))
        self._heights_um = 80.0 + wells_um @ tilt + 12 * x * x - 9 * y * y + 5 * x * y + own_um

    def focus_um(self, well, t_s):
        return self._heights_um[well] + self._drift_um(t_s)

    def measure(self, well, t_s, *, wrong_um=0.0):
        told_um = self.focus_um(well, t_s) + self._random.normal(0, 0.2) + wrong_um
        return FocusMeasurement(t_s, *self.wells_um[well].tolist(), told_um, 0.2)


def visit(surface, plate, *, order=ORDER, start_s=0.0, wrong_um=None):
    """One pass over the wells. Gives the surface, how far it was off before each image, and its verdicts."""
    off_um, verdicts = {}, {}
    for k, well in enumerate(order):
        t_s = start_s + EVERY_S * k
        expected = surface.at(*plate.wells_um[well], t_s=t_s)
        off_um[well] = expected.focus_z_um - plate.focus_um(well, t_s)
        surface = surface.learn(plate.measure(well, t_s, wrong_um=(wrong_um or {}).get(well, 0.0)))
        verdicts[well] = surface.verdict
    return surface, off_um, verdicts


def rms(off_um):
    return float(np.sqrt(np.mean(np.square(list(off_um.values())))))


def test_before_the_first_measurement_it_says_how_little_it_knows():
    surface = LearnedSurface(prior=SurfacePrior(expected_z_um=70.0, level_um=300.0))
    told = surface.at(1e4, 2e4, t_s=5.0)
    assert told.focus_z_um == 70.0
    assert told.std_um == pytest.approx(300.0, rel=0.01)


@pytest.mark.parametrize(
    "chosen", [(0, 11, 84), (0, 1, 2), (0, 1, 12)], ids=["corners", "in a line", "close"]
)
def test_three_points_do_not_make_it_certain(chosen):
    surface, plate = LearnedSurface(), Plate(seed=1)
    for well in chosen:
        surface = surface.learn(plate.measure(well, 0.0))
    told_um, std_um = surface.at_all(WELLS_UM, t_s=1.0)
    others = [well for well in range(96) if well not in chosen]
    assert std_um[others].min() > 1.0
    assert std_um[chosen[0]] < 0.3
    off_sds = (told_um - plate.focus_um(np.arange(96), 1.0))[others] / std_um[others]
    assert np.abs(off_sds).max() < 4


@pytest.mark.parametrize("seed", range(4))
def test_it_is_as_sure_as_it_is_right(seed):
    plate = Plate(seed=seed, drift_um=thermal_drift(range_um=40.0, hours=24.0, seed=seed))
    surface, sds = LearnedSurface(), []
    for start_s in (0.0, 3600.0, 4 * 3600.0):
        for k, well in enumerate(ORDER):
            t_s = start_s + EVERY_S * k
            told = surface.at(*WELLS_UM[well], t_s=t_s)
            sds.append((told.focus_z_um - plate.focus_um(well, t_s)) / told.std_um)
            surface = surface.learn(plate.measure(well, t_s))
    assert 0.4 < np.std(sds) < 1.3
    assert np.mean(np.abs(sds) < 3) > 0.97


def test_a_position_that_was_visited_is_known_better_than_its_neighbours():
    surface, *_ = visit(LearnedSurface(), Plate())
    well, between_um = WELLS_UM[40], WELLS_UM[40] + [4500.0, 0.0]
    assert surface.at(*well, t_s=480.0).std_um < 0.4 * surface.at(*between_um, t_s=480.0).std_um


def test_drift_of_40_um_in_a_day_is_followed_with_one_frame_a_position_each_hour():
    drift_um = thermal_drift(range_um=40.0, hours=24.0, seed=3)
    plate, surface = Plate(seed=2, drift_um=drift_um), LearnedSurface()
    off_um = []
    for hour in range(12):
        surface, off, _ = visit(surface, plate, start_s=3600.0 * hour)
        off_um.append(off)
    assert max(rms(dict(list(off.items())[2:])) for off in off_um[1:]) < 0.35
    assert max(abs(next(iter(off.values()))) for off in off_um[2:]) < 2.5
    assert surface.n_jumps == 0
    assert surface.n_taken == 12 * 96


def test_a_whole_plate_of_384_is_known_after_a_pass():
    plate = Plate(seed=4, wells_um=well_positions_um(384))
    surface, off_um, _ = visit(LearnedSurface(), plate, order=serpentine(plate.wells_um))
    _, again_um, _ = visit(surface, plate, order=serpentine(plate.wells_um), start_s=3600.0)
    assert rms(dict(list(off_um.items())[24:])) < 1.2
    assert rms(again_um) < 0.35


@pytest.mark.parametrize("hurt", [1, 5, 30])
def test_a_wrong_answer_now_and_then_is_left_out(hurt):
    plate = Plate(seed=5)
    surface, *_ = visit(LearnedSurface(), plate)
    wells = ORDER[7 :: 96 // hurt][:hurt] if hurt < 30 else ORDER[1::3]
    wrong_um = {well: 15.0 if k % 2 else -9.0 for k, well in enumerate(wells)}
    after, off_um, verdicts = visit(surface, plate, start_s=3600.0, wrong_um=wrong_um)
    assert {well for well, verdict in verdicts.items() if verdict is not Verdict.TAKEN} == set(wells)
    assert after.n_jumps == 0
    assert max(map(abs, list(off_um.values())[5:])) < 1.0
    _, again_um, _ = visit(after, plate, start_s=7200.0)
    assert max(map(abs, list(again_um.values())[5:])) < 1.0


def test_a_bubble_on_the_first_pass_harms_no_other_well():
    plate, bubbles = Plate(seed=6), {20: 30.0, 53: -12.0, 70: 25.0}
    surface, _, verdicts = visit(LearnedSurface(), plate, wrong_um=bubbles)
    assert {well for well, verdict in verdicts.items() if verdict is not Verdict.TAKEN} == set(bubbles)
    _, off_um, _ = visit(surface, plate, start_s=3600.0)
    assert max(map(abs, list(off_um.values())[5:])) < 2.0


@pytest.mark.parametrize("nth", [0, 1, 2, 3, 6])
def test_a_wrong_answer_among_the_first_is_found_out_later(nth):
    """When it comes, nothing contradicts it."""
    plate, bad = Plate(seed=7), ORDER[nth]
    surface, *_ = visit(LearnedSurface(), plate, wrong_um={bad: 25.0})
    told_um, _ = surface.at_all(WELLS_UM, t_s=500.0)
    off_um = np.delete(told_um - plate.focus_um(np.arange(96), 500.0), bad)
    assert np.abs(off_um).max() < 1.0


def test_a_well_that_says_the_same_again_is_believed_and_its_neighbours_stay_as_they_were():
    plate, wrong_um = Plate(seed=8), {45: 20.0}
    surface, *_ = visit(LearnedSurface(), plate)
    surface, _, verdicts = visit(surface, plate, start_s=3600.0, wrong_um=wrong_um)
    assert verdicts[45] is Verdict.DOUBTED
    surface, _, verdicts = visit(surface, plate, start_s=7200.0, wrong_um=wrong_um)
    assert verdicts[45] is Verdict.SAID_AGAIN
    told = surface.at(*WELLS_UM[45], t_s=7200.0)
    assert told.focus_z_um == pytest.approx(plate.focus_um(45, 0.0) + 20.0, abs=0.8)
    beside = surface.at(*WELLS_UM[46], t_s=7200.0)
    assert beside.focus_z_um == pytest.approx(plate.focus_um(46, 0.0), abs=0.6)


def test_the_same_frame_again_is_not_believed_more():
    plate = Plate(seed=8)
    surface, *_ = visit(LearnedSurface(), plate)
    wrong = plate.measure(45, 3600.0, wrong_um=20.0)
    for k in range(20):
        surface = surface.learn(FocusMeasurement(3600.0 + 0.05 * k, *WELLS_UM[45], wrong.focus_z_um, 0.2))
        assert surface.verdict is Verdict.DOUBTED


@pytest.mark.parametrize("jump_um", [5.0, -5.0, 40.0])
def test_a_jump_of_the_whole_stage_is_followed_after_three_positions(jump_um):
    def drift_um(t_s):
        return jump_um if t_s > 3600.0 + 20 * EVERY_S else 0.0

    plate = Plate(seed=9, drift_um=drift_um)
    surface, *_ = visit(LearnedSurface(), plate)
    surface, off_um, verdicts = visit(surface, plate, start_s=3600.0)
    said = [verdicts[well] for well in ORDER]
    assert said[21:24] == [Verdict.DOUBTED, Verdict.DOUBTED, Verdict.JUMP]
    assert {*said[:21], *said[24:]} == {Verdict.TAKEN}
    assert max(abs(off_um[well]) for well in ORDER[24:]) < 0.8
    assert surface.n_jumps == 1
    _, off_um, _ = visit(surface, plate, start_s=7200.0)
    assert max(map(abs, list(off_um.values())[5:])) < 0.8


def test_a_jump_on_the_first_pass_is_followed_and_what_it_spoilt_is_learned_anew():
    """It looked like a bend; on later passes it would look like a jump at the same place again and again."""
    plate = Plate(seed=10, drift_um=lambda t_s: 5.0 if t_s > 40 * EVERY_S else 0.0)
    surface, off_um, _ = visit(LearnedSurface(), plate)
    assert max(abs(off_um[well]) for well in ORDER[50:]) < 4.0
    for hour in (1, 2, 3, 4):
        surface, off_um, _ = visit(surface, plate, start_s=3600.0 * hour)
    assert rms(off_um) < 0.5


def test_empty_positions_give_no_measurement_and_are_predicted_from_their_neighbours():
    plate, empty = Plate(seed=11), {3, 17, 30, 31, 44, 59, 60, 72, 88, 95}
    order = [well for well in ORDER if well not in empty]
    surface, *_ = visit(LearnedSurface(), plate, order=order)
    told_um, std_um = surface.at_all(WELLS_UM[sorted(empty)], t_s=480.0)
    off_um = told_um - plate.focus_um(sorted(empty), 480.0)
    assert np.abs(off_um / std_um).max() < 3
    assert std_um.max() < 2.0


@pytest.mark.parametrize("accepted", [True, False])
def test_an_estimate_becomes_a_measurement_only_if_it_is_accepted(accepted):
    none = np.zeros(0)
    estimate = FocusEstimate(2.0, 0.3, (1.0, 3.0), none, none, 1.0, accepted, (), 1.0)
    place = {"t_s": 1.0, "x_um": 2.0, "y_um": 3.0, "z_um": 100.0}
    told = FocusMeasurement.from_estimate(estimate, **place, target_um=0.5)
    assert told == (FocusMeasurement(1.0, 2.0, 3.0, 98.5, 0.3) if accepted else None)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["t_s", "x_um", "y_um", "focus_z_um", "std_um"])
def test_what_is_not_a_number_is_refused(name, value):
    values = {"t_s": 0.0, "x_um": 0.0, "y_um": 0.0, "focus_z_um": 0.0, "std_um": 0.2} | {name: value}
    with pytest.raises(InputError, match="finite"):
        LearnedSurface().learn(FocusMeasurement(**values))


@given(
    told=st.lists(
        st.tuples(
            st.integers(0, 95),
            st.sampled_from([0.0, 5.0, 60.0, 3600.0, 1e6]),
            st.sampled_from([0.0, 0.5, 5.0, -5.0, 40.0, -900.0]) | st.floats(-1e4, 1e4),
            st.sampled_from([1e-3, 0.2, 5.0]),
        ),
        max_size=30,
    )
)
@settings(max_examples=25, deadline=None)
def test_whatever_is_measured_it_goes_on_and_no_variance_is_lost(told):
    surface, t_s = LearnedSurface(), 0.0
    for well, dt_s, z_um, std_um in told:
        t_s += dt_s
        surface = surface.learn(FocusMeasurement(t_s, *WELLS_UM[well].tolist(), z_um, std_um))
    z_um, std_um = surface.at_all(WELLS_UM, t_s=t_s)
    assert np.isfinite(z_um).all() and (std_um > 0).all()
    if surface.belief is not None:
        assert np.linalg.eigvalsh(surface.belief.covariance).min() > -1e-5
    assert surface_json(surface_from_json(surface_json(surface))) == surface_json(surface)


def test_a_surface_stays_as_it_was_when_another_learns_from_it():
    plate = Plate()
    surface, *_ = visit(LearnedSurface(), plate, order=ORDER[:10])
    before = surface.at(5e4, 5e4, t_s=100.0)
    surface.learn(plate.measure(50, 100.0))
    assert surface.at(5e4, 5e4, t_s=100.0) == before


def test_a_grid_is_the_surface_at_each_of_its_points():
    surface, *_ = visit(LearnedSurface(), Plate())
    grid = surface.grid([0.0, 500.0, 9000.0], [2500.0, 18_000.0], t_s=600.0)
    assert grid.focus_z_yx_um.shape == grid.std_yx_um.shape == (2, 3)
    told = surface.at(9000.0, 2500.0, t_s=600.0)
    assert (grid.focus_z_yx_um[0, 2], grid.std_yx_um[0, 2]) == pytest.approx((told.focus_z_um, told.std_um))


def test_a_resumed_surface_goes_on_number_for_number():
    plate = Plate(seed=12)
    surface, *_ = visit(LearnedSurface(doubt=DoubtSettings(gate_sds=5.0)), plate, wrong_um={40: 30.0})
    resumed = surface_from_json(surface_json(surface))
    assert resumed.doubt == surface.doubt and resumed.doubted == surface.doubted and surface.doubted
    later, again = (visit(s, Plate(seed=13), start_s=3600.0)[0] for s in (surface, resumed))
    np.testing.assert_array_equal(later.belief.mean, again.belief.mean)
    np.testing.assert_allclose(later.belief.covariance, again.belief.covariance, rtol=0, atol=1e-9)
    assert surface_json(resumed) == surface_json(surface)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({"kind": "something else"}),
        surface_json(LearnedSurface()).replace("bow_mm", "bow_nm"),
        surface_json(LearnedSurface()).replace('"belief": null', '"belief": {}'),
    ],
)
def test_a_text_that_is_no_surface_is_refused(text):
    with pytest.raises(InputError):
        surface_from_json(text)


def test_each_position_is_visited_once_and_no_move_is_long():
    for n_wells in (6, 24, 96, 384):
        wells_um = well_positions_um(n_wells)
        shuffled = np.random.default_rng(1).permutation(n_wells)
        order = serpentine(wells_um[shuffled])
        assert sorted(order) == list(range(n_wells))
        moves_um = np.hypot(*np.diff(wells_um[shuffled][order], axis=0).T)
        assert np.ptp(moves_um) < 1e-6


def test_the_first_proposed_positions_tell_more_than_the_same_number_in_a_corner():
    def left_um2(chosen):
        surface, plate = LearnedSurface(), Plate()
        for well in chosen:
            surface = surface.learn(plate.measure(well, 0.0))
        return np.square(surface.at_all(WELLS_UM, t_s=0.0)[1]).sum()

    proposed = propose(LearnedSurface(), WELLS_UM, t_s=0.0, n=5)
    assert len(set(proposed)) == 5
    assert left_um2(proposed) < 0.6 * left_um2([0, 11, 84, 95, 1])
    assert left_um2(proposed) < 0.1 * left_um2([0, 1, 2, 12, 13])


def test_the_worst_known_position_is_proposed_where_that_is_asked_for():
    surface, *_ = visit(LearnedSurface(), Plate(), order=ORDER[:60])
    [worst] = propose(surface, WELLS_UM, t_s=300.0, aim="worst")
    assert worst == np.argmax(surface.at_all(WELLS_UM, t_s=300.0)[1])


def test_what_is_proposed_lessens_the_whole_variance_most():
    surface, plate = LearnedSurface(), Plate()
    for well in ORDER[:30]:
        surface = surface.learn(plate.measure(well, 0.0))

    def left_um2(well):
        expected = surface.at(*WELLS_UM[well], t_s=0.0).focus_z_um
        after = surface.learn(FocusMeasurement(0.0, *WELLS_UM[well], expected, 0.2))
        return np.square(after.at_all(WELLS_UM, t_s=0.0)[1]).sum()

    [best] = propose(surface, WELLS_UM, t_s=0.0, std_um=0.2)
    left = np.array([left_um2(well) for well in range(96)])
    assert left[best] < left.min() + 0.01 * (left_um2(ORDER[0]) - left.min())


def test_no_candidates_no_proposal():
    assert propose(LearnedSurface(), [], t_s=0.0) == []


def test_a_plate_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="96"):
        well_positions_um(100)
