"""The results of ``hold.py``: one JSON file for each run, and the table over all of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pages import PAGE, put_into

from parfocal.errors import InputError

RESULTS = Path(__file__).parent / "results" / "hold"
HEADINGS = (
    "contender",
    "RMS um, median run",
    "worst run",
    "all frames",
    "largest um",
    "within 1 um",
    "runs lost",
    "losses",
    "moves a run",
    "travel um a run",
    "processor ms a frame",
)
Run = dict[str, Any]


def run_path(results: Path, seed: int) -> Path:
    """Where the run of a seed is, or would be."""
    return results / f"run-{seed}.json"


def is_made(path: Path, made_by: Mapping[str, Any]) -> bool:
    """Whether a run is there.

    Raises
    ------
    InputError
        If it is there but was made by another plan or other models.
    """
    if not path.exists():
        return False
    check_made_by(path, json.loads(path.read_text(encoding="utf-8")), made_by)
    return True


def check_made_by(path: Path, told: Mapping[str, Any], made_by: Mapping[str, Any]) -> None:
    """Refuses results that were made by another plan or other models."""
    for name, expected in made_by.items():
        if told[name] != expected:
            raise InputError(
                f"{path}: expected results of the {name} {expected}, it has those of {told[name]}. "
                "Choose another place with --results, or remove the file."
            )


def read_runs(results: Path) -> list[Run]:
    """All runs that are there, by seed.

    Raises
    ------
    InputError
        If there are none, or they were not made alike.
    """
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in results.glob("run-*.json")]
    if not runs:
        raise InputError(f"{results}: holds no runs. Expected run-SEED.json, as hold.py writes them.")
    alike = {json.dumps({**run["plan"], "seed": None, **run["models"]}, sort_keys=True) for run in runs}
    if len(alike) > 1:
        raise InputError(f"{results}: expected runs of one plan and one pair of models, found {len(alike)}.")
    return sorted(runs, key=lambda run: run["plan"]["seed"])


def table(runs: Sequence[Run]) -> str:
    """A Markdown table, one line for each contender, and below it what made the numbers."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(_row(runs, name) for name in runs[0]["contenders"])]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{text}\n\n{made_by(runs)}\n"


def _row(runs: Sequence[Run], name: str) -> tuple[str, ...]:
    of_runs = [run["contenders"][name] for run in runs]

    def each(key: str) -> list[float]:
        return [one[key] for one in of_runs]

    rms_um, losses, frames = each("rms_um"), each("losses"), runs[0]["plan"]["frames"]
    pooled_um = math.sqrt(float(np.mean(np.square(rms_um))))  # all runs are as long
    return (
        name,
        f"{np.median(rms_um):.3f}",
        f"{max(rms_um):.3f}",
        f"{pooled_um:.3f}",
        f"{max(each('largest_um')):.2f}",
        f"{np.mean(each('within_1um')):.2%}",
        f"{np.count_nonzero(losses)} of {len(runs)}",
        f"{sum(losses):.0f}",
        f"{np.mean(each('moves')):.0f}",
        f"{np.mean(each('travel_um')):.0f}",
        f"{1000 * np.mean(each('cpu_s')) / frames:.2f}",
    )


def made_by(runs: Sequence[Run]) -> str:
    """One paragraph: how many runs of what length, by which models, on which processor, when."""
    plan, models = runs[0]["plan"], runs[0]["models"]
    hours = plan["frames"] * plan["period_s"] / 3600
    first, last = runs[0]["plan"]["seed"], runs[-1]["plan"]["seed"]

    def all_of(key: str) -> str:
        return ", ".join(sorted({run[key] for run in runs}))

    return (
        f"{len(runs)} runs of {hours:g} h, seeds {first} to {last}, {plan['frames']} frames each, "
        f"{plan['period_s']:g} s apart; models {models['ours']} (ours) and {models['paper']} (2018); "
        f"{all_of('processor')}; commit {all_of('commit')}; {all_of('date')}."
    )


def write_page(runs: Sequence[Run]) -> None:
    """Puts the table into the page.

    Raises
    ------
    InputError
        If the page has no place for it.
    OutputError
        If it cannot be written.
    """
    put_into(PAGE, "hold", table(runs))
