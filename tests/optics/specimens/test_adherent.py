import numpy as np
import pytest
from specimen_cases import CASES, cells_and_parts, chamber_of

from parfocal.errors import SettingsError
from parfocal.optics.bodies import Mound
from parfocal.optics.specimens import AdherentSettings, scene_of

SETTINGS = AdherentSettings()


def spread_cells(scene):
    families = cells_and_parts(scene, SETTINGS.cytoplasm_index)
    return [(outer, parts) for outer, parts in families if isinstance(outer, Mound)]


def cells(settings, *, seed=0, n_cells=8, height_um=20.0):
    return scene_of((settings,), chamber_of(height_um), (150.0, 170.0), seed=seed, n_cells=n_cells)


def test_spread_cells_are_as_broad_and_high_as_their_settings_say():
    mounds = [outer for seed in range(4) for outer, _ in spread_cells(CASES["adherent"].scene(seed=seed))]
    across = [2 * mound.reach_um[:2].max() for mound in mounds]
    assert len(mounds) > 15
    assert 30 - 1e-9 <= min(across) < 40 < 50 < max(across) <= 60 + 1e-9
    assert all(1.0 <= mound.brim_um <= 2.0 and 4.0 <= mound.peak_um <= 7.0 for mound in mounds)


def test_a_spread_cell_is_thin_at_the_brim_and_thick_over_its_nucleus():
    for mound, (nucleus, *_) in spread_cells(cells(SETTINGS.replace(mitotic=0.0))):
        assert mound.height_at(np.array(0.0)) == pytest.approx(mound.peak_um)
        assert mound.height_at(np.array(0.9)) < max(2.0, 0.6 * mound.peak_um)
        np.testing.assert_allclose(nucleus.centre_um, [mound.x_um, mound.y_um, mound.peak_um / 2])
        assert nucleus.delta_index < 0
        assert 2 * nucleus.reach_um[2] < 0.8 * mound.peak_um
        assert nucleus.reach_um[:2].max() <= SETTINGS.longest_nucleus_um / 2


def test_outlines_differ_and_are_smooth_and_never_cross_themselves():
    angle = np.linspace(0, 2 * np.pi, 361)
    outlines = np.array(
        [mound.outline_um(angle) / mound.radius_um for mound, _ in spread_cells(cells(SETTINGS))]
    )
    assert outlines.min() > 0.1
    assert np.ptp(outlines, axis=1).min() > 0.1
    assert np.abs(np.diff(outlines, axis=1)).max() < 0.05
    assert np.abs(outlines[0] - outlines[1]).max() > 0.1


def test_a_dividing_cell_is_round_and_stands_higher():
    scene = cells(SETTINGS.replace(mitotic=1.0))
    for cell, (outer, (plate,)) in zip(
        scene.cells, cells_and_parts(scene, SETTINGS.cytoplasm_index), strict=True
    ):
        assert 14 <= 2 * cell.radius_um <= 18
        assert cell.height_um == pytest.approx(cell.radius_um)
        np.testing.assert_allclose(outer.reach_um, cell.radius_um)
        assert plate.delta_index > 0
    assert scene.focus_height_um > 7


def test_all_cells_lie_on_the_floor_in_focus_at_their_nuclei():
    scene = cells(SETTINGS.replace(mitotic=0.0))
    assert {cell.layer for cell in scene.cells} == {"floor"}
    assert 2.0 < scene.focus_height_um < 3.5


def test_a_low_chamber_flattens_them():
    scene = cells(SETTINGS.replace(mitotic=0.5), height_um=3.0)
    assert len(scene.cells) > 3
    assert all(cell.height_um <= 1.5 for cell in scene.cells)


def test_settings_that_do_not_go_together_are_refused():
    with pytest.raises(SettingsError, match="thickest_brim_um <= lowest_peak_um"):
        SETTINGS.replace(thickest_brim_um=5.0)
