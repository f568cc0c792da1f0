import numpy as np
from specimen_cases import chamber_of

from parfocal.optics.specimens import DebrisSettings, YeastSettings, scene_of


def debris(*, seed=0, n_cells=20, specimens=(), **changes):
    settings = DebrisSettings().replace(**changes)
    return scene_of((settings, *specimens), chamber_of(6.0), (61.0, 61.0), seed=seed, n_cells=n_cells)


def scratches(scene):
    return [body for body in scene.bodies if complex(body.delta_index).real < 0]


def test_a_field_of_debris_has_no_cells_and_its_focus_at_the_coverslip():
    scene = debris()
    assert scene.cells == ()
    assert scene.cells_xyh_um.shape == (0, 3)
    assert scene.focus_height_um == 0.0
    assert len(scene.bodies) > 20


def test_dust_without_a_cell_beside_it_leaves_focus_where_cells_would_be():
    absent = YeastSettings(fewest_cells=0, most_cells=0)
    assert debris(specimens=(absent,)).focus_height_um == absent.diameter_um / 2


def test_some_grains_absorb_and_all_are_dense():
    grains = debris(most_scratches=0).bodies
    absorbing = [body.delta_index.imag > 0 for body in grains]
    assert 0.1 < np.mean(absorbing) < 0.9
    assert all(body.delta_index.real > 0 for body in grains)
    assert not any(body.delta_index.imag for body in debris(most_scratches=0, absorbing=0.0).bodies)


def test_grains_stand_on_the_floor_or_hang_from_the_ceiling():
    middles = [np.array([b.centre_um[2] for b in debris(on_floor=share).bodies]) for share in (1.0, 0.0)]
    assert middles[0].max() < 3.5
    assert middles[1].min() > 2.5


def test_scratches_are_long_thin_and_flat_on_either_face():
    found = [s for seed in range(12) for s in scratches(debris(seed=seed, n_cells=0, on_floor=0.5))]
    assert len(found) > 8
    heights = np.array([scratch.centre_um[2] for scratch in found])
    assert np.all((heights <= 0.2) | (heights >= 5.8))
    assert np.any(heights < 1)
    assert np.any(heights > 5)
    for scratch in found:
        narrow, *_, long = np.sort(np.linalg.eigvalsh(np.linalg.inv(scratch.shape)[:2, :2])) ** 0.5
        assert 8 <= 2 * long <= 40
        assert 0.4 <= 2 * narrow <= 1.5
        assert 2 * scratch.reach_um[2] <= 0.4


def test_grains_keep_clear_of_cells():
    specimens = (DebrisSettings(most_scratches=0), YeastSettings(budded=0.0))
    scene = scene_of(specimens, chamber_of(6.0), (45.0, 45.0), seed=1, n_cells=10)
    walls = [body for body in scene.bodies if np.isclose(complex(body.delta_index).real, 1.42 - 1.337)]
    cores = [body for body in scene.bodies if np.isclose(complex(body.delta_index).real, 1.50 - 1.337)]
    assert len(cores) > 5
    for core in cores:
        for wall in walls:
            apart = core.centre_um - wall.centre_um
            apart[:2] -= 45 * np.round(apart[:2] / 45)
            assert np.linalg.norm(apart) > 0.9 * (wall.reach_um.min() + core.reach_um.min())
