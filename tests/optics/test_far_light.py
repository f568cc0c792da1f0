"""Fine light from few source points near focus, coarse light from many far from it."""

import numpy as np
import pytest
from optical_bench import relative_difference

from parfocal.optics import exit_field, imaging, preset, scene_of

FAR = {"grid_um": 0.32, "slices_joined": 2, "n_source_points": 60, "near_um": 2.0}


def yeast(*, n_source_points, far=None, **changes):
    settings = preset("yeast-40x").replace(
        camera={"height_px": 80, "width_px": 96}, **{"chamber": {"pillars": False}, **changes}
    )
    quality = {"grid_um": 0.16, "slice_um": 0.375, "n_source_points": n_source_points, "far": far}
    return settings.replace(quality=quality)


def light(settings, *, seed=0):
    scene = scene_of(settings.specimens, settings.chamber, settings.camera.field_yx_um, seed=1, n_cells=6)
    return exit_field(scene, settings, seed=seed)


def images(field, defocus_um):
    return [field.intensity(field.focus_z_um + z) for z in defocus_um]


@pytest.fixture(scope="module")
def full():
    return light(yeast(n_source_points=400), seed=5)


@pytest.mark.parametrize("z_um", [-10.0, -5.5, 5.5, 10.0])
def test_far_light_errs_less_than_few_points_where_these_part(full, z_um):
    few, both = light(yeast(n_source_points=20)), light(yeast(n_source_points=20, far=FAR))
    (exact,), (of_few,), (of_both,) = (images(field, [z_um]) for field in (full, few, both))
    error, error_of_few = (relative_difference(image, exact) for image in (of_both, of_few))
    assert error < 0.75 * error_of_few
    assert error < 0.16


@pytest.mark.parametrize("z_um", [-3.0, 0.0, 3.0])
def test_near_focus_coarse_light_costs_no_detail(full, z_um):
    coarse_alone = light(yeast(n_source_points=20, far={**FAR, "near_um": 1e-3}))
    both = light(yeast(n_source_points=20, far=FAR))
    (exact,), (of_both,), (of_coarse,) = (
        images(field, [z_um or 0.05]) for field in (full, both, coarse_alone)
    )
    error = relative_difference(of_both, exact)
    assert error < 0.13
    assert error < 1.02 * relative_difference(of_coarse, exact)


def test_coarse_light_as_fine_as_the_fine_light_changes_nothing_as_it_fades():
    far = {**FAR, "grid_um": 0.16, "slices_joined": 1}
    near, beyond = (light(yeast(n_source_points=8, far={**far, "near_um": um})) for um in (20.0, 0.01))
    for one, other in zip(images(near, (-8, 0.5, 8)), images(beyond, (-8, 0.5, 8)), strict=True):
        np.testing.assert_allclose(one, other, atol=0.02 * np.std(other))


def test_detail_fades_without_a_step():
    far = light(yeast(n_source_points=3, far=FAR)).far
    distances_um = np.linspace(0, 10, 1001)
    detail = np.array([far.detail(um) for um in distances_um])
    assert detail[distances_um <= 2.0].min() == 1
    assert detail[distances_um >= 2.0 * imaging.FADED_AT].max() == pytest.approx(0, abs=1e-9)
    assert -np.diff(detail).min() < 0.01


def test_an_empty_field_is_one_at_any_distance():
    field = light(yeast(n_source_points=5, far=FAR, specimens=()))
    for image in images(field, (-12, -4.9, 0, 4.9, 12)):
        np.testing.assert_allclose(image, 1, atol=1e-5)


def test_what_the_condenser_blurs_needs_no_fine_grid(monkeypatch):
    field = light(yeast(n_source_points=40))
    lowest_um, highest_um = (z_um - field.focus_z_um for z_um in field.within_z_um)
    defocus_um = (lowest_um - 10, lowest_um - 3.2, highest_um + 3.2, highest_um + 10)
    sparing = images(field, defocus_um)
    monkeypatch.setattr(imaging, "WASHED_OUT", np.inf)
    for one, other in zip(sparing, images(field, defocus_um), strict=True):
        assert 0 < relative_difference(one, other) < 0.02


def test_an_annulus_blurs_nothing_away():
    settings = preset("euglena-10x-phase", quality="ci")
    settings = settings.replace(camera={**settings.camera.model_dump(), "height_px": 128, "width_px": 128})
    field = light(settings)
    assert not field._is_washed_out(500.0)
    assert light(yeast(n_source_points=2))._is_washed_out(12.0)


def test_what_lies_under_a_high_ceiling_is_seen_in_detail_when_it_is_in_focus():
    deep = {"chamber": {"height_um": 14.0, "pillars": False}}
    above = ({"kind": "yeast", "on_floor": 0.0, "under_ceiling": 1.0},)
    fine, both = (light(yeast(n_source_points=20, far=far, specimens=above, **deep)) for far in (None, FAR))
    z_um = float(fine.within_z_um[1]) - 2.5
    assert z_um - fine.focus_z_um > 8
    assert fine.within_z_um == pytest.approx(both.within_z_um, abs=0.4)
    assert relative_difference(both.intensity(z_um), fine.intensity(z_um)) < 0.12


@pytest.mark.parametrize("condenser_na", [0.3, 1.0, 1.2])
def test_coarse_light_holds_a_wide_condenser(condenser_na):
    wide = {"condenser": {"numerical_aperture": condenser_na}}
    plain, both = (light(yeast(n_source_points=40, far=far, **wide)) for far in (None, FAR))
    full = light(yeast(n_source_points=400, **wide), seed=5)
    exact, error = full.intensity(full.focus_z_um), {}
    for name, field in (("plain", plain), ("both", both)):
        error[name] = relative_difference(field.intensity(field.focus_z_um), exact)
    assert error["both"] < 1.1 * error["plain"]
