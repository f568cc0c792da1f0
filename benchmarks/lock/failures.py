"""Whether frames that mislead are told from the rest: the failure scenes of Wei & Roberts (2018, Fig S5).

``failures.py MODEL`` simulates, on days of their own, fields of yeast in which the 2018 network erred by more
than 5 um, and as many ordinary ones:

- few cells, and most of them on the ceiling (S5a);
- two layers, half of the cells on the floor and half under the ceiling, near focus: a bimodal answer (S5b);
- the same fields above focus: a broad answer (S5c).

It tells how many frames are accepted, how many of these are off by more than 1 um, and how well the scene is
told from ordinary frames at the same defocus: the area under the ROC curve of the familiarity, of the width
of the answer, and of both as one number; the last also for those frames alone that are off by more than 1 um.
``../focus/rejection.py`` asks the same of foreign frames and of layers 18 um apart.

It writes that and the answer to the worst frame of each scene to the results; ``--figure FILE.png`` draws
these answers, ``--write`` puts the table into docs/lock-benchmark.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from pages import PAGE, put_into
from provenance import provenance

from parfocal.data.whole_file import write_whole_text
from parfocal.errors import InputError, ParfocalError
from parfocal.estimate import Estimator, FocusEstimate
from parfocal.evaluation.evaluate import json_text
from parfocal.evaluation.figures import BLUE, GREEN, VERMILION, in_project_style, save_figure
from parfocal.model import FocusEstimator, use_threads
from parfocal.optics import SimulatedStack, VirtualMicroscope, preset, simulate_stack
from parfocal.rigs import NEW_DAY
from parfocal.studies.failure_scenes import FEW_UP, HALF_UP, SCENES, Answers, FailureScene, with_cells

sys.path.append(str(Path(__file__).parents[1] / "focus"))  # where frames to be refused are measured
from rejection import WRONG_UM, asked_of, compare, summary

RESULTS = Path(__file__).parent / "results" / "failures.json"
SEED, STACKS = 500, 30
HALF_RANGE_UM = 10.0
USUAL_CELLS: dict[str, float] = {}
ORDINARY = "ordinary"
HEADINGS = (
    "scene",
    "frames",
    "MAE um",
    "accepted",
    "of these > 1 um off",
    "AUC familiarity",
    "width",
    "both",
    "both, of those > 1 um off",
    "two layers told",
    "of ordinary frames",
)


def stacks(microscope: VirtualMicroscope, *, n: int) -> Iterator[SimulatedStack]:
    """Z-stacks of a microscope, each on a day of its own."""
    scanned = microscope.replace(scan=microscope.scan.replace(half_range_um=HALF_RANGE_UM).model_dump())
    for k in range(n):
        yield simulate_stack(scanned, seed=SEED, index=k, experiment=NEW_DAY + k)


def ask(estimator: Estimator, simulated: Iterator[SimulatedStack]) -> Answers:
    """The answers to all frames of some stacks."""
    actual_um: list[float] = []
    estimates: list[FocusEstimate] = []
    for one in simulated:
        stack = one.stack
        actual_um += (stack.z_um - one.focus_z_um).tolist()
        estimates += [
            estimator.estimate(frame_yx, pixel_size_um=stack.pixel_size_um) for frame_yx in stack.frames_zyx
        ]
    return Answers(np.array(actual_um), estimates)


def measure(estimator: Estimator, *, microscope: VirtualMicroscope, n_stacks: int) -> dict[str, Any]:
    """All numbers, and the worst answer of each scene."""

    def of(cells: Mapping[str, float]) -> Answers:
        return ask(estimator, stacks(with_cells(microscope, **cells), n=n_stacks))

    ordinary, few, half = of(USUAL_CELLS), of(FEW_UP), of(HALF_UP)
    return {
        ORDINARY: summary(asked_of(ordinary.estimates, ordinary.actual_um)),
        "scenes": {
            scene.name: scene_numbers(scene, asked, ordinary)
            for scene, asked in zip(SCENES, (few, half, half), strict=True)
        },
    }


def scene_numbers(scene: FailureScene, asked: Answers, ordinary: Answers) -> dict[str, Any]:
    """How one scene fares beside ordinary frames at the same defocus."""
    strange, usual = asked.within(scene), ordinary.within(scene)
    of_scene = asked_of(strange.estimates, strange.actual_um)
    same = asked_of(usual.estimates, usual.actual_um)
    wrong = np.abs(of_scene.error_um) > WRONG_UM
    worst = int(np.argmax(np.abs(of_scene.error_um)))
    return {
        **summary(of_scene),
        **compare(same, of_scene),
        "auc_both_of_wrong": compare(same, of_scene[wrong])["auc_both"] if wrong.any() else None,
        "layered": strange.layered,
        "layered_of_ordinary": usual.layered,
        "worst": answer_of(strange.estimates[worst], float(strange.actual_um[worst])),
    }


def answer_of(estimate: FocusEstimate, actual_um: float) -> dict[str, Any]:
    """One answer, as it is drawn."""
    return {
        "actual_um": actual_um,
        "told_um": estimate.defocus_um,
        "accepted": bool(estimate.accepted),
        "in_distribution": float(estimate.in_distribution),
        "std_um": float(estimate.std_um),
        "layers_um": [float(um) for um in estimate.layers_um],
        "bin_centres_um": estimate.bin_centres_um.tolist(),
        "probabilities": estimate.probabilities.tolist(),
    }


def table(told: Mapping[str, Any]) -> str:
    """A Markdown table, one line for each scene, and below it what made the numbers."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(_row(name, one) for name, one in told["scenes"].items())]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    made = f"{told['stacks']} stacks of each; model {told['model']}; {told['processor']}"
    return f"{text}\n\n{made}; commit {told['commit']}; {told['date']}.\n"


