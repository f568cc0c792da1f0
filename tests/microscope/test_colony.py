import math
from itertools import groupby

import numpy as np
import pytest

from parfocal.microscope import ColonySettings, FlowSettings
from parfocal.microscope.colony import BESIDE, Chamber
from parfocal.microscope.crossing import Crossing, cluster_of, crossings
from parfocal.microscope.growth import grow_colony
from parfocal.optics import YeastSettings

DAY_S = 24 * 3600.0
FIELD_YX_UM = (61.44, 61.44)
YEAST = YeastSettings()
PILLAR = np.array([[30.0, 30.0, 6.0]])


def colony(
    *, seed=1, start=15, end=100, hours=24.0, field=FIELD_YX_UM, clusters=(), taken=PILLAR, **settings
):
    return grow_colony(
        Chamber(field, 6.0, taken),
        YEAST,
        ColonySettings(**settings),
        cells_at_start=start,
        cells_at_end=end,
        hours=hours,
        clusters=clusters,
        seed=seed,
    )


@pytest.fixture(scope="module")
def day():
    return colony()


def n_cells(colony, t_s):
    """Cells in the field, buds not counted, drifting clusters counted."""
    return len(colony.cells_at(t_s, with_buds=False))


@pytest.mark.parametrize("seed", range(3))
def test_cells_follow_the_course_from_start_to_end(seed):
    grown = colony(seed=seed)
    counts = np.array([n_cells(grown, 3600.0 * hour) for hour in range(25)])
    course = 15 * (100 / 15) ** (np.arange(25) / 24)
    assert counts[0] == 15
    assert np.abs(counts / course - 1).max() < 0.25
    assert counts[-1] == pytest.approx(100, rel=0.1)


def test_fifteen_become_several_hundred_in_a_day_where_there_is_room():
    grown = colony(end=500, field=(194.0, 260.0), taken=np.zeros((0, 3)))
    assert n_cells(grown, 0.0) == 15
    assert n_cells(grown, DAY_S) > 400


def test_with_room_a_colony_doubles_in_two_hours():
    grown = colony(start=20, end=10_000, hours=6.0, field=(300.0, 300.0))
    doublings = math.log2(n_cells(grown, 6 * 3600.0) / n_cells(grown, 0.0))
    assert 6 / doublings == pytest.approx(2.0, abs=0.5)


def test_a_full_chamber_stops_growing():
    grown = colony(end=2000)
    late = [n_cells(grown, 3600.0 * hour) for hour in (18, 24)]
    area_um2 = np.pi * (YEAST.diameter_um / 2) ** 2
    assert late[1] < 1.2 * late[0]
    assert late[1] * area_um2 < 0.8 * FIELD_YX_UM[0] * FIELD_YX_UM[1]


def test_what_is_there_does_not_depend_on_when_else_one_looked(day):
    times_s = [5000.0, 80_000.0, 0.0, 30_000.0]
    asked = {t_s: day.cells_at(t_s) for t_s in times_s}
    again = colony()
    for t_s in sorted(times_s, reverse=True):
        assert again.cells_at(t_s) == asked[t_s]
    assert colony(seed=2).cells_at(0.0) != asked[0.0]


def test_cells_grow_and_move_little_by_little(day):
    for hour in (1, 9, 20):
        before, after = ({c.seed: c for c in day.cells_at(3600.0 * hour + dt)} for dt in (0.0, 10.0))
        stayed = before.keys() & after.keys()
        assert len(stayed) > 0.9 * len(before)
        for seed in stayed:
            moved = np.subtract(after[seed].centre_um, before[seed].centre_um)
            moved[:2] -= np.array(FIELD_YX_UM) * np.round(moved[:2] / FIELD_YX_UM)
            assert np.abs(moved).max() < 0.15
            assert 0 <= after[seed].radius_um - before[seed].radius_um + 1e-12 < 0.05


def test_about_half_of_the_cells_have_a_bud(day):
    shares = [len(day.cells_at(t_s)) / n_cells(day, t_s) - 1 for t_s in np.linspace(3600, DAY_S, 12)]
    assert 0.1 < np.mean(shares) < 0.7


def test_a_bud_touches_its_mother_and_becomes_a_cell(day):
    stayed = [life for life in day.lives if life.gone_s > DAY_S and life.grown_s < DAY_S]
    life = next(x for x in stayed if x.mother is not None and day.lives[x.mother] in stayed and x.born_s > 0)
    mother = day.lives[life.mother]
    sizes = []
    for t_s in np.linspace(life.born_s + 600, life.grown_s, 8):
        cells = {cell.seed: cell for cell in day.cells_at(t_s)}
        bud, grown = cells[life.seed], cells[mother.seed]
        apart = np.subtract(bud.centre_um, grown.centre_um)[:2]
        apart -= np.array(FIELD_YX_UM) * np.round(apart / FIELD_YX_UM)
        assert np.linalg.norm(apart) == pytest.approx(BESIDE * (bud.radius_um + grown.radius_um), rel=1e-6)
        sizes.append(bud.radius_um / life.radius_um)
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.6
    assert life.size_at(life.cell_s, 0.7) == pytest.approx(0.7)


