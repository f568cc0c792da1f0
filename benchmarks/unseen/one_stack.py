"""What one stack is worth to the model of many: calibrated by each stack of a day, tried on the others.

``one_stack.py DAYS`` takes the test days of the focus benchmark (40x/1.30 oil), of which the shipped model
has no stack. Each stack in turn gives scale and offset; errors are those of the day's other stacks, within 8
depths of field.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from parfocal.data import Dataset
from parfocal.data.whole_file import write_whole_text
from parfocal.errors import InputError
from parfocal.evaluation.evaluate import json_text
from parfocal.model import FocusEstimator
from parfocal.model.answer_line import UNCHANGED, Line, StackAnswers, check_line, fit_line
from parfocal.model.one_stack import answers_for
from parfocal.model.serving import ready_for_dataset

DEPTHS = 8


def measure(model: str, folder: Path, *, most_stacks: int) -> dict[str, Any]:
    """By day: errors as the model comes, and with the line of one other stack."""
    dataset = Dataset.open(folder)
    estimator = FocusEstimator.load(model)
    estimator = estimator.with_header(ready_for_dataset(estimator.header, dataset.settings))
    depth_um = dataset.settings.dof_um
    assert depth_um
    experiments = {row.stack: row.experiment for row in dataset.split()}
    of_day: dict[str, list[StackAnswers]] = {}
    for stack_id in dataset.ids_in("test"):
        answers = of_day.setdefault(experiments[stack_id], [])
        if len(answers) < most_stacks:
            answers.append(answers_for(estimator, dataset.read(stack_id), dataset.focus_z_um(stack_id)))
    days = {day: _of_day(answers, reach_um=DEPTHS * depth_um) for day, answers in of_day.items()}
    return {"depth_um": depth_um, "days": days}


def _of_day(answers: list[StackAnswers], *, reach_um: float) -> dict[str, float]:
    after, refused = [], 0
    for k, own in enumerate(answers):
        line = fit_line([own])
        try:
            check_line(line, [own])
        except InputError:
            refused += 1
            continue
        after.append(np.mean([_error(line, other, reach_um) for j, other in enumerate(answers) if j != k]))
    return {
        "stacks": len(answers),
        "before_um": float(np.mean([_error(UNCHANGED, other, reach_um) for other in answers])),
        "after_um": float(np.mean(after)),
        "after_at_worst_um": float(np.max(after)),
        "refused": refused,
    }


def _error(line: Line, answers: StackAnswers, reach_um: float) -> float:
    near = np.abs(answers.actual_um) <= reach_um
    return float(np.abs(line.of(answers) - answers.actual_um)[near].mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("days", type=Path)
    parser.add_argument("--model", default="bright-field")
    parser.add_argument("--stacks", type=int, default=20, help="of each day, at most")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    result = measure(given.model, given.days, most_stacks=given.stacks)
    print(json_text(result))
    if given.out:
        write_whole_text(given.out, json_text(result))
