from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter
from specimen_cases import LOW_CHAMBER, chamber_of

from parfocal.errors import InputError
from parfocal.optics.bodies import Cylinder
from parfocal.optics.chamber import ChamberSettings
from parfocal.optics.index_volume import index_volume
from parfocal.optics.scene import Cell, focus_height_um
from parfocal.optics.specimens import (
    AdherentSettings,
    BeadSettings,
    DebrisSettings,
    RodSettings,
    SpecimenSettings,
    YeastSettings,
    scene_of,
)

FIELD_YX_UM = (61.0, 75.0)
MIXTURE = (YeastSettings(), RodSettings(most_cells=10), BeadSettings(), DebrisSettings())


def mixture(specimens=MIXTURE, *, seed=0, n_cells=20, chamber=LOW_CHAMBER, field_yx_um=FIELD_YX_UM):
    return scene_of(specimens, chamber, field_yx_um, seed=seed, n_cells=n_cells)


def test_several_specimens_share_one_field():
    assert {cell.kind for cell in mixture().cells} == {"yeast", "rods", "beads"}


@pytest.mark.parametrize("seed", (0, 1))
def test_the_others_stay_where_they_are_as_more_of_the_first_come(seed):
    few, many = (mixture(seed=seed, n_cells=n).cells_xyh_um for n in (5, 40))
    assert len(few) < len(many)
    np.testing.assert_array_equal(few, many[: len(few)])


@pytest.mark.parametrize("seed", (0, 1))
def test_no_two_kinds_lie_in_one_place(seed):
    scene = mixture(seed=seed, n_cells=40)
    walls = {1.42, 1.59, 1.50}  # around yeast and rods, of beads, of the cores of grains
    outers = [
        replace(body, delta_index=1.0)
        for body in scene.bodies
        if not isinstance(body, Cylinder)
        and any(np.isclose(complex(body.delta_index).real, index - 1.337) for index in walls)
    ]
    crowded = index_volume(replace(scene, bodies=tuple(outers)), grid_yx=(244, 300), n_slices=24).delta_index
    assert np.sum(np.maximum(crowded - 1, 0)) < 0.01 * np.sum(np.minimum(crowded, 1))


def test_small_cells_lie_beside_a_spread_one_and_not_in_it():
    specimens = (RodSettings(), AdherentSettings(fewest_cells=2, most_cells=2, mitotic=0.0))
    scene = mixture(specimens, n_cells=25, chamber=chamber_of(8.0), field_yx_um=(120.0, 120.0))
    spread = [body for body in scene.bodies if hasattr(body, "brim_um")]
    rods = [cell for cell in scene.cells if cell.kind == "rods"]
    assert len(spread) == 2
    assert len(rods) > 15
    for mound in spread:
        x, y = (np.array([getattr(rod, axis) for rod in rods]) for axis in ("x_um", "y_um"))
        x, y = (d - 120 * np.round(d / 120) for d in (x - mound.x_um, y - mound.y_um))
        _, high = mound.vertical_cut(x + mound.x_um, y + mound.y_um)
        assert np.all(high < [rod.height_um for rod in rods])


def test_an_empty_field_has_its_focus_at_the_coverslip():
    scene = mixture((), chamber=chamber_of(6.0), n_cells=None)
    assert scene.bodies == ()
    assert scene.cells == ()
    assert scene.focus_height_um == 0.0


def test_pillars_stand_on_a_lattice_that_fits_the_field():
    scene = mixture((), field_yx_um=(110.0, 150.0))
    assert len(scene.bodies) == 6
    x, y = (np.sort([getattr(pillar, axis) for pillar in scene.bodies]) for axis in ("x_um", "y_um"))
    np.testing.assert_allclose(np.diff(x[::2]), 50.0)
    np.testing.assert_allclose(np.diff(y[::3]), 55.0)
    assert mixture((), chamber=ChamberSettings(pillar_diameter_um=0.0)).bodies == ()


def test_cells_decide_the_focus_and_beads_only_where_there_are_none():
    yeast = Cell("yeast", 1.0, 1.0, 2.0, 2.0, "floor")
    rod = Cell("rods", 5.0, 5.0, 1.0, 1.0, "floor")
    bead = Cell("beads", 9.0, 9.0, 0.5, 0.5, "floor")
    high = Cell("yeast", 3.0, 3.0, 4.0, 2.0, "ceiling")
    assert focus_height_um([yeast, rod, bead, high], otherwise_um=9.0) == pytest.approx((2 * 4 + 1) / 5)
    assert focus_height_um([bead, high], otherwise_um=9.0) == 0.5
    assert focus_height_um([high], otherwise_um=9.0) == 9.0


def test_a_kind_tells_settings_apart():
    adapter = TypeAdapter(tuple[SpecimenSettings, ...])
    assert adapter.validate_python([s.model_dump(mode="json") for s in MIXTURE]) == MIXTURE
    with pytest.raises(ValueError, match="kind"):
        adapter.validate_python([{"kind": "unicorn"}])


def test_a_specimen_larger_than_the_field_is_refused():
    with pytest.raises(InputError, match="wider than the largest adherent, 60 um, got 61 x 40 um"):
        mixture((AdherentSettings(),), field_yx_um=(61.0, 40.0))


def test_a_tilted_chamber_raises_each_cell_by_where_it_lies():
    level, sloped = (
        mixture(chamber=LOW_CHAMBER.replace(tilt_mrad=tilt, tilt_towards_deg=90.0)) for tilt in (0.0, 10.0)
    )
    x_um, y_um, height_um = level.cells_xyh_um.T
    np.testing.assert_allclose(sloped.cells_xyh_um[:, 2], height_um + 0.01 * y_um)
    np.testing.assert_array_equal(sloped.cells_xyh_um[:, :2].T, [x_um, y_um])
    assert sloped.height_um == pytest.approx(level.height_um + 0.01 * FIELD_YX_UM[0])
    assert level.focus_height_um < sloped.focus_height_um < level.focus_height_um + 0.61


def test_a_tilted_chamber_has_nothing_below_its_floor():
    sloped = mixture(chamber=LOW_CHAMBER.replace(tilt_mrad=20.0, tilt_towards_deg=200.0))
    lowest_um = [body.centre_um[2] - body.reach_um[2] for body in sloped.bodies]
    assert min(lowest_um) > -0.45  # scratches reach into the glass
