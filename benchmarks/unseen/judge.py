"""How a model of many microscopes fares on those that ``instruments.py`` made, and on frames it must refuse.

``judge.py FOLDER`` asks the shipped model (or ``--model FILE``) for every frame, told only what a user would
tell it: pixel size, aperture, immersion and wavelength. A microscope's bar is half a depth of field, or
0.3 um where that is more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from instruments import PART
from numpy.typing import NDArray

from parfocal.data import Dataset
from parfocal.data.whole_file import write_whole_text
from parfocal.errors import ModelError
from parfocal.evaluation.evaluate import json_text
from parfocal.model import FocusEstimator
from parfocal.model.serving import ready_for_dataset

LEAST_BAR_UM = 0.3
DRAWS = 400
"""Of the bootstrap over microscopes."""
SEED = 7


@dataclass(frozen=True, eq=False)
class Asked:
    """What a model said of some frames, each of shape (N,).

    Attributes
    ----------
    microscope : array of int
    aperture, depth_um : array
        Of the microscope's objective.
    kind : array of str
        Of its cells.
    actual_um, inferred_um, low_um, high_um : array
        Defocus, and the 90 % interval; the first is not a number where there is no right answer.
    accepted : array of bool
    score : array
    """

    microscope: NDArray[np.int64]
    aperture: NDArray[np.float64]
    depth_um: NDArray[np.float64]
    kind: NDArray[np.str_]
    actual_um: NDArray[np.float64]
    inferred_um: NDArray[np.float64]
    low_um: NDArray[np.float64]
    high_um: NDArray[np.float64]
    accepted: NDArray[np.bool_]
    score: NDArray[np.float64]

    def __getitem__(self, chosen: NDArray[Any]) -> Asked:
        return Asked(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    @property
    def in_bars(self) -> NDArray[np.float64]:
        """Errors over the microscope's bar."""
        return np.abs(self.inferred_um - self.actual_um) / np.maximum(0.5 * self.depth_um, LEAST_BAR_UM)

    @property
    def wrong_side(self) -> NDArray[np.bool_]:
        """Whether it says the other side of focus, a depth of field or more away from it."""
        return (np.abs(self.actual_um) > self.depth_um) & (self.inferred_um * self.actual_um < 0)


def ask(estimator: FocusEstimator, folder: Path) -> Asked:
    """All frames of the datasets in a folder."""
    rows: list[tuple[Any, ...]] = []
    for place in sorted(folder.iterdir()):
        dataset = Dataset.open(place)
        ready = ready_to_serve(estimator, dataset)
        if ready is None:
            continue
        lens, depth_um = dataset.settings.objective, dataset.settings.dof_um
        assert lens and depth_um
        for stack_id in dataset.ids_in(PART):
            stack = dataset.read(stack_id)
            actual_um = stack.defocus_um(dataset.focus_z_um(stack_id))
            for frame_yx, true_um in zip(stack.frames_zyx, actual_um, strict=True):
                told = ready.estimate(frame_yx, pixel_size_um=stack.pixel_size_um)
                rows.append(
                    (
                        int(place.name), lens.numerical_aperture, depth_um, dataset.settings.experiments[0],
                        true_um, told.defocus_um, *told.interval90_um, told.accepted, told.in_distribution,
                    )
                )  # fmt: skip
    return Asked(*(np.array(column) for column in zip(*rows, strict=True)))


def ready_to_serve(estimator: FocusEstimator, dataset: Dataset) -> FocusEstimator | None:
    """The model told of a dataset's microscope; None, and a line, if it does not serve that."""
    try:
        return estimator.with_header(ready_for_dataset(estimator.header, dataset.settings))
    except ModelError as error:
        print(f"{dataset.folder.name} is not served: {error}", file=sys.stderr)
        return None


def refused(estimator: FocusEstimator, folder: Path, change: Callable[[NDArray[Any]], NDArray[Any]]) -> float:
    """Share of the changed frames of the datasets in a folder that are not answered."""
    return float(np.mean([not told for told in _accepted(estimator, folder, change)]))


