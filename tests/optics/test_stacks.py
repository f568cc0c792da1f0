import numpy as np
import pytest

from parfocal.optics import exit_field, preset, settings_of_day, simulate_stack

NOISELESS = {
    "height_px": 48,
    "width_px": 48,
    "background_electrons": 1e10,
    "electrons_per_count": 1e10 / 2e4,
    "bit_depth": 16,
    "offset_counts": 0.0,
    "read_noise_electrons": 0.0,
    "prnu": 0.0,
    "vignetting": 0.0,
    "light_tilt": 0.0,
    "dust_spots": 0,
}
FEW_PLANES = {"half_range_um": 4.0, "step_um": 2.0}


def small(*, camera=None, **changes):
    settings = preset("yeast-40x", quality="ci")
    quality = {"grid_um": 0.16, "slice_um": 0.5, "n_source_points": 6}
    return settings.replace(
        camera=camera or {"height_px": 48, "width_px": 48},
        chamber={"pillars": False},
        scan=FEW_PLANES,
        quality=quality,
        **changes,
    )


def test_the_same_seed_gives_the_same_stack_bit_for_bit():
    one, again, other = (simulate_stack(small(), seed=seed, index=1) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one.stack.frames_zyx, again.stack.frames_zyx)
    np.testing.assert_array_equal(one.stack.z_um, again.stack.z_um)
    assert one.focus_z_um == again.focus_z_um
    assert one.focus_z_um != other.focus_z_um
    assert not np.array_equal(one.stack.frames_zyx[0], other.stack.frames_zyx[0])


def test_stacks_of_one_dataset_differ():
    one, other = (simulate_stack(small(), seed=7, index=index) for index in (0, 1))
    assert not np.array_equal(one.scene.cells_xyh_um[:1], other.scene.cells_xyh_um[:1])


def test_a_plane_is_the_cached_light_at_its_defocus():
    made = simulate_stack(small(camera=NOISELESS, days={"light": 0.0}), seed=5, index=0, n_cells=3)
    field = exit_field(made.scene, made.settings, seed=made.scene_seed)
    for frame_yx, defocus_um in zip(
        made.stack.frames_zyx, made.stack.defocus_um(made.focus_z_um), strict=True
    ):
        image = field.intensity(field.focus_z_um + defocus_um)
        np.testing.assert_allclose(frame_yx / 2e4, image, atol=2e-4)


def test_planes_go_through_focus_in_steps_off_the_centres_of_bins():
    stacks = [simulate_stack(small(), seed=3, index=index, n_cells=0) for index in range(4)]
    middles = []
    for made in stacks:
        defocus_um = made.stack.defocus_um(made.focus_z_um)
        assert len(defocus_um) == 5
        np.testing.assert_allclose(np.diff(defocus_um), 2.0, atol=0.5)
        middles.append(defocus_um[2])
    assert np.ptp(middles) > 0.1
    assert np.max(np.abs(middles)) < 1.3


def test_the_paper_scan_has_31_planes_one_micrometre_apart():
    scan = preset("yeast-40x").scan
    assert 2 * scan.half_range_um / scan.step_um + 1 == 31


def test_an_experiment_is_one_day_and_days_differ_a_little():
    settings = preset("yeast-40x")
    day, same, another = (settings_of_day(settings, seed=1, experiment=k) for k in (0, 0, 1))
    assert day == same
    for value in (
        lambda s: s.condenser.numerical_aperture,
        lambda s: s.specimens[0].cytoplasm_index - 1,
        lambda s: s.camera.background_electrons,
    ):
        assert value(day) != value(another)
        assert value(day) == pytest.approx(value(settings), rel=0.11)
    assert day.camera.pattern_seed != another.camera.pattern_seed


def test_a_condenser_as_wide_as_the_objective_stays_so_on_every_day():
    settings = preset("yeast-40x").replace(condenser={"numerical_aperture": 1.3}, days={"condenser_na": 0.1})
    apertures = [
        settings_of_day(settings, seed=0, experiment=k).condenser.numerical_aperture for k in range(6)
    ]
    assert max(apertures) == 1.3
    assert min(apertures) > 0.7


def test_a_condenser_nearly_as_wide_as_the_medium_carries_stays_below_it():
    settings = preset("pombe-60x").replace(condenser={"numerical_aperture": 1.32})
    for k in range(40):
        assert settings_of_day(settings, seed=0, experiment=k).condenser.numerical_aperture < 1.337


def test_an_annulus_stays_as_it_is_and_on_its_ring():
    settings = preset("euglena-10x-phase").replace(days={"condenser_na": 0.2})
    for k in range(20):
        assert settings_of_day(settings, seed=0, experiment=k).condenser == settings.condenser


def test_the_number_of_cells_can_be_chosen_or_drawn():
    assert (
        simulate_stack(
            small(specimens=({"kind": "yeast", "budded": 0.0},)), seed=1, index=0, n_cells=3
        ).n_cells
        == 3
    )
    drawn = [
        simulate_stack(
            small(specimens=({"kind": "yeast", "fewest_cells": 0, "most_cells": 4},)), seed=1, index=k
        ).n_cells
        for k in range(4)
    ]
    assert len(set(drawn)) > 1
    assert max(drawn) <= 8  # buds count


def test_experiment_and_pixel_size_are_kept():
    made = simulate_stack(small(), seed=1, index=0, experiment=3, n_cells=1)
    assert made.experiment == 3
    assert made.stack.pixel_size_um == 0.24
    assert made.settings == settings_of_day(small(), seed=1, experiment=3)
