"""Weights to start from: those of another model, fitted to other bins and another microscope."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from parfocal.data.dataset import Dataset, DatasetSettings
from parfocal.errors import InputError, ModelError
from parfocal.model.bins import BinSettings
from parfocal.model.model_file import ModelHeader, load_model
from parfocal.model.networks import FocusNetwork
from parfocal.model.recipe import Inheritance, Recipe
from parfocal.model.serving import ready_for_dataset
from parfocal.model.shipped import find_model, shipped_models
from parfocal.model.similar_optics import stretch_between

LEAST_SIDE_PX = 96
"""Of a frame at the working pixel; smaller ones show too little of what a shipped model knows."""


def starting_model(dataset: Dataset) -> Path | None:
    """The shipped model that a training had better start from, or None for fresh weights.

    Notes
    -----
    For stacks of bright field, of an objective that is known and of an aperture that the model knows, with
    pixels fine enough. Light that is not known counts as green. Of several, that of the fewest apertures:
    what knows less knows it better.
    """
    headers = {name: load_model(find_model(name))[0] for name in shipped_models()}
    known = {
        name: pixel_um
        for name, header in headers.items()
        if (pixel_um := _similar_pixel_um(header, dataset.settings)) is not None
    }
    if not known:
        return None
    name = min(known, key=lambda name: np.ptp(headers[name].apertures or (0.0, np.inf)))
    stacks = map(dataset.read, dataset.ids_in("train"))
    least_um = min(min(stack.frame_shape_yx) * stack.pixel_size_um for stack in stacks)
    return find_model(name) if least_um / known[name] >= LEAST_SIDE_PX else None


def inheritance_of(start: Path | None, settings: DatasetSettings) -> Inheritance | None:
    """What a training on data of these settings takes over from a model to start from, if there is one."""
    if start is None:
        return None
    header = load_model(start)[0]
    return Inheritance(header.network, _similar_pixel_um(header, settings))


def _similar_pixel_um(header: ModelHeader, settings: DatasetSettings) -> float | None:
    """The working pixel of a model of many microscopes at that of some data, if it knows such ones."""
    if header.apertures is None or header.known_optics is None or settings.objective is None:
        return None
    try:
        ready = ready_for_dataset(header.replace(optics=None), settings)
    except ModelError:
        return None
    return ready.working_pixel_size_um


def inherit(network: nn.Module, init: Path, *, recipe: Recipe, settings: DatasetSettings) -> None:
    """Copies all weights of a model that fit a network.

    Parameters
    ----------
    network : Module
        As `recipe` makes it; its weights change in place.
    init : Path
        A model file, or the name of a shipped model.
    recipe : Recipe
        Of the network.
    settings : DatasetSettings
        Of the data that the network is to learn from.

    Raises
    ------
    InputError
        If the model is of another architecture, or does not know single cells as the recipe wants.
    ModelError
        If the file cannot be read.

    Notes
    -----
    A FocusNetwork keeps what it knows of other bins: the weights of a new bin are those of the old
    distance that looks alike, see `stretch`.
    """
    header, arrays = load_model(init)
    weights = {
        k.removeprefix("network."): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("network.")
    }
    own = network.state_dict()
    if isinstance(network, FocusNetwork) and header.network.architecture == "focus":
        longer = stretch(header, recipe=recipe, settings=settings)
        weights |= _head_for(weights, header.bins, recipe.bins.centres_um / longer)
        weights |= {k: longer * v for k, v in weights.items() if k == "reader.centres_um"}
    fitting = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
    if not any(k.startswith(("of_window", "features", "conv")) for k in fitting):
        raise InputError(f"{init}: is a model of another architecture; its weights do not fit this recipe.")
    if any(k.startswith("reader.") and k not in fitting for k in own):
        raise InputError(f"{init}: does not know single cells, as this recipe wants. Set its cell_bins to 0.")
    network.load_state_dict({**own, **fitting})


def mixed(weights: Mapping[str, Tensor], others: Mapping[str, Tensor], *, share: float) -> dict[str, Tensor]:
    """Weights with a share, from 0 to 1, of others of the same network."""
    return {
        name: torch.lerp(value, others[name], share) if value.is_floating_point() else value
        for name, value in weights.items()
    }


def stretch(header: ModelHeader, *, recipe: Recipe, settings: DatasetSettings) -> float:
    """How many um of this stage look like one um of the model's stage.

    Notes
    -----
    By Fresnel's similarity, see `parfocal.optics.similarity`, with the working pixels. Where light or
    objective are not known, they count as the model's.
    """
    known = header.known_optics
    pixel_um, their_pixel_um = recipe.sampling.pixel_size_um, header.recipe.sampling.pixel_size_um
    if known is None:
        return (pixel_um / their_pixel_um) ** 2
    index = settings.objective.immersion_index if settings.objective else known.immersion_index
    return stretch_between(
        (pixel_um, index, settings.wavelength_um or known.wavelength_um),
        (their_pixel_um, known.immersion_index, known.wavelength_um),
    )


def _head_for(weights: Mapping[str, Tensor], bins: BinSettings, alike_um: Any) -> dict[str, Tensor]:
    """The last layer for other bins, whose centres look like `alike_um` of the old ones.

    Between two old bins it is a mixture of theirs. The weight of a window, its last row, stays.
    """
    at = np.interp(alike_um, bins.centres_um, np.arange(bins.count))
    below = np.minimum(at.astype(int), bins.count - 2)
    share = torch.from_numpy((at - below).astype(np.float32))
    head = {}
    for name in ("head.weight", "head.bias"):
        old = weights[name]
        above_share = share.view(-1, *[1] * (old.dim() - 1))
        rows = old[below] * (1 - above_share) + old[below + 1] * above_share
        head[name] = torch.cat([rows, old[-1:]])
    return head
