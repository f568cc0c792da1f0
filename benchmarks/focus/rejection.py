"""Does a model know what it cannot know? Frames to be refused and frames to be answered, and how it fares.

``rejection.py MODEL DAYS SCENES`` asks a model for each test frame of the days and each frame of the scenes
that ``unfamiliar.py`` made, prints a table and writes what it saw to JSON. Foreign frames should score lower
than ordinary ones; failing ones should score lower or be told with a broad distribution; what is accepted
should be right; and intervals should hold the truth on each day and at each density.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from answers import cells_in_stacks, test_stacks, thirds
from numpy.typing import NDArray
from unfamiliar import FAILING, kinds_in

from parfocal.data import Dataset
from parfocal.data.whole_file import write_whole_text
from parfocal.estimate import FocusEstimate
from parfocal.evaluation.evaluate import json_text
from parfocal.model import FocusEstimator
from parfocal.studies.failure_scenes import area_under_curve
from parfocal.zstack import ZStack

EVERY = 20
"""One in so many of the ordinary frames is also shown as a negative and blank."""
WRONG_UM = 1.0
Told = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Asked:
    """What a model said of some frames, each of shape (N,).

    `error_um` is not a number where there is no right answer.
    """

    score: NDArray[np.float64]
    std_um: NDArray[np.float64]
    accepted: NDArray[np.bool_]
    error_um: NDArray[np.float64]
    held: NDArray[np.bool_]

    @property
    def trust(self) -> NDArray[np.float64]:
        """Score and width as one number."""
        return self.score / self.std_um

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Asked:
        return Asked(**{name: values[chosen] for name, values in vars(self).items()})


def ask(
    estimator: FocusEstimator, frames: Iterable[NDArray[Any]], actual_um: Iterable[float], *, pixel_um: float
) -> Asked:
    """One frame after another, at the pixel size that the model was made for, whatever it is."""
    return asked_of((estimator.estimate(frame, pixel_size_um=pixel_um) for frame in frames), actual_um)


def asked_of(estimates: Iterable[FocusEstimate], actual_um: Iterable[float]) -> Asked:
    """What estimates come to, one after another, where the true defocus is known."""
    rows = []
    for told, actual in zip(estimates, actual_um, strict=True):
        low_um, high_um = told.interval90_um
        error_um = told.defocus_um - actual
        rows.append((told.in_distribution, told.std_um, told.accepted, error_um, low_um <= actual <= high_um))
    score, std_um, accepted, error_um, held = np.array(rows, np.float64).T
    return Asked(score, std_um, accepted > 0, error_um, held > 0)


def compare(ordinary: Asked, strange: Asked) -> Told:
    """How well some frames are told from ordinary ones."""
    wrong = np.abs(strange.error_um) > WRONG_UM
    return {
        "n_images": len(strange.score),
        "auc_score": area_under_curve(ordinary.score, strange.score),
        "auc_width": area_under_curve(-ordinary.std_um, -strange.std_um),
        "auc_both": area_under_curve(ordinary.trust, strange.trust),
        "refused": float(1 - strange.accepted.mean()),
        "wrong": float(wrong.mean()),
        "wrong_and_accepted": float((wrong & strange.accepted).mean()),
    }


def summary(asked: Asked) -> Told:
    """How ordinary frames fare."""
    wrong = np.abs(asked.error_um) > WRONG_UM
    accepted = asked.accepted
    return {
        "n_images": len(asked.score),
        "accepted": float(accepted.mean()),
        "mae_um": float(np.abs(asked.error_um).mean()),
        "wrong": float(wrong.mean()),
        "wrong_of_accepted": float(wrong[accepted].mean()) if accepted.any() else None,
        "interval90_coverage": float(asked.held.mean()),
        "interval90_coverage_of_accepted": float(asked.held[accepted].mean()) if accepted.any() else None,
    }


def measure(estimator: FocusEstimator, days: Dataset, scenes: Mapping[str, Dataset]) -> Told:
    """All numbers: of ordinary frames, by day and density, and of each kind of strange ones."""
    stacks = list(test_stacks(days))
    pixel_um = estimator.header.camera_pixel_size_um
    parts = [ask(estimator, stack.frames_zyx, z_um, pixel_um=pixel_um) for _, stack, z_um in stacks]
    ordinary = joined(parts)
    of_stack = np.repeat([stack_id for stack_id, _, _ in stacks], [len(part.score) for part in parts])
    experiments = {row.stack: row.experiment for row in days.split()}
    counts = cells_in_stacks(days.folder)
    density = thirds({stack_id: counts[stack_id] for stack_id, _, _ in stacks})
    strange = {kind: ask_dataset(estimator, dataset) for kind, dataset in scenes.items()}
    strange |= altered(estimator, [stack for _, stack, _ in stacks])
    return {
        "ordinary": summary(ordinary),
        "by_experiment": grouped(ordinary, of_stack, experiments),
        "by_density": grouped(ordinary, of_stack, density),
        "strange": {kind: compare(ordinary, asked) for kind, asked in strange.items()},
    }


def ask_dataset(estimator: FocusEstimator, dataset: Dataset) -> Asked:
    """All frames of a dataset within reach."""
    pixel_um = estimator.header.camera_pixel_size_um
    parts = [
        ask(estimator, stack.frames_zyx, z_um, pixel_um=pixel_um) for _, stack, z_um in test_stacks(dataset)
    ]
    return joined(parts)


def altered(estimator: FocusEstimator, stacks: Iterable[ZStack]) -> dict[str, Asked]:
    """Ordinary frames as negatives, and blank ones of their brightness."""
    frames = [frame for stack in stacks for frame in stack.frames_zyx][::EVERY]
    kinds = {
        "negative": [frame.max() - frame + frame.min() for frame in frames],
        "blank": [np.full_like(frame, round(float(frame.mean()))) for frame in frames],
    }
    nowhere = np.full(len(frames), np.nan)
    pixel_um = estimator.header.camera_pixel_size_um
    return {kind: ask(estimator, changed, nowhere, pixel_um=pixel_um) for kind, changed in kinds.items()}


def joined(parts: Iterable[Asked]) -> Asked:
    """Several answers as one."""
    columns = [vars(part) for part in parts]
    return Asked(**{name: np.concatenate([part[name] for part in columns]) for name in columns[0]})


def grouped(asked: Asked, of_stack: NDArray[np.str_], groups: Mapping[str, str]) -> dict[str, Told]:
    """`summary` of each group of stacks."""
    of_frame = np.array([groups[stack] for stack in of_stack])
    return {str(group): summary(asked[of_frame == group]) for group in np.unique(of_frame)}


def table(told: Told) -> str:
    """A Markdown table of the frames to be answered and one of those to be refused."""
    lines = [
        "| ordinary frames | accepted | MAE um | > 1 um | of accepted | 90 % interval holds |",
        "|---" * 6 + "|",
    ]
    rows = {"all": told["ordinary"], **told["by_experiment"], **told["by_density"]}
    for name, one in rows.items():
        off = "-" if one["wrong_of_accepted"] is None else f"{one['wrong_of_accepted']:.2%}"
        lines.append(
            f"| {name} | {one['accepted']:.1%} | {one['mae_um']:.3f} | {one['wrong']:.2%} | {off} "
            f"| {one['interval90_coverage']:.1%} |"
        )
    lines += [
        "",
        "| strange frames | AUC score | width | both | refused | wrong and accepted |",
        "|---" * 6 + "|",
    ]
    for name, one in sorted(told["strange"].items(), key=lambda row: (row[0] in FAILING, row[0])):
        areas = " | ".join(f"{one[key]:.3f}" for key in ("auc_score", "auc_width", "auc_both"))
        lines.append(f"| {name} | {areas} | {one['refused']:.1%} | {one['wrong_and_accepted']:.1%} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("days", type=Path, help="a dataset with test stacks and cells.csv")
    parser.add_argument("scenes", type=Path, help="the folder that unfamiliar.py filled")
    parser.add_argument("--out", type=Path, default=Path("rejection.json"))
    options = parser.parse_args()
    told = measure(FocusEstimator.load(options.model), Dataset.open(options.days), kinds_in(options.scenes))
    write_whole_text(options.out, json_text({"model": options.model.name, **told}))
    print(table(told))
