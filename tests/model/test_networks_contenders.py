"""The networks that FocusNetwork is held against: what they take, what they say, and that they learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_world import PIXEL_UM, RECIPE, dataset_at, retimed
from torch import Tensor

from parfocal.data import Dataset
from parfocal.data.sampling import SamplingSettings
from parfocal.model import (
    BinSettings,
    FocusEstimator,
    NetworkSettings,
    Recipe,
    TrainingProgress,
    build_network,
    count_parameters,
    load_recipe,
    train,
)
from parfocal.model.loss import focus_loss
from parfocal.model.networks.mobilenet import SPREAD_BINS, MobileNetV3
from parfocal.model.networks.spectral import N_BANDS, N_LEVELS, N_NUMBERS, spectral_numbers

CONTENDERS = ("small", "mobilenet_v3", "spectral")
SIDE_PX = 104


def settings_of(architecture: str) -> NetworkSettings:
    return NetworkSettings.parse({"architecture": architecture}, source="test")


def grey_frames(*shape: int, seed: int = 0) -> Tensor:
    return 1000 + 100 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def wide_spots(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dataset_at(tmp_path_factory.mktemp("wide") / "dataset", side_px=SIDE_PX)


def recipe_of(architecture: str) -> Recipe:
    """Frames as they are, the loss that the recipe of that network has, and as many steps as show it fall."""
    named = {"small": "small-net", "mobilenet_v3": "mobilenet-v3", "spectral": "spectral"}[architecture]
    weight = load_recipe(named).training.expectation_weight
    sampling = SamplingSettings(crop_um=SIDE_PX * PIXEL_UM, pixel_size_um=PIXEL_UM)
    recipe = RECIPE.replace(
        network=settings_of(architecture).model_dump(), sampling=sampling.model_dump(), name=architecture
    )
    steps = {"small": 25, "mobilenet_v3": 60, "spectral": 150}[architecture]
    return retimed(
        recipe, steps=steps, batch_size=8, validate_every=50, learning_rate=3e-3, expectation_weight=weight
    )


@pytest.mark.parametrize("architecture", CONTENDERS)
def test_any_size_from_the_smallest_up_is_taken(architecture: str) -> None:
    chosen = settings_of(architecture)
    network = build_network(chosen, n_bins=7).eval()
    with torch.inference_mode():
        for n_y, n_x in ((chosen.smallest_px, chosen.smallest_px), (chosen.smallest_px + 1, 131)):
            frames = grey_frames(2, 1, n_y, n_x)
            logits = network(frames)
            assert logits.shape == (2, 7) and logits.dtype == torch.float32
            torch.testing.assert_close(network.outputs(frames)["logits"], logits)


@pytest.mark.parametrize("architecture", CONTENDERS)
@pytest.mark.parametrize("grey", [0.0, 65535.0])
def test_blank_frames_get_finite_answers(architecture: str, grey: float) -> None:
    network = build_network(settings_of(architecture), n_bins=7).eval()
    with torch.inference_mode():
        assert torch.all(torch.isfinite(network(torch.full((1, 1, 96, 97), grey))))


@pytest.mark.parametrize("architecture", CONTENDERS)
def test_a_contender_learns_and_its_model_answers(
    architecture: str, wide_spots: Dataset, tmp_path: Path
) -> None:
    losses: list[float] = []

    def watch(progress: TrainingProgress) -> None:
        losses.append(progress.loss)

    train(wide_spots, out=tmp_path / "m.safetensors", recipe=recipe_of(architecture), watch=watch)
    assert losses[-1] < 0.9 * losses[0]
    stack = wide_spots.read("s7")
    estimator = FocusEstimator.load(tmp_path / "m.safetensors")
    answer = estimator.estimate(stack.frames_zyx[0], pixel_size_um=PIXEL_UM)
    assert -6 <= answer.defocus_um <= 6 and answer.std_um > 0


def test_mobilenet_is_the_published_one_but_for_its_first_and_last_layer() -> None:
    # The published one has 2,542,856: less two colours of the first layer, one answer instead of 1000.
    assert count_parameters(MobileNetV3(n_bins=35)) == 2_542_856 - 2 * 9 * 16 - 999 * 1025


@pytest.mark.parametrize("place", [-0.5, 0.0, 0.27])
def test_the_expectation_of_mobilenet_is_its_one_number(place: float) -> None:
    network = MobileNetV3(n_bins=35).eval()
    with torch.no_grad():
        network.head[-1].weight.zero_()
        network.head[-1].bias.fill_(place)
        probabilities = torch.softmax(network(grey_frames(1, 1, 64, 64)), dim=1)
    centres_um = torch.linspace(-17, 17, 35)
    assert (probabilities @ centres_um).item() == pytest.approx(17 * place, abs=1e-3)


def test_spectral_numbers_do_not_depend_on_gain() -> None:
    frames = grey_frames(2, 1, 120, 96)
    assert spectral_numbers(frames).shape == (2, N_NUMBERS)
    torch.testing.assert_close(spectral_numbers(7 * frames), spectral_numbers(frames), rtol=1e-3, atol=1e-3)


def test_a_wave_shows_in_its_ring_and_its_octave() -> None:
    x = torch.arange(128.0)
    coarse, fine = (torch.cos(2 * torch.pi * f * x).expand(1, 1, 128, 128) for f in (0.06, 0.41))
    rings_and_levels = [
        (numbers[:N_BANDS].argmax().item(), numbers[N_BANDS + 2 :: 3].argmax().item())
        for numbers in (spectral_numbers(100 + wave)[0] for wave in (coarse, fine))
    ]
    assert rings_and_levels[0][0] == 2 and rings_and_levels[1][0] == 16  # rings are 0.025 per pixel wide
    assert rings_and_levels[0][1] > 0 and rings_and_levels[1][1] == 0


def test_bright_spots_are_skewed_the_other_way_than_dark_ones() -> None:
    spots = (torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(0)) < 0.01).float()
    bright, dark = (spectral_numbers(100 + sign * spots)[0, N_BANDS::3] for sign in (1, -1))
    assert torch.all(bright[:2] > 1) and len(bright) == N_LEVELS
    torch.testing.assert_close(bright, -dark, rtol=1e-3, atol=1e-3)


def test_the_loss_of_mobilenet_is_the_squared_error_of_its_one_number() -> None:
    bins, place_um = BinSettings(lowest_um=-17, highest_um=17), torch.tensor([0.4, -3.0, 8.1])
    recipe, defocus_um = load_recipe("mobilenet-v3"), torch.tensor([1.2, -3.0, 5.0])
    centres_um = torch.as_tensor(bins.centres_um, dtype=torch.float32)

    def loss(at_um: Tensor) -> float:
        logits = -0.5 * ((centres_um - at_um[:, None]) / SPREAD_BINS) ** 2
        return focus_loss(logits, defocus_um, bins=bins, settings=recipe.training).item()

    squared = (((place_um - defocus_um) / SPREAD_BINS) ** 2).mean().item() / 2
    assert loss(place_um) - loss(defocus_um) == pytest.approx(squared, rel=1e-4)
