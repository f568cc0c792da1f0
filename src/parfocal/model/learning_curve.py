"""LearningCurve, the error against the number of stacks: whether to collect more of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.compute import run_tasks
from parfocal.data.dataset import Dataset
from parfocal.data.split import SplitRow
from parfocal.errors import DatasetError
from parfocal.model.estimator import FocusEstimator
from parfocal.model.inherited import inheritance_of, starting_model
from parfocal.model.recipe import Inheritance, Recipe, default_recipe
from parfocal.model.training import train
from parfocal.zstack import ZStack

SHARES = (0.25, 0.5, 1.0)
"""Of the training stacks."""
FEWEST_TRAINING = 4
FEWEST_VALIDATION = 3
"""Fewer stacks tell nothing of how errors vary from stack to stack."""
DRAWS = 2
"""Trainings for each share: of different stacks where the share leaves any, of another seed always."""
MOST_FRAMES = 400
"""Of the validation stacks, that each model is asked about."""
WORTH_IT = 0.05
"""A part of the error that is worth collecting stacks for."""
_RESAMPLES = 2000


@dataclass(frozen=True)
class CurvePoint:
    """What came of one number of stacks.

    Attributes
    ----------
    n_stacks : int
        Training stacks.
    mae_um : float
        Mean absolute error on the validation stacks, of all draws.
    interval95_um : (float, float)
        By bootstrap over the validation stacks.
    """

    n_stacks: int
    mae_um: float
    interval95_um: tuple[float, float]


@dataclass(frozen=True)
class LearningCurve:
    """Error against the number of stacks.

    Attributes
    ----------
    points : tuple of CurvePoint
        The fewest stacks first.
    n_validation : int
        Stacks that the errors are of, the same for all.
    fell : float
        Part by which the error fell from the last point but one to the last.
    fell95 : (float, float)
        By bootstrap over the validation stacks, the same ones for both points.
    """

    points: tuple[CurvePoint, ...]
    n_validation: int
    fell: float
    fell95: tuple[float, float]

    @property
    def verdict(self) -> str:
        """Whether more stacks would help, in one sentence."""
        few, many = self.points[-2].n_stacks, self.points[-1].n_stacks
        low, high = self.fell95
        if low > 0 and self.fell >= WORTH_IT:
            said = "More stacks would likely help"
        elif high < 2 * WORTH_IT:
            said = "More stacks would hardly help"
        else:
            said = "Whether more stacks would help cannot be told yet"
        how, percent = ("fell", self.fell) if self.fell >= 0 else ("grew", -self.fell)
        ends = (low, high) if self.fell >= 0 else (-high, -low)
        return (
            f"{said}: the error {how} by {100 * percent:.0f} % (95 %: {100 * ends[0]:.0f} to "
            f"{100 * ends[1]:.0f}) from {few} to {many} stacks."
        )


@dataclass(frozen=True)
class _Training:
    """One training to be done."""

    dataset: Dataset
    seed: int
    init: Path | None
    steps: int | None
    minutes: float | None


def learning_curve(
    dataset: Dataset,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> LearningCurve:
    """Trains with a quarter, half and all of the training stacks, and asks each time about the same others.

    Parameters
    ----------
    dataset : Dataset
        With annotations and a split.
    steps, minutes : optional
        Bounds of each training; as many steps as the default has if neither is given.
    workers, scheduler
        See `parfocal.compute.run_tasks`.
    watch : callable, optional
        Is told the trainings that are done, and all there are.

    Raises
    ------
    DatasetError
        If there are too few training or validation stacks, or they cannot be read.

    Notes
    -----
    Each training is that of ``parfocal train`` with no options. Smaller draws are parts of larger ones where
    they are of the same seed. The intervals hold what differs from stack to stack, not what differs from
    training to training; of that, only the mean of two is taken. All models choose nothing by the validation
    stacks but when to stop.
    """
    curves = curve_splits(dataset.split())
    init = starting_model(dataset)
    tasks = [
        _Training(dataset.with_split(rows), seed, init, steps, minutes)
        for draws in curves.values()
        for seed, rows in enumerate(draws)
    ]
    errors: dict[int, NDArray[np.float64]] = {}
    with closing(run_tasks(_errors_um, tasks, workers=workers, scheduler=scheduler)) as results:
        for done, (k, error_um) in enumerate(results, start=1):
            errors[k] = error_um
            watch(done, len(tasks))
    ordered = np.array([errors[k] for k in range(len(tasks))])
    return curve_of(list(curves), ordered.reshape(len(curves), DRAWS, -1).mean(axis=1))


def curve_splits(split: Sequence[SplitRow]) -> dict[int, list[tuple[SplitRow, ...]]]:
    """Splits with fewer training stacks, under their number, and all validation stacks.

    Raises
    ------
    DatasetError
        If there are too few of either.
    """
    training = [row for row in split if row.part == "train"]
    validation = [row for row in split if row.part == "validation"]
    if len(training) < FEWEST_TRAINING or len(validation) < FEWEST_VALIDATION:
        raise DatasetError(
            f"Expected at least {FEWEST_TRAINING} training stacks and {FEWEST_VALIDATION} validation stacks; "
            f"got {len(training)} and {len(validation)}. More stacks will help; collect some first."
        )
    counts = sorted({max(1, round(share * len(training))) for share in SHARES})
    orders = [np.random.default_rng(0).permutation(len(training))]
    orders.append(orders[0][::-1])  # halves and quarters of other stacks
    return {
        count: [(*(training[k] for k in sorted(order[:count])), *validation) for order in orders[:DRAWS]]
        for count in counts
    }


def curve_of(counts: Sequence[int], errors_um: NDArray[np.float64], *, seed: int = 0) -> LearningCurve:
    """The curve of some errors.

    Parameters
    ----------
    counts : sequence of int
        Numbers of training stacks, increasing.
    errors_um : array, shape (counts, validation stacks)
        Mean absolute error of each model on each stack, in um.
    seed : int
        Of the bootstrap.

    Examples
    --------
    >>> curve = curve_of([5, 10], np.array([[1.0, 2.0, 3.0], [0.8, 1.6, 2.4]]))
    >>> curve.verdict
    'More stacks would likely help: the error fell by 20 % (95 %: 20 to 20) from 5 to 10 stacks.'
    """
    n_stacks = errors_um.shape[1]
    drawn = np.random.default_rng(seed).integers(n_stacks, size=(_RESAMPLES, n_stacks))
    means_um = errors_um[:, drawn].mean(axis=2)  # (counts, resamples)
    points = tuple(
        CurvePoint(count, float(error_um.mean()), _ends(some_um))
        for count, error_um, some_um in zip(counts, errors_um, means_um, strict=True)
    )
    return LearningCurve(
        points=points,
        n_validation=n_stacks,
        fell=1 - points[-1].mae_um / points[-2].mae_um,
        fell95=_ends(1 - means_um[-1] / means_um[-2]),
    )


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _errors_um(training: _Training) -> NDArray[np.float64]:
    """Mean absolute error on each validation stack, in um, of a model that is made and forgotten."""
    inherits = inheritance_of(training.init, training.dataset.settings)
    recipe = partial(_recipe, inherits=inherits, training=training)
    with TemporaryDirectory(prefix="parfocal-") as folder:
        model = Path(folder) / "model.safetensors"
        train(training.dataset, out=model, recipe=recipe, init=training.init)
        estimator = FocusEstimator.load(model)
    ids = training.dataset.ids_in("validation")
    n_planes = max(1, MOST_FRAMES // len(ids))
    return np.array([_mae_um(estimator, training.dataset, stack, n_planes=n_planes) for stack in ids])


def _recipe(
    stacks: Sequence[tuple[ZStack, float]], *, inherits: Inheritance | None, training: _Training
) -> Recipe:
    recipe = default_recipe(stacks, inherits=inherits)
    given: dict[str, Any] = {"steps": training.steps, "minutes": training.minutes, "seed": training.seed}
    changes = {name: value for name, value in given.items() if value is not None}
    return recipe.replace(training=recipe.training.replace(**changes).model_dump())


def _mae_um(estimator: FocusEstimator, dataset: Dataset, stack_id: str, *, n_planes: int) -> float:
    """Of planes evenly through a stack."""
    stack = dataset.read(stack_id)
    defocus_um = stack.defocus_um(dataset.focus_z_um(stack_id))
    asked = np.linspace(0, stack.n_planes - 1, min(n_planes, stack.n_planes)).round().astype(int)
    answers_um = [
        estimator.estimate(stack.frames_zyx[k], pixel_size_um=stack.pixel_size_um).defocus_um for k in asked
    ]
    return float(np.abs(np.array(answers_um) - defocus_um[asked]).mean())
