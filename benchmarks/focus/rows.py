"""Rows of the leaderboard: learned once, kept as JSON, shown as a table."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from answers import cells_in_stacks, numbers_of
from contenders import CONTENDERS, Plan, contender
from subsets import make_subset

from parfocal.data import Dataset
from parfocal.data.whole_file import write_whole_text
from parfocal.evaluation.evaluate import json_text

RESULTS = Path(__file__).parent / "results"
Row = dict[str, Any]


def learn_row(days: Path, plan: Plan, *, results: Path = RESULTS) -> Row:
    """One row: learned from a data set made for it and written to a file.

    Parameters
    ----------
    days : Path
        The simulated days.
    plan : Plan
    results : Path
        Folder for the rows.
    """
    whole = Dataset.open(days)
    with tempfile.TemporaryDirectory() as work:
        subset = make_subset(
            whole, Path(work) / "stacks", n_stacks=plan.stacks, seed=plan.seed, noisy=plan.noisy
        )
        started = time.perf_counter()
        outcome = contender(plan.contender).learn(subset, Path(work), plan)
        took_s = time.perf_counter() - started
        counts = cells_in_stacks(days)
        cells = {stack: counts[stack] for stack in subset.ids_in("test")}
        row = {
            **asdict(plan),
            "whole_seconds": round(took_s, 1),
            **outcome.about,
            "days": whole.fingerprint(),
            "package_version": version("parfocal"),
            **numbers_of(outcome.answers, subset, cells=cells),
        }
    results.mkdir(parents=True, exist_ok=True)
    write_whole_text(row_path(plan, results), json_text(row))
    return row


def row_path(plan: Plan, results: Path = RESULTS) -> Path:
    """Where the row of a plan is, or would be."""
    return results / f"{plan.name}.json"


def read_rows(results: Path = RESULTS) -> list[Row]:
    """All rows that are there."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))]


def plan_of(row: Row) -> Plan:
    """What a row was made by."""
    return Plan(row["contender"], row["stacks"], row["seed"], row["noisy"], row["minutes"])


HEADINGS = (
    "contender",
    "stacks",
    "seeds",
    "MAE +-15 um",
    "95 %",
    "+-10",
    "+-3",
    "within 1 um",
    "wrong sign",
    "90 % interval holds",
    "by day and density",
    "accepted",
    "of these > 1 um off",
    "processor minutes",
    "parameters",
)


def table(rows: Iterable[Row], *, noisy: bool = False) -> str:
    """A Markdown table, one line for each contender and number of stacks, seeds averaged."""
    groups: defaultdict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["noisy"] == noisy:
            groups[row["stacks"], row["contender"]].append(row)
    order = sorted(groups, key=lambda key: (key[0], _mean(groups[key], "within_15", "mae_um") or 0.0))
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(_cells_of(groups[key]) for key in order)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def page(rows: Sequence[Row]) -> str:
    """The leaderboard as a page, with the command that makes each row."""
    told = "\n".join(f"- **{name}**: {one.told}" for name, one in CONTENDERS.items())
    commands = "\n".join(
        f"python benchmarks/focus/leaderboard.py DAYS {plan_of(row).arguments}"
        for row in sorted(rows, key=lambda row: (row["stacks"], row["contender"], row["seed"]))
    )
    noisy = f"\n## Labels as people make them\n\n{table(rows, noisy=True)}" if _any_noisy(rows) else ""
    tables = f"## Labels without error\n\n{table(rows)}{noisy}{time_to_accuracy(rows)}"
    return f"{_HEAD}\n{told}\n\n{tables}{_FOOT}```\n{commands}\n```\n"


SLOW, TIMED_STACKS = "wei2018-sane", 100
"""Whose best accuracy the others are timed to reach, and with how many stacks."""
_TIMES = f"""
## Time to the accuracy of the 2018 network

Processor seconds until the error on validation stacks is no larger than the best one that {SLOW} has in its
whole run, with {TIMED_STACKS} stacks; means over the seeds that both have. Contenders that do not get there
are left out.

| contender | seeds | seconds | of its time |
| --- | --- | --- | --- |
"""


