"""The contenders: how each learns from a data set, and what it then says of the test frames."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from answers import REACH_UM, Answers, ask, test_stacks
from differences import make_differences
from numpy.typing import NDArray

from parfocal.data import Dataset
from parfocal.errors import InputError
from parfocal.evaluation.baselines import ScoredStack, infer_baselines, score_stack
from parfocal.model import (
    FocusEstimator,
    Inheritance,
    Recipe,
    default_recipe,
    inheritance_of,
    load_recipe,
    starting_model,
    train,
)
from parfocal.model.networks import Size
from parfocal.zstack import ZStack

UNBOUNDED_STEPS = 1_000_000
"""For a run that only time ends."""
SIZES = (5, 10, 20, 50, 100, 345)
Z_RANGE_UM = (-REACH_UM, REACH_UM)
MOST_SCORED = 60
"""Training stacks whose scores make a profile: it is settled long before."""


@dataclass(frozen=True)
class Plan:
    """One row of the leaderboard to be: who learns from how many stacks.

    Attributes
    ----------
    contender : str
    stacks : int
        All that were collected, those for validation included.
    seed : int
        Of the draw of stacks, the label noise, the fresh weights and the batches.
    noisy : bool
        Whether the labels are as people make them.
    minutes : float or None
        Bound of the training in processor time; None for as many steps as the contender's recipe has.
    """

    contender: str
    stacks: int
    seed: int = 0
    noisy: bool = False
    minutes: float | None = None

    @property
    def name(self) -> str:
        """What the row's file is called."""
        return f"{self.contender}-{self.stacks}-{self.seed}" + ("-noisy" if self.noisy else "")

    @property
    def arguments(self) -> str:
        """What to write after the name of the script and the folder of the days."""
        options = f"--contender {self.contender} --stacks {self.stacks} --seed {self.seed}"
        bound = f" --minutes {self.minutes:g}" if self.minutes else ""
        return options + bound + (" --noisy" if self.noisy else "")


@dataclass(frozen=True, eq=False)
class Outcome:
    """Answers for the test frames, and what is worth knowing of how they were learned."""

    answers: Answers
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """Who takes part.

    Attributes
    ----------
    learn : callable
        Learns from the data set in a folder and writes what it needs beside; gives an `Outcome`.
    told : str
        One line for the table.
    sizes : tuple of int
        Numbers of stacks that a full leaderboard shows.
    seeds : int
    """

    learn: Callable[[Dataset, Path, Plan], Outcome]
    told: str
    sizes: tuple[int, ...] = SIZES
    seeds: int = 3


def learn_default(
    dataset: Dataset, work: Path, plan: Plan, *, fresh: bool = False, size: Size = "default"
) -> Outcome:
    """As ``parfocal train`` with no options; or always from fresh weights, of some size."""
    start = None if fresh else starting_model(dataset)
    inherits = inheritance_of(start, dataset.settings)
    recipe = partial(recipe_for, plan=plan, recipe=None, inherits=inherits, size=size)
    return _train_and_ask(dataset, work, recipe, init=start)


def learn_recipe(dataset: Dataset, work: Path, plan: Plan, *, recipe: str) -> Outcome:
    """Trains by a named recipe and asks the estimator."""
    return _train_and_ask(dataset, work, partial(recipe_for, plan=plan, recipe=recipe))


def learn_differences(dataset: Dataset, work: Path, plan: Plan) -> Outcome:
    """The small network on differences of two planes."""
    pairs = make_differences(dataset, work / "differences")
    return _train_and_ask(pairs, work, partial(recipe_for, plan=plan, recipe="small-net"))


def recipe_for(
    stacks: list[tuple[ZStack, float]],
    *,
    plan: Plan,
    recipe: str | None,
    inherits: Inheritance | None = None,
    size: Size = "default",
) -> Recipe:
    """The recipe with the seed of a plan, and its bound in minutes if it has one."""
    chosen = default_recipe(stacks, size=size, inherits=inherits) if recipe is None else load_recipe(recipe)
    bound = {"steps": UNBOUNDED_STEPS, "minutes": plan.minutes} if plan.minutes else {}
    training = chosen.training.replace(seed=plan.seed, **bound)
    return chosen.replace(training=training.model_dump())


def _train_and_ask(
    dataset: Dataset,
    work: Path,
    recipe: Callable[[list[tuple[ZStack, float]]], Recipe],
    *,
    init: Path | None = None,
) -> Outcome:
    model = work / "model.safetensors"
    # Processor time: on a shared machine minutes of the clock would measure the neighbours.
    header = train(dataset, out=model, recipe=recipe, init=init, clock=time.process_time)
    curve = training_curve(work / "model.training")
    about = {
        "seconds": curve["seconds"][-1] if curve["seconds"] else None,
        "steps": header.steps,
        "parameters": header.parameters,
        "curve": curve,
        "recipe": header.recipe.model_dump(mode="json"),
    }
    return Outcome(ask(FocusEstimator.load(model), dataset), about)


def training_curve(folder: Path) -> dict[str, list[float]]:
    """Seconds, steps and validation error in um, at each validation that the log of a training holds."""
    log = max(folder.glob("csv/version_*/metrics.csv"), key=lambda path: int(path.parent.name[8:]))
    with log.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("validation_mae_um")]
    changes = [row for k, row in enumerate(rows) if not k or _error_in(row) != _error_in(rows[k - 1])]
    return {
        "seconds": [round(float(row["seconds"]), 2) for row in changes],
        "steps": [int(row["step"]) for row in changes],
        "validation_mae_um": [_error_in(row) for row in changes],
    }