def test_nobody_is_inside_another_or_in_a_pillar(day):
    cells = day.cells_at(DAY_S)
    xy, radii = np.array([c.centre_um[:2] for c in cells]), np.array([c.radius_um for c in cells])
    apart = xy[:, None] - xy
    apart -= np.array(FIELD_YX_UM) * np.round(apart / FIELD_YX_UM)
    gaps = np.linalg.norm(apart, axis=-1) / (radii[:, None] + radii)
    assert gaps[~np.eye(len(cells), dtype=bool)].min() > 0.8
    assert (np.hypot(*(xy - PILLAR[0, :2]).T) - radii).min() > 0.9 * PILLAR[0, 2]


def test_cells_stay_between_floor_and_ceiling(day):
    for t_s in np.linspace(0, DAY_S, 20):
        for cell in day.cells_at(t_s):
            half_um = cell.semi_axes_um[2]
            assert half_um - 1e-9 <= cell.centre_um[2] <= 6.0 - half_um + 1e-9


def test_cells_leave_the_floor_for_the_ceiling_within_minutes_and_some_come_back():
    restless = colony(end=15, let_go_per_h=0.3, come_back_per_h=0.3, rise_min=5.0)
    lifts = {life.lifts for life in restless.lives if len(life.lifts) > 2}
    assert len(lifts) > 5
    life = next(x for x in restless.lives if x.mother is None and x.lifts[0][1] == 0 and len(x.lifts) > 2)
    (_, _), (up_s, _), (down_s, _) = life.lifts[:3]

    def height_um(t_s):
        return next(c.centre_um[2] for c in restless.cells_at(t_s) if c.seed == life.seed)

    half_um = life.semi_axes_um[2]
    assert height_um(up_s) == pytest.approx(half_um)
    assert half_um < height_um(up_s + 150) < 6.0 - half_um
    assert height_um(min(up_s + 300, down_s)) > half_um + 0.1
    if down_s > up_s + 300:
        assert height_um(up_s + 301) == pytest.approx(6.0 - half_um)


def test_the_share_under_the_ceiling_grows_as_cells_let_go():
    calm, restless = (colony(end=15, let_go_per_h=rate, come_back_per_h=0.0) for rate in (0.0, 0.1))

    def up(grown, t_s):
        return np.mean([cell.layer == "ceiling" for cell in grown.cells_at(t_s)])

    assert up(restless, DAY_S) > up(calm, DAY_S) + 0.3


def test_a_cluster_sweeps_along_what_is_in_its_way():
    in_its_way = colony().lives[0].root_xy_um[1]
    crossing = Crossing(start_s=7200.0, y_um=in_its_way, um_per_s=30 / 3600, seed=3)
    drifting = cluster_of(crossing, FlowSettings(), YEAST, height_um=6.0)
    grown = colony(end=40, clusters=(drifting,), taken=PILLAR)
    swept = [life for life in grown.lives if life.mother is None and life.gone_s < DAY_S]
    assert 0 < len(swept) < 15
    for t_s in np.arange(3600, 18_000, 600.0):
        members = drifting.cells_at(t_s, FIELD_YX_UM)
        seeds = {cell.seed for cell in members}
        for cell in grown.cells_at(t_s):
            if cell.seed in seeds:
                continue
            for member in members:
                apart = np.subtract(cell.centre_um, member.centre_um)[:2]
                apart -= np.array(FIELD_YX_UM) * np.round(apart / FIELD_YX_UM)
                assert np.linalg.norm(apart) > 0.8 * (cell.radius_um + member.radius_um)


@pytest.mark.parametrize("seed", [1, 7, 8, 11])
def test_a_small_field_that_clusters_sweep_clean_is_settled_again(seed):
    field = (23.0, 31.0)
    coming = crossings(per_day=4.0, um_per_h=30.0, height_um=field[0], until_s=DAY_S, seed=(seed, 13))
    clusters = tuple(cluster_of(crossing, FlowSettings(), YEAST, height_um=6.0) for crossing in coming)
    grown = colony(seed=seed, end=60, field=field, taken=np.zeros((0, 3)), clusters=clusters)
    times_s = np.arange(0, DAY_S + 1, 600.0)
    here = [sum(life.cell_s <= t_s < life.gone_s for life in grown.lives) for t_s in times_s]
    settled = [life for life in grown.lives if life.mother is None and life.born_s > 0]
    assert settled and min(here) < 3  # it was swept
    longest = max((len(list(run)) for is_bare, run in groupby(n == 0 for n in here) if is_bare), default=0)
    assert here[-1] > 0
    assert longest * 600 < 5 * 3600
    for life in settled:  # nobody settles in a cluster
        discs = [cluster.touches_s(*life.root_xy_um, life.radius_um, field) for cluster in clusters]
        assert not [t for t in discs if t and t[0] <= life.born_s <= t[1]]
