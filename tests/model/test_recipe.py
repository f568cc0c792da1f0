"""Recipes: the paper's is the paper's, and a slip is told with what would have been right."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_world import PIXEL_UM, stack_of

from parfocal.data.sampling import FrameSampler
from parfocal.errors import InputError, SettingsError
from parfocal.model import Inheritance, NetworkSettings, Recipe, default_recipe, load_recipe
from parfocal.zstack import ZStack

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


def test_the_2018_recipe_has_the_published_values() -> None:
    recipe = load_recipe("wei2018")
    assert recipe.answer == "most_probable"
    assert recipe.bins.model_dump() == {"lowest_um": -20, "highest_um": 20, "width_um": 1}
    assert recipe.bins.count == 41
    sampling = recipe.sampling
    assert (sampling.crop_um, sampling.pixel_size_um, sampling.smallest_crop_um) == (60.0, 0.24, None)
    assert (sampling.flips, sampling.quarter_turns) == (True, True)
    assert (sampling.any_angle, sampling.gain_jitter) == (False, 0.0)
    network = recipe.network
    assert (network.architecture, network.input_px, network.literal_initialisation) == ("wei2018", 250, True)
    training = recipe.training
    assert (training.optimiser, training.learning_rate, training.betas) == ("adam", 1e-4, (0.9, 0.999))
    assert (training.steps, training.batch_size, training.minutes) == (100_000, 50, None)
    assert (training.weight_decay, training.warm_up, training.decay) == (0.0, 0.0, "none")
    assert (training.label_sigma_um, training.expectation_weight) == (0.0, 0.0)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_found_by_its_name_and_survives_a_round_trip(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path.stem)
    assert recipe == load_recipe(path) and recipe.name == path.stem
    (tmp_path / "again.toml").write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(tmp_path / "again.toml") == recipe


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"wei2018.*got 'wei2019'"):
        load_recipe("wei2019")


def test_a_missing_file_is_told() -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        load_recipe("none.toml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colour = 1", r"'colour'.*known keys: .*training"),
        ("[training]\nlearning_rat = 1", r"learning_rat.*known keys: .*learning_rate"),
        ("[training]\nlearning_rate = -1", r"learning_rate"),
        ("[training]\nseed = -1", r"seed"),
        ("[sampling]\ncrop_um = 0", r"crop_um"),
        ("[bins]\nlowest_um = 3\nhighest_um = 2", r"two bins"),
        ("[network]\ninput_px = 'large'", r"input_px"),
    ],
)
def test_a_slip_in_a_recipe_is_told(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "slip.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=told):
        load_recipe(path)


def test_the_default_recipe_fits_the_data() -> None:
    stacks = [stack_of(seed, side_px=80 + 10 * seed) for seed in range(3)]
    recipe = default_recipe(stacks)
    sampler = FrameSampler(stacks, recipe.sampling, seed=0)
    assert recipe.network.smallest_px <= sampler.sides_px[0] <= sampler.sides_px[1] <= 80
    defocus_um = [stack.defocus_um(focus_z_um) for stack, focus_z_um in stacks]
    assert recipe.bins.lowest_um < min(d.min() for d in defocus_um)
    assert recipe.bins.highest_um > max(d.max() for d in defocus_um)
    assert Recipe.parse(recipe.model_dump(mode="json"), source="test") == recipe


def test_the_default_recipe_needs_frames_out_of_focus() -> None:
    stack, _ = stack_of(0, n_planes=1)
    alone = ZStack(stack.frames_zyx, [3.0], stack.pixel_size_um)
    with pytest.raises(InputError, match="out of focus"):
        default_recipe([(alone, 3.0)])


def test_a_training_that_inherits_keeps_a_share_of_it() -> None:
    inheriting, fresh = (
        default_recipe([stack_of(0)], inherits=start) for start in (Inheritance(NetworkSettings()), None)
    )
    assert 0 < inheriting.training.keep_of_start < 1
    assert fresh.training.keep_of_start == 0
    assert inheriting.training.steps < fresh.training.steps


def test_an_inherited_pixel_is_kept_and_of_large_frames_the_centre_is_looked_at() -> None:
    large = stack_of(0, side_px=500)
    network = NetworkSettings()
    coarse = default_recipe([large])
    fine = default_recipe([large], inherits=Inheritance(network, pixel_size_um=0.6))
    assert coarse.sampling.pixel_size_um == pytest.approx(500 * PIXEL_UM / 256) and coarse.field_um is None
    assert fine.sampling.pixel_size_um == 0.6
    assert fine.sampling.crop_um == pytest.approx(256 * 0.6)
    assert fine.field_um == pytest.approx(384 * 0.6) and fine.field_um < 500 * PIXEL_UM
    # Never finer than the camera's pixels.
    assert default_recipe([large], inherits=Inheritance(network, 0.3)).sampling.pixel_size_um == PIXEL_UM
