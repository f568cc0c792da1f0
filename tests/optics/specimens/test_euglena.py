import numpy as np
import pytest
from specimen_cases import CASES, cells_and_parts, chamber_of

from parfocal.errors import SettingsError
from parfocal.optics.bodies import Spindle
from parfocal.optics.specimens import EuglenaSettings, scene_of

SETTINGS = EuglenaSettings()
U = np.linspace(-1, 1, 401)


def euglena(settings, *, seed=0, n_cells=12, height_um=40.0):
    return scene_of((settings,), chamber_of(height_um), (200.0, 250.0), seed=seed, n_cells=n_cells)


def spindles(scene):
    return [body for body in scene.bodies if isinstance(body, Spindle)]


def test_cells_are_as_long_and_wide_as_their_settings_say():
    cells = [cell for seed in range(3) for cell in spindles(CASES["euglena"].scene(seed=seed))]
    lengths = [2 * cell.half_length_um for cell in cells]
    widths = [2 * cell.radius_at(U).max() for cell in cells]
    assert 30 <= min(lengths) < 33 < 47 < max(lengths) <= 50
    assert 8 - 1e-9 <= min(widths) < 8.8 < 11.2 < max(widths) <= 12 + 1e-9


def test_a_stained_cell_10_um_thick_transmits_a_third_to_two_thirds_of_green_light():
    absorption = np.array([cell.delta_index.imag for cell in spindles(euglena(SETTINGS))])
    transmission = np.exp(-2 * 2 * np.pi / 0.55 * absorption * 10.0)
    assert 0.3 <= transmission.min() < 0.4 < 0.5 < transmission.max() <= 0.6


def test_an_unstained_cell_absorbs_nothing():
    settings = SETTINGS.replace(least_transmission=1.0, most_transmission=1.0)
    assert all(cell.delta_index.imag == 0 for cell in spindles(euglena(settings)))


def test_cells_swim_at_any_height_or_settle():
    heights = euglena(SETTINGS.replace(on_floor=0.0), n_cells=40).cells_xyh_um[:, 2]
    assert heights.min() < 12
    assert heights.max() > 28
    settled = euglena(SETTINGS.replace(on_floor=1.0))
    assert settled.cells_xyh_um[:, 2].max() < 9
    assert 4 < settled.focus_height_um < 7


def test_a_cell_is_full_of_chloroplasts_and_grains():
    families = cells_and_parts(euglena(SETTINGS), SETTINGS.cytoplasm_index)
    grain = SETTINGS.paramylon_index - SETTINGS.cytoplasm_index
    green = SETTINGS.chloroplast_index - SETTINGS.cytoplasm_index + 0.002j
    for _, parts in families:
        grains = [part for part in parts if part.delta_index == grain]
        chloroplasts = [part for part in parts if part.delta_index == green]
        assert len(grains) <= SETTINGS.most_paramylon
        assert 6 <= len(chloroplasts) <= 12
        assert all(part.reach_um.max() <= 2.3 + 1e-9 for part in chloroplasts)
        assert all(part.reach_um.max() <= 1.0 for part in grains)
    assert max(len(parts) for _, parts in families) > 20


def test_a_low_chamber_holds_them_flat():
    scene = euglena(SETTINGS, height_um=9.0)
    assert len(scene.cells) > 6
    for cell in spindles(scene):
        assert cell.centre_um[2] - cell.reach_um[2] > -1e-6
        assert cell.centre_um[2] + cell.reach_um[2] < 9.0 + 1e-6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"least_transmission": 0.9}, "least_transmission <= most_transmission"),
        ({"least_transmission": 0.0}, "least_transmission > 0"),
        ({"largest_tilt_deg": 60.0}, "largest_tilt_deg <= 45"),
    ],
    ids=["order", "opaque", "tilt"],
)
def test_settings_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        SETTINGS.replace(**changes)