def _accepted(
    estimator: FocusEstimator, folder: Path, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> Iterator[bool]:
    for place in sorted(folder.iterdir()):
        dataset = Dataset.open(place)
        ready = ready_to_serve(estimator, dataset)
        if ready is None:
            continue
        for stack_id in dataset.ids_in(PART):
            stack = dataset.read(stack_id)
            for frame_yx in stack.frames_zyx[::4]:
                told = ready.estimate(change(frame_yx), pixel_size_um=stack.pixel_size_um)
                yield told.accepted


def as_it_is(frame_yx: NDArray[Any]) -> NDArray[Any]:
    """For frames that are foreign by themselves."""
    return frame_yx


def negative(frame_yx: NDArray[Any]) -> NDArray[Any]:
    """Dark for bright: no bright-field microscope shows cells so, and phase contrast may."""
    mean = float(frame_yx.mean())
    return np.clip(2 * mean - frame_yx.astype(np.float32), 0, None).astype(frame_yx.dtype)


def saturated(frame_yx: NDArray[Any]) -> NDArray[Any]:
    """Twice as much light as the camera takes."""
    top = float(np.quantile(frame_yx, 0.3))
    return np.minimum(frame_yx, top).astype(frame_yx.dtype)


def glowing(frame_yx: NDArray[Any]) -> NDArray[Any]:
    """Bright where there is contrast, on a dark ground, as fluorescence looks."""
    contrast = np.abs(frame_yx.astype(np.float32) / frame_yx.mean() - 1)
    return (60 + 2500 * contrast / max(float(contrast.max()), 1e-6)).astype(frame_yx.dtype)


CHANGES = {"negative": negative, "saturated": saturated, "like fluorescence": glowing}


def summary(asked: Asked) -> dict[str, float]:
    """What counts, of accepted answers where nothing else is said."""
    kept = asked[asked.accepted]
    errors = np.abs(kept.inferred_um - kept.actual_um)
    held = (kept.low_um <= kept.actual_um) & (kept.actual_um <= kept.high_um)
    of_each = [float(kept[kept.microscope == k].in_bars.mean()) for k in np.unique(kept.microscope)]
    return {
        "microscopes": len(np.unique(asked.microscope)),
        "abstained": float(1 - asked.accepted.mean()),
        "mae_in_bars": float(kept.in_bars.mean()),
        "mae_in_depths": float((errors / kept.depth_um).mean()),
        "median_in_depths": float(np.median(errors / kept.depth_um)),
        "all_in_bars": float(asked.in_bars.mean()),
        "microscopes_within_bar": float(np.mean(np.array(of_each) <= 1)),
        "wrong_side": float(kept.wrong_side.mean()),
        "all_wrong_side": float(asked.wrong_side.mean()),
        "interval90_holds": float(held.mean()),
    }


def bootstrap(asked: Asked) -> tuple[float, float]:
    """95 % interval of the mean error in bars, microscopes drawn with replacement."""
    random, kept = np.random.default_rng(SEED), asked[asked.accepted]
    of_each = [kept.in_bars[kept.microscope == k] for k in np.unique(kept.microscope)]
    sums, counts = np.array([(each.sum(), len(each)) for each in of_each]).T
    drawn = random.integers(len(of_each), size=(DRAWS, len(of_each)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def judge(model: str, folder: Path) -> dict[str, Any]:
    """All tables of a model, as JSON takes them."""
    estimator = FocusEstimator.load(model)
    asked = ask(estimator, folder / "ordinary")
    groups = {"all": np.ones(len(asked.score), bool)}
    groups |= {"NA 0.9 and more": asked.aperture >= 0.9, "NA below 0.9": asked.aperture < 0.9}
    groups |= {f"NA {aperture:g}": asked.aperture == aperture for aperture in np.unique(asked.aperture)}
    groups |= {f"{kind}": asked.kind == kind for kind in np.unique(asked.kind)}
    told: dict[str, Any] = {name: summary(asked[chosen]) for name, chosen in groups.items()}
    told["all"]["mae_in_bars_95"] = bootstrap(asked)
    foreign = {
        path.name: refused(estimator, path, as_it_is)
        for path in sorted(folder.iterdir())
        if path.name != "ordinary"
    }
    foreign |= {name: refused(estimator, folder / "ordinary", change) for name, change in CHANGES.items()}
    return {"groups": told, "refused": foreign, "model": estimator.fingerprint}


def show(told: dict[str, Any]) -> None:
    """The tables, for people."""
    print(f"{'':18} microscopes  abstained  error (bars)  error (depths)  within bar  wrong side  90 % holds")
    for name, row in told["groups"].items():
        print(
            f"{name:18} {row['microscopes']:11d} {row['abstained']:10.1%} {row['mae_in_bars']:13.2f} "
            f"{row['mae_in_depths']:15.2f} {row['microscopes_within_bar']:11.0%} {row['wrong_side']:11.2%} "
            f"{row['interval90_holds']:11.1%}"
        )
    low, high = told["groups"]["all"]["mae_in_bars_95"]
    print(f"95 % of the mean error in bars, over microscopes: {low:.2f} to {high:.2f}")
    print("refused: " + ", ".join(f"{name} {share:.0%}" for name, share in told["refused"].items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="bright-field")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    result = judge(given.model, given.folder)
    show(result)
    if given.out:
        write_whole_text(given.out, json_text(result))
