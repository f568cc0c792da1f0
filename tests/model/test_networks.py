"""The network of 2018 is the published one; FocusNetwork takes frames of any size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from parfocal.model import NetworkSettings, Wei2018Network, build_network, count_parameters
from parfocal.model.networks import standardise

SMALL = NetworkSettings(octaves=3, per_octave=2, width=16)


def grey_frames(*shape: int, seed: int = 0) -> Tensor:
    return 1000 + 100 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("downsampling", "input_px", "published"),
    [("2X", 500, 26_465_545), ("4X", 250, 6_804_745), ("10X", 100, 1_299_721)],
)
def test_the_2018_network_has_the_published_number_of_parameters(
    downsampling: str, input_px: int, published: int
) -> None:
    with torch.device("meta"):
        network = Wei2018Network(n_bins=41, input_px=input_px)
    assert count_parameters(network) == published


def test_pooling_before_relu_gives_what_the_published_order_gives() -> None:
    network = Wei2018Network(n_bins=5, input_px=50).eval()
    frames = grey_frames(3, 1, 50, 50)
    x = standardise(frames)
    for conv in (network.conv1, network.conv2):
        x = network.pool(torch.relu(conv(network.pad(x))))
    published = network.fc2(torch.relu(network.fc1(x.flatten(1))))
    torch.testing.assert_close(network(frames), published, rtol=1e-5, atol=1e-6)


def test_published_initialisation_is_a_normal_cut_at_two_sigma_with_biases_of_a_tenth() -> None:
    network = build_network(
        NetworkSettings(architecture="wei2018", input_px=50, literal_initialisation=True), n_bins=41
    )
    for layer in (module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)):
        assert torch.all(layer.weight.abs() <= 0.2) and layer.weight.abs().max() > 0.19
        # The sd of a standard normal cut at 2 is 0.8796.
        assert layer.weight.std().item() == pytest.approx(0.08796, rel=0.03)
        assert layer.bias is not None and torch.all(layer.bias == 0.1)


def test_padding_of_the_even_kernel_keeps_the_size() -> None:
    network = Wei2018Network(n_bins=5, input_px=50)
    assert network.conv1(network.pad(torch.zeros(1, 1, 50, 41))).shape == (1, 32, 50, 41)


def test_half_of_the_hidden_neurons_are_dropped_in_training_and_none_afterwards() -> None:
    network = Wei2018Network(n_bins=5, input_px=50)
    frames = grey_frames(2, 1, 50, 50)
    dropped = network.train().dropout(torch.ones(10_000))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert not torch.equal(network(frames), network(frames))
    network.eval()
    assert torch.equal(network(frames), network(frames))


def test_a_blank_frame_is_standardised_to_zero() -> None:
    frames = torch.stack([torch.full((1, 9, 9), grey) for grey in (0.0, 7.0, 65535.0)])
    assert torch.all(standardise(frames) == 0)


def test_other_frames_are_standardised_whatever_their_gain() -> None:
    frames = grey_frames(2, 1, 30, 30)
    assert standardise(frames).std().item() == pytest.approx(1, abs=0.02)
    torch.testing.assert_close(standardise(3 * frames), standardise(frames), rtol=1e-4, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(n_y=st.integers(SMALL.smallest_px, 71), n_x=st.integers(SMALL.smallest_px, 71), n=st.integers(1, 3))
def test_focus_network_takes_any_size_and_weighs_its_tiles(n_y: int, n_x: int, n: int) -> None:
    network = build_network(SMALL, n_bins=7).eval()
    with torch.inference_mode():
        frames = grey_frames(n, 1, n_y, n_x)
        assert network(frames).shape == (n, 7)
        outputs = network.outputs(frames)
        logits, weights = outputs["tile_logits"], outputs["tile_weights"]
    assert logits.shape == (n, 7, *weights.shape[-2:])
    assert torch.all(weights >= 0)
    torch.testing.assert_close(weights.sum(dim=(-2, -1)), torch.ones(n, 1))


@pytest.mark.parametrize("grey", [0.0, 1.0, 65535.0])
def test_focus_network_gives_finite_answers_for_blank_frames(grey: float) -> None:
    network = build_network(NetworkSettings(), n_bins=7).eval()
    with torch.inference_mode():
        assert torch.all(torch.isfinite(network(torch.full((1, 1, 65, 64), grey))))


@pytest.mark.parametrize("architecture", ["focus", "wei2018"])
def test_the_smallest_frame_is_taken(architecture: str) -> None:
    chosen = NetworkSettings.parse({"architecture": architecture, "input_px": 50}, source="test")
    network = build_network(chosen, n_bins=3).eval()
    with torch.inference_mode():
        assert network(grey_frames(1, 1, chosen.smallest_px, chosen.smallest_px)).shape == (1, 3)
