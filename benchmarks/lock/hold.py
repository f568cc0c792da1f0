"""Who holds focus best for a day: parfocal's lock beside simpler ones, on the same living cells.

``hold.py OURS.safetensors PAPER.safetensors`` makes runs of 24 simulated hours on the virtual microscope
``yeast-40x``: drift of 40 um, 15 to 120 cells, vibration, backlash, a lamp that ages, a camera that loses
frames. In each run these hold focus side by side, on the same cells, each with a drive of its own and its
frames at its own defocus, all from a stage in focus:

- ``parfocal``: `FocusLock` with the settings of `parfocal lock`, by the model OURS;
- ``2018``: the network and the rule of Wei & Roberts (2018), by the model PAPER: each answer is moved by when
  it is outside +-1 um;
- ``ewma``: the answers of OURS smoothed exponentially, moved by when the mean is outside +-0.25 um;
- ``hill climber``: no network, small steps towards the least gradient (Tenengrad);
- ``none``: the stage stays where it was in focus.

All moves pass through a `Supervisor` with the same limits. A frame is taken every 72 simulated seconds, where
a real lock has 20 a second. That is harder: the focus drifts by 0.03 um from one to the next on average, at
times by several times that. The cells change every 1200 s, twice the default, to halve the cost of their
light.

Each run is written to the results at once; runs that are there are not made again. ``--table`` prints the
table over all runs, ``--write`` puts it into docs/lock-benchmark.md, ``--figure FILE.png`` draws it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hold_figure import draw
from hold_results import RESULTS, is_made, read_runs, run_path, table, write_page
from provenance import provenance
from side_by_side import Plan, contenders, hold_side_by_side

from parfocal.data.whole_file import write_whole_text
from parfocal.errors import ParfocalError
from parfocal.evaluation.evaluate import json_text
from parfocal.evaluation.figures import save_figure
from parfocal.model import FocusEstimator, use_threads


def make_runs(options: argparse.Namespace) -> None:
    """Makes the runs that are not there yet."""
    use_threads(1)
    ours, paper = (FocusEstimator.load(path) for path in (options.ours, options.paper))
    models = {"ours": ours.fingerprint, "paper": paper.fingerprint}
    options.results.mkdir(parents=True, exist_ok=True)
    for seed in range(options.first_seed, options.first_seed + options.runs):
        plan = Plan(seed, frames=options.frames)
        path = run_path(options.results, seed)
        made_by: dict[str, Any] = {"plan": asdict(plan), "models": models}
        if is_made(path, made_by):
            print(f"{path}: is there", flush=True)
            continue
        started = time.perf_counter()
        told = hold_side_by_side(plan, contenders(ours, paper))
        write_whole_text(path, json_text({**made_by, **provenance(), **told}))
        rms_um = ", ".join(f"{name} {one['rms_um']:.3f}" for name, one in told["contenders"].items())
        print(f"{path}: RMS um {rms_um} ({time.perf_counter() - started:.0f} s)", flush=True)


def parse(arguments: list[str]) -> argparse.Namespace:
    """What the command line asks for; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours", type=Path, nargs="?", help="the model of parfocal and ewma")
    parser.add_argument("paper", type=Path, nargs="?", help="a model of the recipe wei2018-sane")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--frames", type=int, default=Plan.frames, help="of each run, 72 s apart")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the table over all runs")
    parser.add_argument("--write", action="store_true", help="put it into docs/lock-benchmark.md")
    parser.add_argument("--figure", type=Path, help="draw all runs, and one of them over time")
    parser.add_argument("--figure-seed", type=int, help="which one; the first if not given")
    options = parser.parse_args(arguments)
    if (options.ours is None) != (options.paper is None):
        parser.error("expected two models, OURS and PAPER")
    if not (options.ours or options.table or options.write or options.figure):
        parser.error("expected two models, or --table, --write or --figure")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    try:
        if options.ours:
            make_runs(options)
        runs = read_runs(options.results)
        if options.table:
            print(table(runs))
        if options.write:
            write_page(runs)
        if options.figure:
            save_figure(draw(runs, seed=options.figure_seed), options.figure)
    except ParfocalError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
