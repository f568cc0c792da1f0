import numpy as np
import pytest
from optical_bench import relative_difference

from parfocal.optics import LiveLight, YeastSettings, exit_field, live, preset, scene_of

DEFOCUS_UM = (-14.2, -8.3, -3.07, -0.31, 0.0, 0.13, 0.88, 2.41, 6.4, 13.7)


@pytest.fixture(scope="module")
def light():
    settings = preset("yeast-40x", quality="ci").replace(
        camera={"height_px": 64, "width_px": 80}, chamber={"pillars": False}
    )
    scene = scene_of((YeastSettings(),), settings.chamber, settings.camera.field_yx_um, seed=3, n_cells=4)
    return exit_field(scene, settings, seed=0)


def test_a_live_image_is_that_of_the_light_within_one_percent(light):
    for z_um in light.focus_z_um + np.array(DEFOCUS_UM):
        assert relative_difference(LiveLight(light).intensity(z_um), light.intensity(z_um)) < 0.01


def test_a_live_image_is_exact_where_a_plane_is_kept(light):
    z_um = sum(light.within_z_um) / 2
    np.testing.assert_allclose(LiveLight(light).intensity(z_um), light.intensity(z_um), atol=1e-6)


def test_a_whole_stack_is_kept_in_fewer_planes_than_even_spacing_takes(light):
    kept = LiveLight(light)
    kept.prepare(light.focus_z_um - 15, light.focus_z_um + 15)
    assert len(kept._nodes) < 100


def test_live_images_do_not_depend_on_which_came_before(light):
    one, other = LiveLight(light), LiveLight(light)
    other.prepare(light.focus_z_um - 1, light.focus_z_um + 1)
    forth = [one.intensity(light.focus_z_um + z) for z in DEFOCUS_UM]
    back = [other.intensity(light.focus_z_um + z) for z in DEFOCUS_UM[::-1]][::-1]
    np.testing.assert_array_equal(forth, back)


def test_few_planes_are_kept_when_memory_is_short(light, monkeypatch):
    monkeypatch.setattr(live, "KEPT_BYTES", 1)
    short, plenty = LiveLight(light), LiveLight(light)
    expected = plenty.intensity(light.focus_z_um)
    short.prepare(light.focus_z_um - 2, light.focus_z_um + 2)
    assert len(short._nodes) == live.FEWEST_KEPT
    np.testing.assert_array_equal(short.intensity(light.focus_z_um), expected)


@pytest.mark.parametrize(("name", "period_um"), [("yeast-40x", 0.66), ("euglena-10x-phase", 10.6)])
def test_the_period_along_z_is_that_of_the_lens(name, period_um):
    assert live.shortest_period_um(preset(name)) == pytest.approx(period_um, rel=0.01)
