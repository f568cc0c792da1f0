from dataclasses import replace

import numpy as np
import pytest
from specimen_cases import CASES, cells_and_parts

from parfocal.errors import SettingsError
from parfocal.optics.bodies import Cylinder
from parfocal.optics.index_volume import index_volume
from parfocal.optics.specimens import scene_of

SEEDS = (0, 1)
CELLS = [name for name, case in CASES.items() if case.outer_index is not None]
PRESSED = {"yeast": 0.01, "rods": 1e-3, "bacteria": 1e-3, "adherent": 1e-3, "euglena": 1e-3, "beads": 1e-6}
"""Share of the volume that lies in two cells at once: budding and growing cells press into each other."""


def table_of(bodies):
    """What bodies are, as numbers that can be compared."""
    return np.array([[*body.centre_um, *body.reach_um, complex(body.delta_index).real] for body in bodies])


@pytest.mark.parametrize("name", CASES)
def test_the_same_seed_gives_the_same_scene_and_another_seed_another(name):
    one, same, other = (CASES[name].scene(seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(table_of(one.bodies), table_of(same.bodies))
    np.testing.assert_array_equal(one.cells_xyh_um, same.cells_xyh_um)
    assert one.focus_height_um == same.focus_height_um
    assert not np.array_equal(table_of(one.bodies)[:3], table_of(other.bodies)[:3])


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_cells_stay_where_they_are_as_more_come(name, seed):
    many = CASES[name].scene(seed=seed)
    few = CASES[name].scene(seed=seed, n=CASES[name].n // 3)
    assert 0 < len(few.cells) < len(many.cells)
    np.testing.assert_array_equal(few.cells_xyh_um, many.cells_xyh_um[: len(few.cells)])
    np.testing.assert_array_equal(table_of(few.bodies), table_of(many.bodies)[: len(few.bodies)])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", SEEDS)
def test_everything_lies_within_the_chamber(name, seed):
    scene = CASES[name].scene(seed=seed)
    for body in scene.bodies:
        assert body.centre_um[2] - body.reach_um[2] > -1e-6
        assert body.centre_um[2] + body.reach_um[2] < scene.height_um + 1e-6
        assert 2 * body.reach_um[:2].max() <= max(CASES[name].settings.largest_um, 10.0) + 1e-6
    field_um = scene.field_yx_um[::-1]
    assert np.all((scene.cells_xyh_um[:, :2] >= 0) & (scene.cells_xyh_um[:, :2] <= field_um))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_part_lies_within_its_cell(name, seed):
    case = CASES[name]
    for outer, parts in cells_and_parts(case.scene(seed=seed), case.outer_index):
        for part in parts:
            steps = np.linspace(-1, 1, 15)
            x, y = (part.centre_um[k] + part.reach_um[k] * steps for k in (0, 1))
            low, high = part.vertical_cut(x[None, :], y[:, None])
            lowest, highest = outer.vertical_cut(x[None, :], y[:, None])
            hit = high > low
            assert np.all(low[hit] >= lowest[hit] - 1e-6)
            assert np.all(high[hit] <= highest[hit] + 1e-6)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_true_place_of_a_cell_is_that_of_its_body(name, seed):
    case = CASES[name]
    scene = case.scene(seed=seed)
    families = cells_and_parts(scene, case.outer_index)
    assert len(families) == len(scene.cells) > case.n / 2
    for cell, (outer, _) in zip(scene.cells, families, strict=True):
        assert cell.kind == case.settings.kind
        assert cell.height_um == pytest.approx(outer.centre_um[2], abs=1e-6)
        # a bent, spread or tapering cell has its middle a little beside that of its box
        assert abs(cell.x_um - outer.centre_um[0]) < 0.6 * outer.reach_um[0]
        assert abs(cell.y_um - outer.centre_um[1]) < 0.6 * outer.reach_um[1]


@pytest.mark.parametrize("name", [name for name in CELLS if name != "yeast"])  # buds hang on their mothers
@pytest.mark.parametrize("seed", SEEDS)
def test_a_cell_touches_what_it_rests_on(name, seed):
    case = CASES[name]
    scene = case.scene(seed=seed)
    for cell, (outer, _) in zip(scene.cells, cells_and_parts(scene, case.outer_index), strict=True):
        above_um = outer.centre_um[2] - outer.reach_um[2]
        below_um = scene.height_um - outer.centre_um[2] - outer.reach_um[2]
        assert cell.layer in ("floor", "ceiling", "between")
        if cell.layer == "floor":
            assert above_um == pytest.approx(0, abs=1e-6)
        if cell.layer == "ceiling":
            assert below_um == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_the_radius_of_a_cell_is_that_of_its_outline(name):
    case = CASES[name]
    scene = case.scene(seed=0, n=6)
    for cell, (outer, _) in zip(scene.cells, cells_and_parts(scene, case.outer_index), strict=True):
        steps = (np.arange(120) + 0.5) / 60 - 1
        x, y = (outer.centre_um[k] + outer.reach_um[k] * steps for k in (0, 1))
        low, high = outer.vertical_cut(x[None, :], y[:, None])
        area_um2 = np.mean(high > low) * 4 * outer.reach_um[0] * outer.reach_um[1]
        assert np.pi * cell.radius_um**2 == pytest.approx(area_um2, rel=0.02)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_two_cells_lie_in_one_place(name, seed):
    case = CASES[name]
    scene = case.scene(seed=seed)
    outers = tuple(replace(outer, delta_index=1.0) for outer, _ in cells_and_parts(scene, case.outer_index))
    grid_yx = tuple(round(side_um / (max(case.field_yx_um) / 300)) for side_um in case.field_yx_um)
    crowded = index_volume(replace(scene, bodies=outers), grid_yx=grid_yx, n_slices=24).delta_index
    assert np.sum(np.maximum(crowded - 1, 0)) <= PRESSED[name] * np.sum(np.minimum(crowded, 1))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.chamber.pillars])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_cell_reaches_into_a_pillar(name, seed):
    case = CASES[name]
    scene = case.scene(seed=seed)
    pillars = tuple(replace(b, delta_index=1.0) for b in scene.bodies if isinstance(b, Cylinder))
    outers = (
        tuple(replace(outer, delta_index=1.0) for outer, _ in cells_and_parts(scene, case.outer_index))
        if case.outer_index
        else ()
    )
    assert len(pillars) == 2  # a lattice of 50 um, stretched to fit a field of 61 x 75 um
    crowded, without = (
        index_volume(replace(scene, bodies=bodies), grid_yx=(183, 225), n_slices=12).delta_index
        for bodies in ((*pillars, *outers), outers)
    )
    in_pillar = (crowded - without) > 0.5
    assert without[in_pillar].sum() < 1e-3 * in_pillar.sum()


@pytest.mark.parametrize("name", CELLS)
def test_the_number_is_drawn_from_the_range_of_the_settings(name):
    case = CASES[name]
    settings = case.settings.replace(budded=0.0) if name == "yeast" else case.settings
    scenes = [scene_of((settings,), case.chamber, case.field_yx_um, seed=seed) for seed in range(6)]
    counts = [len(scene.cells) for scene in scenes]
    fewest, most = settings.count_range
    assert len(set(counts)) > 2
    assert 0.5 * fewest <= min(counts) <= max(counts) <= most  # a full field takes fewer


@pytest.mark.parametrize("name", CASES)
def test_settings_are_read_back_from_their_own_text(name):
    settings = CASES[name].settings
    assert type(settings).parse(settings.model_dump(mode="json"), source="test") == settings


@pytest.mark.parametrize("name", CASES)
def test_the_fewest_cannot_be_more_than_the_most(name):
    (fewest, *_) = (key for key in type(CASES[name].settings).model_fields if key.startswith("fewest_"))
    with pytest.raises(SettingsError, match=f"expected {fewest} <= "):
        CASES[name].settings.replace(**{fewest: 100_000})
