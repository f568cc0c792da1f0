"""How far a reader of single cells errs on a microscope that is new to it, by the labels of whole frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from parfocal.model.evidence import LabelledStack, seen
from parfocal.model.networks import FocusNetwork
from parfocal.model.recipe import Recipe
from parfocal.zstack import ZStack

MOST_FRAMES = 400
ALIKE_UM = 1.5
"""Cells further from the frame's label may lie in another layer."""
FEWEST_PLACES, PRESENT = 3, 0.5
"""Of a frame that counts, and their least presence."""
NEAR_UM = 1.2
"""Standard deviation of the window, in defocus, over which errors are averaged."""
DOUBT = 5.0
"""Frames: so many, and half of their error is believed."""

Floats = NDArray[np.float64]


def fit_cells(network: FocusNetwork, stacks: Sequence[LabelledStack], recipe: Recipe, *, seed: int) -> None:
    """Shifts what the reader's bins stand for, so that cells agree with the labels of their frames.

    Parameters
    ----------
    network : FocusNetwork
        `centres_um` of its reader, if it has one, changes in place.
    stacks : sequence of (ZStack, focus_z_um)
    recipe : Recipe
        Of the network.
    seed : int
        Of the draw of frames, at most `MOST_FRAMES`.
    """
    reader = network.reader
    if reader is None:
        return
    random = np.random.default_rng([seed, 77])
    frames = [(stack, plane, focus_z_um) for stack, focus_z_um in stacks for plane in range(stack.n_planes)]
    drawn = random.permutation(len(frames))[:MOST_FRAMES]
    read = [_error(network, *frames[k], recipe=recipe) for k in drawn.tolist()]
    told = np.array([pair for pair in read if pair is not None]).reshape(-1, 2)
    centres_um = reader.centres_um.double().cpu().numpy()
    shifted = centres_um - smooth_errors(centres_um, told[:, 0], told[:, 1])
    reader.centres_um[:] = torch.from_numpy(np.maximum.accumulate(shifted))


def _error(
    network: FocusNetwork, stack: ZStack, plane: int, focus_z_um: float, *, recipe: Recipe
) -> tuple[float, float] | None:
    """What the cells of a frame that agree with its label say, and how far that is off; in um."""
    assert network.reader
    centres_um = network.reader.centres_um
    with torch.inference_mode():
        places = network.places(seen(stack, plane, recipe).to(centres_um.device))
        defocus_um = torch.softmax(places.logits[0], dim=-1) @ centres_um
        told_um = defocus_um[torch.sigmoid(places.presence[0]) > PRESENT].double().cpu().numpy()
    actual_um = float(stack.z_um[plane]) - focus_z_um
    agreeing = told_um[np.abs(told_um - actual_um) < ALIKE_UM]
    if len(agreeing) < FEWEST_PLACES:
        return None
    middle_um = float(np.median(agreeing))
    return middle_um, middle_um - actual_um


def smooth_errors(at_um: Floats, told_um: Floats, errors_um: Floats) -> Floats:
    """The usual error at some answers, shape of `at_um`: local medians, towards 0 where frames are few."""
    smooth = np.zeros(len(at_um))
    for k, centre in enumerate(at_um.tolist()):
        weights = np.exp(-0.5 * ((told_um - centre) / NEAR_UM) ** 2)
        total = float(weights.sum())
        if total > 0:
            order = np.argsort(errors_um)
            middle = int(np.searchsorted(np.cumsum(weights[order]), total / 2))
            smooth[k] = errors_um[order[min(middle, len(order) - 1)]] * total / (total + DOUBT)
    return smooth
