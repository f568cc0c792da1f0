"""The networks: the one of Wei & Roberts (2018), FocusNetwork, and what they are held against."""

from __future__ import annotations

from torch import nn

from parfocal.model.networks.bands import Bands, Look
from parfocal.model.networks.cell_reader import CellReader
from parfocal.model.networks.focus import FocusNetwork
from parfocal.model.networks.mobilenet import MobileNetV3
from parfocal.model.networks.network_settings import NetworkSettings, Size, focus_network
from parfocal.model.networks.small_net import SmallNetwork
from parfocal.model.networks.spectral import SpectralNetwork
from parfocal.model.networks.standardise import Standardise, standardise
from parfocal.model.networks.wei2018 import Wei2018Network

__all__ = [
    "Bands",
    "CellReader",
    "FocusNetwork",
    "Look",
    "MobileNetV3",
    "Network",
    "NetworkSettings",
    "Size",
    "SmallNetwork",
    "SpectralNetwork",
    "Standardise",
    "Wei2018Network",
    "build_network",
    "count_parameters",
    "focus_network",
    "standardise",
]

Network = FocusNetwork | Wei2018Network | SmallNetwork | MobileNetV3 | SpectralNetwork


def build_network(settings: NetworkSettings, *, n_bins: int) -> Network:
    """A network with fresh weights."""
    match settings.architecture:
        case "focus":
            return FocusNetwork(
                n_bins=n_bins,
                octaves=settings.octaves,
                per_octave=settings.per_octave,
                window_px=settings.window_px,
                width=settings.width,
                cell_bins=settings.cell_bins,
                flat_field=settings.flat_field,
            )
        case "wei2018":
            network = Wei2018Network(n_bins=n_bins, input_px=settings.input_px)
            if settings.literal_initialisation:
                network.initialise_as_published()
            return network
        case "small":
            return SmallNetwork(n_bins=n_bins)
        case "mobilenet_v3":
            return MobileNetV3(n_bins=n_bins)
        case "spectral":
            return SpectralNetwork(n_bins=n_bins)


def count_parameters(network: nn.Module) -> int:
    """Number of weights, learned here or before."""
    return sum(weights.numel() for weights in network.parameters())
