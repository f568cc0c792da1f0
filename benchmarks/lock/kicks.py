"""How soon focus is found again after a jump: frames until a kicked lock is back, and how often within 20.

``kicks.py OURS.safetensors [PAPER.safetensors]`` lets each contender settle in focus, at 20 frames a second,
on cells of some hour of some day; then the focus jumps by up to +-15 um, of which the drive's reading tells
nothing. Counted are the frames that are taken out of focus before five in a row have a true defocus within
+-1 um. All contenders get the same jumps on the same cells, each from a fresh start.

The results are written after each scene; scenes that are there are not made again. ``--table`` prints the
table, ``--write`` puts it into docs/lock-benchmark.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hold_results import check_made_by
from numpy.typing import NDArray
from pages import PAGE, put_into
from provenance import provenance
from side_by_side import (
    FRAME_RATE_HZ,
    OURS,
    PAPER,
    SMOOTHED,
    WITHIN_UM,
    Make,
    Plan,
    Stand,
    contenders,
    sample_of,
)

from parfocal.data.whole_file import write_whole_text
from parfocal.errors import InputError, ParfocalError
from parfocal.evaluation.evaluate import json_text
from parfocal.model import FocusEstimator, use_threads

KICKED = (OURS, PAPER, SMOOTHED)
"""The others do not find back from afar."""
Kick = dict[str, Any]
RESULTS = Path(__file__).parent / "results" / "kicks.json"
FARTHEST_UM = 15.0
SETTLING, WATCHED, STAYS = 40, 60, 5
"""Frames before the kick; after it, until focus counts as never found; in focus, until it counts as found."""
SOON = 20
BANDS_UM = ((0.0, 5.0), (5.0, 10.0), (10.0, 15.0))
"""How far the focus jumped."""
HEADINGS = (
    "contender",
    "kicks",
    f"back within {SOON} frames",
    *(f"{low:g} to {high:g} um" for low, high in BANDS_UM),
    "median frames",
    "95 %",
    f"not in {WATCHED}",
    "answers refused",
)


@dataclass(frozen=True)
class KickPlan:
    """How many kicks on how many scenes, and what they are drawn by."""

    kicks: int = 500
    scenes: int = 25
    first_seed: int = 200

    def of_scene(self, scene: int) -> tuple[Plan, float, NDArray[np.float64]]:
        """The run that a scene is of, its time in s, and the kicks on it in um."""
        plan = Plan(self.first_seed + scene, period_s=1 / FRAME_RATE_HZ)
        random = np.random.default_rng([self.first_seed, scene])
        n_scenes = int(3600 * plan.experiment.hours / plan.scene_every_s)
        t_s = plan.scene_every_s * int(random.integers(n_scenes))
        n_kicks = len(range(scene, self.kicks, self.scenes))
        return plan, t_s, random.uniform(-FARTHEST_UM, FARTHEST_UM, n_kicks)


def kick_scene(plan: KickPlan, scene: int, makers: Mapping[str, Make]) -> list[Kick]:
    """All kicks on one scene: how far each was, and for each contender what it took."""
    run, t_s, kicks_um = plan.of_scene(scene)
    sample = sample_of(run)
    kicks = []
    for kick_um in kicks_um.tolist():
        stands = {name: Stand(run, sample, make, begin_s=t_s) for name, make in makers.items()}
        frames = {name: frames_to_focus(stand, kick_um=kick_um) for name, stand in stands.items()}
        refused = {name: refused_after_kick(stand) for name, stand in stands.items()}
        where = {"seed": run.seed, "t_s": t_s, "kick_um": round(kick_um, 3)}
        kicks.append({**where, "frames": frames, "refused": refused})
    return kicks


def frames_to_focus(stand: Stand, *, kick_um: float) -> int | None:
    """Frames out of focus after a kick; None if focus was not found in `WATCHED` frames."""
    due_s, in_a_row = stand.clock.now_s(), 0
    for k in range(-SETTLING, WATCHED + STAYS):
        if k == 0:
            stand.drive.jump(kick_um)
        true_um = stand.step_at(due_s)
        due_s = max(due_s + 1 / FRAME_RATE_HZ, stand.clock.now_s())  # a frame waits for a move to end
        in_a_row = in_a_row + 1 if k >= 0 and abs(true_um) <= WITHIN_UM else 0
        if in_a_row == STAYS:
            return k + 1 - STAYS
    return None


def refused_after_kick(stand: Stand) -> float:
    """Share of the frames since the kick whose answer was refused."""
    return float(np.mean([step.is_refused for step in stand.course.steps[SETTLING:]]))


def make_kicks(options: argparse.Namespace) -> None:
    """Makes the kicks of the scenes that are not there yet."""
    use_threads(1)
    ours = FocusEstimator.load(options.ours)
    paper = FocusEstimator.load(options.paper) if options.paper else None
    makers = {name: make for name, make in contenders(ours, paper or ours).items() if name in KICKED}
    if paper is None:
        del makers[PAPER]
    plan = KickPlan(options.kicks, options.scenes)
    models = {"ours": ours.fingerprint, "paper": paper.fingerprint if paper else None}
    made_by: dict[str, Any] = {"plan": asdict(plan), "models": models}
    scenes = scenes_made(options.results, made_by)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    for scene in range(len(scenes), plan.scenes):
        scenes.append(kick_scene(plan, scene, makers))
        write_whole_text(options.results, json_text({**made_by, **provenance(), "scenes": scenes}))
        print(f"{options.results}: scene {scene + 1} of {plan.scenes}", flush=True)


def scenes_made(path: Path, made_by: Mapping[str, Any]) -> list[list[Kick]]:
    """The kicks of the scenes that are there.

    Raises
    ------
    InputError
        If they were made by another plan or other models.
    """
    if not path.exists():
        return []
    told = read_kicks(path)
    check_made_by(path, told, made_by)
    scenes: list[list[Kick]] = told["scenes"]
    return scenes


def read_kicks(path: Path) -> dict[str, Any]:
    """The results.

    Raises
    ------
    InputError
        If there are none.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file. Expected the results of kicks.py.")
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def table(told: Mapping[str, Any]) -> str:
    """A Markdown table, one line for each contender, and below it what made the numbers."""
    kicks = [kick for scene in told["scenes"] for kick in scene]
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(_row(kicks, name) for name in kicks[0]["frames"])]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    models = " and ".join(model for model in told["models"].values() if model)
    made = f"{len(told['scenes'])} scenes; models {models}; {told['processor']}; commit {told['commit']}"
    return f"{text}\n\n{made}; {told['date']}.\n"


