"""Checkpoints of a training run: what is needed to go on exactly where it stopped."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from parfocal.data.whole_file import whole_file
from parfocal.errors import InputError

RunState = dict[str, Any]


def save_checkpoint(
    path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, *, state: RunState
) -> None:
    """Writes weights, optimiser, random state and the run's numbers; replaces an older checkpoint whole.

    Raises
    ------
    OutputError
        If it cannot be written; the older checkpoint stays.
    """
    values = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "torch_random": torch.get_rng_state(),
        "state": state,
    }
    with whole_file(path) as draft:
        torch.save(values, draft)


def load_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> RunState:
    """Restores weights, optimiser and random state in place.

    Returns
    -------
    dict
        The run's numbers, as given to `save_checkpoint`.

    Raises
    ------
    InputError
        If there is no checkpoint, or it belongs to another recipe.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no checkpoint to resume from. Train without --resume first.")
    try:
        values = torch.load(path, weights_only=True)
        network.load_state_dict(values["network"])
        optimiser.load_state_dict(values["optimiser"])
    except (RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{path}: the checkpoint is damaged or belongs to another recipe ({str(error).splitlines()[0]}). "
            "Resume with the same dataset and recipe, or train anew without --resume."
        ) from error
    torch.set_rng_state(values["torch_random"])
    state: RunState = values["state"]
    return state
