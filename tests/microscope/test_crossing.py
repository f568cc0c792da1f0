import numpy as np
import pytest

from parfocal.microscope import FlowSettings
from parfocal.microscope.crossing import Crossing, cluster_of, crossings
from parfocal.optics import YeastSettings

FIELD_YX_UM = (50.0, 60.0)


def arrivals(days, seed=1):
    return crossings(per_day=6.0, um_per_h=30.0, height_um=50.0, until_s=days * 86400.0, seed=(seed, 13))


def test_arrivals_are_as_many_as_the_rate_says_at_random_times():
    found = arrivals(100)
    gaps_s = np.diff([crossing.start_s for crossing in found])
    assert len(found) == pytest.approx(600, abs=75)
    assert gaps_s.std() == pytest.approx(gaps_s.mean(), rel=0.15)  # as of a Poisson process


def test_a_longer_run_begins_like_a_shorter_one():
    assert arrivals(10)[: len(arrivals(3))] == arrivals(3)


def test_nothing_comes_at_a_rate_of_zero():
    assert crossings(per_day=0.0, um_per_h=1.0, height_um=1.0, until_s=1e9, seed=(1,)) == ()


def cluster(seed=5):
    crossing = Crossing(start_s=3600.0, y_um=49.0, um_per_s=30 / 3600, seed=seed)
    return cluster_of(crossing, FlowSettings(), YeastSettings(), height_um=6.0)


def test_a_cluster_comes_in_at_one_side_crosses_as_a_whole_and_leaves_at_the_other():
    drifting = cluster()
    counts = [len(drifting.cells_at(60.0 * minute, FIELD_YX_UM)) for minute in range(0, 240)]
    assert counts[0] == counts[-1] == 0
    assert max(counts) == len(drifting.cells)
    early, late = (drifting.cells_at(t_s, FIELD_YX_UM) for t_s in (6000.0, 7200.0))
    moved = [b.centre_um[0] - a.centre_um[0] for a, b in zip(early, late, strict=True)]
    assert moved == pytest.approx([10.0] * len(early))


@pytest.mark.parametrize("seed", range(4))
def test_it_touches_a_disc_from_its_first_contact_to_its_last(seed):
    drifting, disc = cluster(seed), (40.0, 2.0, 2.3)
    touched = drifting.touches_s(*disc, FIELD_YX_UM)

    def gap_um(t_s):
        x_um = drifting.crossing.x_um(t_s)
        gaps = []
        for cell in drifting.cells:
            dy = (cell.centre_um[1] + 49.0 - disc[1] + 25) % 50 - 25
            gaps.append(np.hypot(x_um + cell.centre_um[0] - disc[0], dy) - cell.radius_um - disc[2])
        return min(gaps)

    times_s = np.arange(0, 20_000, 20.0)
    in_touch = times_s[[gap_um(t_s) < 0 for t_s in times_s]]
    assert touched is not None
    assert touched == pytest.approx((in_touch[0], in_touch[-1]), abs=20.0)
    assert drifting.enters_s < touched[0]


def test_it_passes_by_what_is_out_of_its_way():
    assert cluster().touches_s(40.0, 25.0, 2.0, FIELD_YX_UM) is None


@pytest.mark.parametrize("height_um", [1.0, 2.5, 9.0])
def test_its_cells_are_no_larger_than_the_settings_and_the_chamber_allow(height_um):
    yeast = YeastSettings(diameter_um=4.6, diameter_std_um=3.0)
    for seed in range(20):
        crossing = Crossing(start_s=0.0, y_um=20.0, um_per_s=0.01, seed=seed)
        for cell in cluster_of(crossing, FlowSettings(), yeast, height_um=height_um).cells:
            assert cell.centre_um[2] + cell.semi_axes_um[2] <= height_um
            smallest_um, largest_um = (
                min(um, height_um) for um in (yeast.smallest_diameter_um, yeast.largest_diameter_um)
            )
            assert smallest_um - 1e-9 <= 2 * cell.semi_axes_um[1] <= largest_um + 1e-9