def _row(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    off, told_wrong = one["wrong_of_accepted"], one["auc_both_of_wrong"]
    return (
        name,
        str(one["n_images"]),
        f"{one['mae_um']:.2f}",
        f"{one['accepted']:.1%}",
        "-" if off is None else f"{off:.2%}",
        *(f"{one[key]:.3f}" for key in ("auc_score", "auc_width", "auc_both")),
        "-" if told_wrong is None else f"{told_wrong:.3f}",
        f"{one['layered']:.1%}",
        f"{one['layered_of_ordinary']:.1%}",
    )


@in_project_style
def draw(told: Mapping[str, Any]) -> Figure:
    """The answer to the worst frame of each scene: its distribution, the truth, and what was told."""
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    for axes, (name, one) in zip(
        figure.subplots(1, len(told["scenes"])), told["scenes"].items(), strict=True
    ):
        worst = one["worst"]
        centres_um = np.array(worst["bin_centres_um"])
        axes.bar(centres_um, worst["probabilities"], width=np.gradient(centres_um), color=BLUE)
        axes.axvline(worst["actual_um"], color=VERMILION, label="true")
        axes.axvline(worst["told_um"], color=GREEN, linestyle="--", label="told")
        said = "accepted" if worst["accepted"] else "refused"
        axes.set(title=f"{name}\n{said}, ±{worst['std_um']:.1f} µm", xlabel="defocus (µm)")
    axes.legend()
    figure.axes[0].set_ylabel("probability")
    return figure


def read(path: Path) -> dict[str, Any]:
    """The results.

    Raises
    ------
    InputError
        If there are none.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file. Expected the results of failures.py.")
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def parse(arguments: list[str]) -> argparse.Namespace:
    """What the command line asks for; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--stacks", type=int, default=STACKS, help="of each kind")
    parser.add_argument("--quality", default="ci", help="of the virtual microscope")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--figure", type=Path, help="draw the worst answers")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    options = parser.parse_args(arguments)
    if not (options.model or options.figure or options.write):
        parser.error("expected a model, --figure or --write")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    try:
        if options.model:
            use_threads(1)
            estimator = FocusEstimator.load(options.model)
            microscope = preset("yeast-40x", quality=options.quality)
            told = measure(estimator, microscope=microscope, n_stacks=options.stacks)
            about = {"model": estimator.fingerprint, "stacks": options.stacks, **provenance()}
            options.results.parent.mkdir(parents=True, exist_ok=True)
            write_whole_text(options.results, json_text({**about, **told}))
            print(table(read(options.results)))
        if options.figure:
            save_figure(draw(read(options.results)), options.figure)
        if options.write:
            put_into(PAGE, "failures", table(read(options.results)))
    except ParfocalError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