def _row(kicks: Sequence[Kick], name: str) -> tuple[str, ...]:
    kick_um = np.abs([kick["kick_um"] for kick in kicks])
    frames = np.array([kick["frames"][name] for kick in kicks], np.float64)  # NaN where never found
    soon = frames <= SOON
    in_bands = [soon[(low <= kick_um) & (kick_um < high)] for low, high in BANDS_UM]
    taken = np.where(np.isnan(frames), np.inf, frames)
    return (
        name,
        str(len(kicks)),
        f"{soon.mean():.1%}",
        *(f"{band.mean():.1%}" if len(band) else "-" for band in in_bands),
        f"{np.quantile(taken, 0.5, method='higher'):.0f}",
        f"{np.quantile(taken, 0.95, method='higher'):.0f}",
        str(np.count_nonzero(np.isnan(frames))),
        f"{np.mean([kick['refused'][name] for kick in kicks]):.1%}",
    )


def parse(arguments: list[str]) -> argparse.Namespace:
    """What the command line asks for; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours", type=Path, nargs="?", help="the model of parfocal and ewma")
    parser.add_argument("paper", type=Path, nargs="?", help="a model of the recipe wei2018-sane")
    parser.add_argument("--kicks", type=int, default=KickPlan.kicks)
    parser.add_argument("--scenes", type=int, default=KickPlan.scenes)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the table")
    parser.add_argument("--write", action="store_true", help=f"put it into {PAGE.name}")
    options = parser.parse_args(arguments)
    if not (options.ours or options.table or options.write):
        parser.error("expected a model, --table or --write")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    try:
        if options.ours:
            make_kicks(options)
        if options.table:
            print(table(read_kicks(options.results)))
        if options.write:
            put_into(PAGE, "kicks", table(read_kicks(options.results)))
    except ParfocalError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
