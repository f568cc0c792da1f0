"""The leaderboard of learning focus: makes its rows, one at a time or all of them, and shows them.

``leaderboard.py DAYS --contender spectral --stacks 20`` makes one row; ``leaderboard.py DAYS --all`` makes
every row that is not there yet, from cheap to dear, and can be stopped and started again; ``--table`` prints
the leaderboard and ``--write`` writes it to docs/leaderboard.md. A row that is there is not made again.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from contenders import Plan, contender, full_leaderboard
from rows import RESULTS, learn_row, page, read_rows, row_path, table

from parfocal.compute import run_tasks
from parfocal.errors import ParfocalError
from parfocal.model import use_threads

PAGE = Path(__file__).parents[2] / "docs" / "leaderboard.md"


@dataclass(frozen=True)
class _Task:
    """A row to be made by some process."""

    days: Path
    plan: Plan
    threads: int
    results: Path


def _make(task: _Task) -> str:
    """Makes a row and says how it went; a contender that fails does not keep the others from their turn."""
    use_threads(task.threads)
    try:
        row = learn_row(task.days, task.plan, results=task.results)
    except ParfocalError as error:
        return f"{task.plan.name}: failed. {error}"
    whole = row["within_15"]
    return (
        f"{task.plan.name}: MAE {whole['mae_um']:.3f} um, within 1 um {100 * whole['within_1um']:.2f} %, "
        f"wrong sign {100 * whole['wrong_sign_rate']:.2f} % ({row['whole_seconds']:.0f} s)"
    )


def plans_for(options: argparse.Namespace) -> list[Plan]:
    """The rows that the command line asks for and that are not there yet."""
    if options.all:
        asked = [
            plan
            for plan in full_leaderboard()
            if options.contender in (None, plan.contender)
            and options.stacks in (None, plan.stacks)
            and options.seed in (None, plan.seed)
        ]
        asked = [replace(plan, noisy=options.noisy, minutes=options.minutes) for plan in asked]
    else:
        contender(options.contender)
        asked = [Plan(options.contender, options.stacks, options.seed or 0, options.noisy, options.minutes)]
    return [plan for plan in asked if not row_path(plan, options.results).exists()]


def make_rows(options: argparse.Namespace) -> int:
    """Makes the rows asked for, and gives how many failed."""
    tasks = [_Task(options.days, plan, options.threads, options.results) for plan in plans_for(options)]
    print(f"{len(tasks)} rows to make", flush=True)
    failed = 0
    with closing(run_tasks(_make, tasks, workers=options.workers)) as results:
        for _, said in results:
            print(said, flush=True)
            failed += ": failed. " in said
    return failed


def parse(arguments: list[str]) -> argparse.Namespace:
    """What the command line asks for; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("days", type=Path, nargs="?", help="the simulated days, see days.py")
    parser.add_argument("--contender")
    parser.add_argument("--stacks", type=int, help="stacks that were collected, one in five for validation")
    parser.add_argument("--seed", type=int, help="of stacks, label noise, weights and batches")
    parser.add_argument(
        "--minutes", type=float, help="bound of the training in processor time, instead of steps"
    )
    parser.add_argument("--noisy", action="store_true", help="labels as people make them")
    parser.add_argument(
        "--all", action="store_true", help="every row, or every one of a contender, size or seed"
    )
    parser.add_argument("--workers", type=int, default=1, help="rows to make at a time")
    parser.add_argument("--threads", type=int, default=1, help="threads of each row")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the leaderboard")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args(arguments)
    makes = options.all or options.contender
    if makes and options.days is None:
        parser.error("expected the folder of the simulated days first")
    if options.contender and not options.all and options.stacks is None:
        parser.error("expected --stacks with --contender")
    if not (makes or options.table or options.write):
        parser.error("expected --contender, --all, --table or --write")
    return options


def main() -> int:
    options = parse(sys.argv[1:])
    failed = 0
    try:
        if options.all or options.contender:
            failed = make_rows(options)
    except ParfocalError as error:
        print(error, file=sys.stderr)
        return 2
    rows = read_rows(options.results)
    if options.table:
        print(table(rows))
        if any(row["noisy"] for row in rows):
            print(table(rows, noisy=True))
    if options.write:
        PAGE.write_text(page(rows), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
