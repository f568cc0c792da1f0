"""The networks: the one of Wei & Roberts (2018), FocusNetwork, and what they are held against."""

from __future__ import annotations

from torch import nn

from parfocal.model.networks.focus import FocusNetwork
from parfocal.model.networks.network_settings import NetworkSettings
from parfocal.model.networks.standardise import standardise
from parfocal.model.networks.wei2018 import Wei2018Network

__all__ = [
    "FocusNetwork",
    "NetworkSettings",
    "Wei2018Network",
    "build_network",
    "count_parameters",
    "standardise",
]


def build_network(settings: NetworkSettings, *, n_bins: int) -> FocusNetwork | Wei2018Network:
    """A network with fresh weights."""
    if settings.architecture == "wei2018":
        network = Wei2018Network(n_bins=n_bins, input_px=settings.input_px)
        if settings.literal_initialisation:
            network.initialise_as_published()
        return network
    return FocusNetwork(n_bins=n_bins, widths=settings.widths, blocks=settings.blocks)


def count_parameters(network: nn.Module) -> int:
    """Number of trainable numbers."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