def time_to_accuracy(rows: Iterable[Row]) -> str:
    """How long each contender needs for the best validation error of the 2018 network, as Markdown.

    From the curves of the rows, seed by seed; empty without rows of that network.
    """
    curves: defaultdict[str, dict[int, Row]] = defaultdict(dict)
    for row in rows:
        if row["stacks"] == TIMED_STACKS and not row["noisy"] and (row.get("curve") or {}).get("seconds"):
            curves[row["contender"]][row["seed"]] = row["curve"]
    best_um = {seed: min(curve["validation_mae_um"]) for seed, curve in curves[SLOW].items()}
    timed = []
    for name, of_seeds in curves.items():
        seeds = sorted(best_um.keys() & of_seeds.keys())
        took_s, slow_s = (
            [_seconds_to(of_name[seed], best_um[seed]) for seed in seeds]
            for of_name in (of_seeds, curves[SLOW])
        )
        if seeds and max(took_s) < math.inf:
            mean_s = float(np.mean(took_s))
            timed.append(
                (mean_s, f"| {name} | {len(seeds)} | {mean_s:.0f} | 1/{np.mean(slow_s) / mean_s:.3g} |")
            )
    return _TIMES + "\n".join(line for _, line in sorted(timed)) + "\n" if timed else ""


def _seconds_to(curve: Row, mae_um: float) -> float:
    """Processor seconds until a validation error was no larger; infinite where none was."""
    moments = zip(curve["seconds"], curve["validation_mae_um"], strict=True)
    return next((seconds for seconds, error in moments if error <= mae_um), math.inf)


_HEAD = """# Leaderboard

Written by `python benchmarks/focus/leaderboard.py --write` from `benchmarks/focus/results/*.json`, which hold
more.

431 simulated stacks of yeast, 31 planes each at random offsets, from five days that differ as days do.
Contenders learn from three days and are tested on all frames within 15 um of focus of the 86 stacks of the
other two. Of the stacks counted here about one in five is kept from training, for validation. Errors are in
um, means over the seeds; a seed is another draw of stacks, weights and batches. "95 %": the outermost ends,
over the seeds, of bootstrap intervals over test stacks. A wrong sign is counted beyond one depth of field
(0.8 um). "By day and density": the lowest and the highest share of frames whose 90 % interval holds the
truth, of the two days and of thirds of the stacks by their number of cells. Minutes are processor time of
training on one thread, drawing of batches included.
"""
_FOOT = """
## Each row again

`python benchmarks/focus/days.py DAYS` simulates the days; then, one row each:

"""


def _any_noisy(rows: Sequence[Row]) -> bool:
    return any(row["noisy"] for row in rows)


def _cells_of(rows: list[Row]) -> tuple[str, ...]:
    whole = "within_15"
    return (
        rows[0]["contender"],
        str(rows[0]["stacks"]),
        str(len(rows)),
        _um(_mean(rows, whole, "mae_um")),
        _ends([row[whole]["mae_um_ci95"] for row in rows]),
        _um(_mean(rows, "within_10", "mae_um")),
        _um(_mean(rows, "within_3", "mae_um")),
        _percent(_mean(rows, whole, "within_1um")),
        _percent(_mean(rows, whole, "wrong_sign_rate")),
        _percent(_mean(rows, whole, "interval90_coverage")),
        _farthest_coverage(rows),
        _percent(_mean(rows, "accepted", "rate")),
        _percent(_mean(rows, "accepted", "above_1um")),
        _minutes(rows),
        f"{rows[0]['parameters']:,}" if "parameters" in rows[0] else "-",
    )


def _mean(rows: list[Row], block: str, name: str) -> float | None:
    values = [(row[block] or {}).get(name) for row in rows]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _ends(intervals: list[list[float] | None]) -> str:
    known = [interval for interval in intervals if interval]
    if not known:
        return "-"
    return f"{_um(min(low for low, _ in known))} to {_um(max(high for _, high in known))}"


def _farthest_coverage(rows: list[Row]) -> str:
    """Lowest and highest coverage of intervals among days and densities, each the mean over the seeds."""
    shares: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        for block in ("by_experiment", "by_density"):
            for name, told in (row.get(block) or {}).items():
                if told.get("interval90_coverage") is not None:
                    shares[name].append(told["interval90_coverage"])
    means = [100 * float(np.mean(values)) for values in shares.values()]
    return f"{min(means):.1f} to {max(means):.1f} %" if means else "-"


def _minutes(rows: list[Row]) -> str:
    seconds = [row["seconds"] for row in rows if row.get("seconds")]
    return f"{np.mean(seconds) / 60:.1f}" if seconds else "-"


def _um(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"