def _error_in(row: dict[str, str]) -> float:
    return round(float(row["validation_mae_um"]), 5)


def learn_constant(dataset: Dataset, work: Path, plan: Plan) -> Outcome:
    """Always the median defocus of the training frames."""
    frames = [dataset.positions_um(stack) - dataset.focus_z_um(stack) for stack in dataset.ids_in("train")]
    inferred_um = float(np.median(np.concatenate(frames)))
    answers = _answers(dataset, lambda _, defocus_um: np.full(defocus_um.shape, inferred_um))
    return Outcome(answers, {"parameters": 1})


def learn_classical(dataset: Dataset, work: Path, plan: Plan, *, oracles: bool) -> Outcome:
    """The classical measure that does best on the validation stacks."""
    ids = dataset.ids_in("train")
    training = [_scored(dataset, stack) for stack in ids[:: -(-len(ids) // MOST_SCORED)]]
    validation = [_scored(dataset, stack) for stack in dataset.ids_in("validation")]
    best = best_measure(training, validation, oracles=oracles)
    test = [
        score_stack(stack, focus_z_um=dataset.focus_z_um(name)) for name, stack, _ in test_stacks(dataset)
    ]
    inferred = iter(infer_baselines(training, test, z_range_um=Z_RANGE_UM)[best])
    return Outcome(_answers(dataset, lambda _, defocus_um: next(inferred)), {"measure": best})


def best_measure(training: list[ScoredStack], validation: list[ScoredStack], *, oracles: bool) -> str:
    """Name of the classical baseline, with or without oracles, with the least error on some stacks."""
    inferred = infer_baselines(training, validation, z_range_um=Z_RANGE_UM)
    actual_um = np.concatenate([stack.defocus_um for stack in validation])
    near = np.abs(actual_um) <= REACH_UM
    errors_um = {
        name: float(np.abs(np.concatenate(z_um) - actual_um)[near].mean())
        for name, z_um in inferred.items()
        if name != "constant" and name.endswith("_with_oracles") == oracles
    }
    return min(errors_um, key=lambda name: errors_um[name])


def _scored(dataset: Dataset, stack: str) -> ScoredStack:
    return score_stack(dataset.read(stack), focus_z_um=dataset.focus_z_um(stack))


def _answers(
    dataset: Dataset, infer: Callable[[ZStack, NDArray[np.float64]], NDArray[np.float64]]
) -> Answers:
    stacks, actual_um, inferred_um = [], [], []
    for name, stack, defocus_um in test_stacks(dataset):
        stacks += [name] * len(defocus_um)
        actual_um.append(defocus_um)
        inferred_um.append(infer(stack, defocus_um))
    return Answers(np.array(stacks), np.concatenate(actual_um), np.concatenate(inferred_um))


CONTENDERS = {
    "constant": Contender(learn_constant, "the median defocus, whatever the frame", (100,), 1),
    "classical": Contender(
        partial(learn_classical, oracles=False), "the classical measure best on validation stacks", (100,), 1
    ),
    "classical-with-oracles": Contender(
        partial(learn_classical, oracles=True),
        "the same, told the side of focus and the largest score of the stack",
        (100,),
        1,
    ),
    "spectral": Contender(partial(learn_recipe, recipe="spectral"), "35 spectral numbers, two hidden layers"),
    "focus": Contender(
        learn_default,
        "`parfocal train` with no options; starts from the shipped model, made with the same virtual optics",
    ),
    "focus-fresh": Contender(
        partial(learn_default, fresh=True), "the same from fresh weights: `--init none`"
    ),
    "focus-tiny": Contender(
        partial(learn_default, fresh=True, size="tiny"), "a smaller and faster one: `--size tiny`", (10, 100)
    ),
    "focus-large": Contender(
        partial(learn_default, fresh=True, size="large"), "a larger one: `--size large`", (10, 100)
    ),
    "small-net": Contender(
        partial(learn_recipe, recipe="small-net"), "the small net that FocusNetwork grew from"
    ),
    "differences": Contender(
        learn_differences, "the small net on two frames 2 um apart (Dastidar 2020)", (20, 100, 345)
    ),
    "wei2018-sane": Contender(
        partial(learn_recipe, recipe="wei2018-sane"), "the 2018 network, well initialised", (20, 100, 345)
    ),
    "mobilenet-v3": Contender(
        partial(learn_recipe, recipe="mobilenet-v3"),
        "MobileNetV3-Small regression (Liao 2022)",
        (20, 100, 345),
    ),
    "wei2018": Contender(
        partial(learn_recipe, recipe="wei2018"), "the 2018 network by its literal recipe", (345,), 1
    ),
}
"""From cheap to dear."""


def contender(name: str) -> Contender:
    """The contender of a name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in CONTENDERS:
        raise InputError(f"Expected a contender among {', '.join(CONTENDERS)}; got '{name}'.")
    return CONTENDERS[name]


def full_leaderboard() -> Iterable[Plan]:
    """All rows, from cheap to dear; the first seed of all before the second of any."""
    for seed in range(max(one.seeds for one in CONTENDERS.values())):
        for name, one in CONTENDERS.items():
            for stacks in one.sizes if seed < one.seeds else ():
                yield Plan(name, stacks, seed)
