"""The network of Wei & Roberts (2018) as the studies train it.

At the paper's size it is trained to the letter. Smaller sizes have the same network, loss and answer, on a
quarter of the field or less, but start from PyTorch's weights with a larger rate that decays: after some
hundreds of steps to the letter there is nothing to compare, see docs/leaderboard.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from parfocal.model import Recipe, load_recipe
from parfocal.model.bins import BinSettings
from parfocal.studies.study import Size

CROP_UM: Mapping[Size, float] = {"toy": 30.0, "quick": 30.0, "paper": 60.0}
STEPS: Mapping[Size, int] = {"toy": 4, "quick": 400, "paper": 100_000}
NATIVE_PIXEL_UM = 0.06
"""Of the paper's camera in the sample."""
REACH_UM = 20.0


def paper_recipe(
    size: Size,
    *,
    downsampling: float = 4,
    batch_size: int = 50,
    bin_um: float = 1.0,
    steps: int | None = None,
    seed: int = 0,
) -> Recipe:
    """The recipe of the 2018 network.

    Parameters
    ----------
    size : str
    downsampling : float
        Of the paper's pixels: 2, 4 or 10.
    batch_size : int
    bin_um : float
        Width of the bins, one of them about focus, over +-20 um or a little more.
    steps : int, optional
        In place of the size's own.
    seed : int
    """
    literal = load_recipe("wei2018")
    pixel_um = downsampling * NATIVE_PIXEL_UM
    reach_um = bin_um * math.ceil(REACH_UM / bin_um - 1e-9)
    schedule = {} if size == "paper" else {"learning_rate": 3e-4, "decay": "cosine", "warm_up": 0.05}
    n_steps = steps or STEPS[size]
    return literal.replace(
        name=f"wei2018-{size}",
        sampling=literal.sampling.replace(crop_um=CROP_UM[size], pixel_size_um=pixel_um),
        bins=BinSettings(lowest_um=-reach_um, highest_um=reach_um, width_um=bin_um),
        network=literal.network.replace(
            input_px=round(CROP_UM[size] / pixel_um), literal_initialisation=size == "paper"
        ),
        training=literal.training.replace(
            steps=n_steps, batch_size=batch_size, seed=seed, validate_every=max(1, n_steps // 4), **schedule
        ),
    )
