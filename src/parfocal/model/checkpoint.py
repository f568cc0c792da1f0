"""Checkpoints of a training run: what is needed to go on exactly where it stopped."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from parfocal.data.whole_file import whole_file
from parfocal.errors import InputError
from parfocal.model.recipe import Recipe

FREE_TO_CHANGE = {"training": {"steps", "minutes", "checkpoint_every_s"}}
"""Parts of a recipe that say how long to train, not how: a run may go on for longer than first meant."""


class Run(Protocol):
    """Something that goes on step by step, and can be taken up again."""

    def state(self) -> dict[str, Any]:
        """All of it as plain values and tensors."""

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up a state where it was left; KeyError, RuntimeError or ValueError if it is another's."""


def save_checkpoint(path: Path, run: Run, *, recipe: Recipe, data_fingerprint: str) -> None:
    """Writes all of a run; an older checkpoint is replaced whole.

    Raises
    ------
    OutputError
        If it cannot be written; the older checkpoint stays.
    """
    values = {
        "recipe": recipe.model_dump(mode="json"),
        "made_with": _made_with(recipe, data_fingerprint),
        "run": run.state(),
    }
    buffer = io.BytesIO()  # torch's own file writer hides from its callers that a disk is full
    torch.save(values, buffer)
    with whole_file(path) as draft, draft.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())


def load_checkpoint(path: Path, run: Run, *, recipe: Recipe, data_fingerprint: str) -> None:
    """Takes up a run where its checkpoint left it.

    Raises
    ------
    InputError
        If there is no checkpoint, it is damaged, or it belongs to another recipe or other data.
    """
    with _reading(path) as values:
        made_with, state = values["made_with"], values["run"]
        _refuse_another(made_with, _made_with(recipe, data_fingerprint), path=path)
        run.restore(state)


def recipe_of(path: Path) -> Recipe:
    """The recipe of the run that a checkpoint is of.

    Raises
    ------
    InputError
        If there is no checkpoint, or it is damaged.
    """
    with _reading(path) as values:
        return Recipe.parse(values["recipe"], source=str(path))


@contextmanager
def _reading(path: Path) -> Iterator[dict[str, Any]]:
    """What a checkpoint holds; whatever is wrong with it is told in one way."""
    if not path.exists():
        raise InputError(f"{path}: there is no checkpoint to resume from. Train without --resume first.")
    try:
        yield torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, LookupError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{path}: the checkpoint is damaged ({reason}). Train anew without --resume."
        ) from error


def _made_with(recipe: Recipe, data_fingerprint: str) -> dict[str, Any]:
    return {**recipe.model_dump(mode="json", exclude=FREE_TO_CHANGE), "data": data_fingerprint}


def _refuse_another(made_with: dict[str, Any], now: dict[str, Any], *, path: Path) -> None:
    differences = list(_differences(made_with, now))
    if differences:
        raise InputError(
            f"{path}: the checkpoint belongs to another recipe or other data: {'; '.join(differences)}. "
            "Resume with the same ones, or train anew without --resume."
        )


def _differences(before: dict[str, Any], now: dict[str, Any], *, prefix: str = "") -> Iterator[str]:
    for key in dict.fromkeys((*before, *now)):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, prefix=f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key} was {old}, is {new}"
