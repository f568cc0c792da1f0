"""Classical focus measures (Fig S2, S3 of the paper): scores against z, the focus plane, z of one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import spearmanr

from parfocal.data.dataset import Dataset
from parfocal.evaluation.baselines import ScoredStack, infer_baselines, score_stack
from parfocal.evaluation.figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    display_name,
    in_project_style,
)
from parfocal.focus_measures import FOCUS_MEASURES
from parfocal.optics import VirtualMicroscope, preset
from parfocal.studies.learned import Answers, ask, collected, errors_of, learn, subset, without_maps
from parfocal.studies.paper_network import paper_recipe
from parfocal.studies.stocks import YEAST_STACKS, as_crowded, yeast_stock
from parfocal.studies.study import Case, Drawn, Finding, Place, Results, Size, Stock, Study, Table, Told

OF_THE_PAPER = ("brenner", "de_masilamani", "marr_hildreth")
IQA = "de_masilamani"
REACH_UM: Mapping[str, float] = {"yeast": 15.0, "phase": 300.0, "stained": 300.0}
"""Frames within this distance of focus count, for each kind of specimen."""
KINDS: Mapping[str, str] = {
    "yeast": "unstained yeast, bright field",
    "phase": "Euglena, phase contrast",
    "stained": "Euglena, stained, bright field",
}
POND_STACKS: Mapping[Size, int] = {"toy": 4, "quick": 24, "paper": 136}
POND_SIDE_PX: Mapping[Size, int] = {"toy": 128, "quick": 256, "paper": 512}
NETWORK: Mapping[Size, tuple[int, int]] = {"toy": (10, 10), "quick": (4, 25), "paper": (4, 50)}
"""Downsampling and batch size of the network that the measures are held against."""
MOST_TRAINING = 60
"""Stacks whose scores make a profile: it is settled long before."""
CLEAR_RANK = 0.5
"""Rank correlation from which on a score counts as related to z."""
NEAR_UM = 1.0
_GRID_POINTS = 31


def pond(size: Size, name: str) -> VirtualMicroscope:
    """A preset of Euglena, of a camera of the size's frames, as crowded as its whole field."""
    usual = preset(name, quality="ci")
    side_px = POND_SIDE_PX[size]
    camera = usual.camera.replace(height_px=side_px, width_px=side_px)
    return as_crowded(usual, share=(side_px / usual.camera.height_px) ** 2).replace(camera=camera)


def stocks(size: Size) -> Sequence[Stock]:
    """Yeast that most studies share, and Euglena in phase contrast and stained."""
    n = POND_STACKS[size]
    return (
        yeast_stock(size),
        Stock("phase", pond(size, "euglena-10x-phase"), n, seed=2020),
        Stock("stained", pond(size, "euglena-10x-stained"), n, seed=2021),
    )


def cases(size: Size) -> Sequence[Case]:
    """All measures for each kind of specimen, and the 2018 network on yeast."""
    kinds = tuple(Case(kind, {"kind": kind}) for kind in KINDS)
    return (*kinds, Case("network", {"kind": "network"}, cost=2.0))


def run(case: Case, place: Place) -> Told:
    """Scores stacks, or trains the network that they are held against."""
    kind = case.values["kind"]
    if kind == "network":
        return _network(place)
    dataset = place.dataset(kind)
    ids = [row.stack for row in dataset.split() if row.part != "test"]
    training = [_scored(dataset, stack) for stack in ids[:MOST_TRAINING]]
    tests = {stack: _scored(dataset, stack) for stack in dataset.ids_in("test")}
    reach_um = REACH_UM[kind]
    inferred = infer_baselines(training, list(tests.values()), z_range_um=(-reach_um, reach_um))
    errors = partial(_errors, tests=tests, dataset=dataset, reach_um=reach_um)
    return {
        "n_stacks": len(tests),
        "z_step_um": dataset.settings.z_step_um,
        "measures": {
            name: {
                **_profile(list(tests.values()), name, reach_um=reach_um),
                "plane": _plane_errors(list(tests.values()), name, reach_um=reach_um),
                "alone": errors(inferred[name]),
                "helped": errors(inferred[f"{name}_with_oracles"]),
            }
            for name in FOCUS_MEASURES
        },
        "constant": errors(inferred["constant"]),
    }


def _network(place: Place) -> Told:
    yeast = place.dataset("yeast")
    few = subset(yeast, place.work / "stacks", collected(yeast, YEAST_STACKS["paper"]))
    downsampling, batch_size = NETWORK[place.size]
    recipe = paper_recipe(place.size, downsampling=downsampling, batch_size=batch_size)
    model, told = learn(few, place.work, recipe)
    return {**told, **without_maps(ask(model, few))}


def _scored(dataset: Dataset, stack: str) -> ScoredStack:
    return score_stack(dataset.read(stack), focus_z_um=dataset.focus_z_um(stack))


def _errors(
    inferred: Sequence[NDArray[np.float64]],
    *,
    tests: Mapping[str, ScoredStack],
    dataset: Dataset,
    reach_um: float,
) -> Told:
    actual = np.concatenate([stack.defocus_um for stack in tests.values()])
    ids = [name for name, stack in tests.items() for _ in stack.defocus_um]
    near = np.abs(actual) <= reach_um
    answers = Answers(actual[near], np.concatenate(inferred)[near], np.array(ids)[near].tolist())
    return without_maps(errors_of(answers, dataset, within_um=reach_um))


def _profile(stacks: Sequence[ScoredStack], name: str, *, reach_um: float) -> Told:
    """Score over the stack's largest, against z: mean and standard deviation over stacks; and its rank."""
    z_um = np.linspace(-0.9 * reach_um, 0.9 * reach_um, _GRID_POINTS)
    curves = [np.interp(z_um, stack.defocus_um, of_largest(stack.scores[name])) for stack in stacks]
    distance = np.concatenate([np.abs(stack.defocus_um) for stack in stacks])
    score = np.concatenate([of_largest(stack.scores[name]) for stack in stacks])
    varied = np.ptp(score) > 0
    return {
        "z_um": z_um.round(3).tolist(),
        "mean": np.mean(curves, axis=0).round(4).tolist(),
        "std": np.std(curves, axis=0).round(4).tolist(),
        "rank_correlation": float(spearmanr(score, -distance).statistic) if varied else 0.0,
    }


def of_largest(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores over the largest of their stack."""
    return scores / (float(np.abs(scores).max()) or 1.0)


def _plane_errors(stacks: Sequence[ScoredStack], name: str, *, reach_um: float) -> dict[str, Told]:
    """How far the planes of the highest score, and of the lowest between the peaks, are from focus."""
    inside = [_within(stack, name, reach_um) for stack in stacks]
    found = {
        "highest": [float(z_um[scores.argmax()]) for z_um, scores in inside],
        "valley": [valley_um(z_um, scores) for z_um, scores in inside],
    }
    return {
        rule: {
            "bias_um": float(np.mean(errors)),
            "std_um": float(np.std(errors)),
            "median_abs_um": float(np.median(np.abs(errors))),
        }
        for rule, errors in found.items()
    }


def _within(
    stack: ScoredStack, name: str, reach_um: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    near = np.abs(stack.defocus_um) <= reach_um
    return stack.defocus_um[near], stack.scores[name][near]


def valley_um(z_um: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Position of the lowest score between the outermost planes that reach half of the highest, in um.

    Parameters
    ----------
    z_um, scores : array, shape (Z,)

    Examples
    --------
    >>> valley_um(np.arange(-3.0, 4.0), np.array([0, 5, 9, 2, 8, 4, 1]))
    0.0
    """
    low, high = float(scores.min()), float(scores.max())
    reached = np.flatnonzero(scores >= (low + high) / 2)
    first, last = int(reached[0]), int(reached[-1])
    return float(z_um[first + int(scores[first : last + 1].argmin())])


@in_project_style
def _profiles(told: Told, *, reach_um: float) -> Figure:
    measures = told["measures"]
    columns = 4
    rows = -(-len(measures) // columns)
    figure = Figure(figsize=(7.2, 1.35 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panels = [axes for line in grid for axes in line]
    for axes, (name, one) in zip(panels, measures.items(), strict=False):
        z_um, mean, std = (np.array(one[key]) for key in ("z_um", "mean", "std"))
        colour = VERMILION if name in OF_THE_PAPER else BLUE
        axes.fill_between(z_um, mean - std, mean + std, color=colour, alpha=0.2, linewidth=0)
        axes.plot(z_um, mean, color=colour)
        axes.axvline(0, color=GREY, linewidth=0.7)
        axes.set_title(display_name(name), fontsize=8)
    for axes, above in zip(panels[len(measures) :], panels[len(measures) - columns :], strict=False):
        axes.set_visible(False)
        above.tick_params(labelbottom=True)
    grid[0][0].set(xlim=(-0.9 * reach_um, 0.9 * reach_um), ylim=(0, 1.05))
    figure.supxlabel("defocus (µm)", fontsize=9)
    figure.supylabel("score over the stack's largest", fontsize=9)
    return figure


@in_project_style
def _planes(results: Results) -> Figure:
    names = list(FOCUS_MEASURES)
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    panels = figure.subplots(1, len(KINDS), sharey=True)
    for axes, (kind, words) in zip(panels, KINDS.items(), strict=True):
        told = results[kind]["measures"]
        for rule, colour, marker in (("highest", VERMILION, "o"), ("valley", BLUE, "s")):
            errors = [told[name]["plane"][rule]["median_abs_um"] for name in names]
            axes.plot(errors, range(len(names)), marker, color=colour, label=rule)
        axes.axvline(results[kind]["z_step_um"] / 2, color=GREY, linewidth=0.8, linestyle="--")
        axes.set_title(words.replace(", ", ",\n", 1), fontsize=8.5)
        axes.set(xlabel="median error (µm)", xlim=(0, None), ylim=(len(names) - 0.5, -0.5))
    panels[0].set_yticks(range(len(names)), [display_name(name) for name in names])
    labels = ["plane of the highest score", "plane of the lowest, between the peaks"]
    figure.legend(*(panels[0].get_legend_handles_labels()[0], labels), loc="outside upper center", ncols=2)
    return figure


@in_project_style
def _single(results: Results) -> Figure:
    names = list(FOCUS_MEASURES)
    told = results["yeast"]["measures"]
    figure = Figure(figsize=(6.4, 3.9), layout="constrained")
    axes = figure.subplots()
    rows = range(len(names))
    axes.plot([told[name]["alone"]["mae_um"] for name in names], rows, "o", color=GREY, label="image alone")
    helped = [told[name]["helped"]["mae_um"] for name in names]
    axes.plot(helped, rows, "o", color=ORANGE, markerfacecolor="white", label="side and maximum given")
    axes.axvline(results["network"]["mae_um"], color=GREEN, label="2018 network, image alone")
    axes.axvline(results["yeast"]["constant"]["mae_um"], color=GREY, linestyle="--", label="constant")
    axes.set_yticks(rows, [display_name(name) for name in names])
    axes.set(xlabel="mean absolute error (µm)", xlim=(0, None), ylim=(len(names) - 0.5, -0.5))
    figure.legend(loc="outside upper center", ncols=4, columnspacing=1.0, handletextpad=0.4)
    return figure


def figures(results: Results) -> Mapping[str, Drawn]:
    """Scores against z as Fig S2, planes and single images as Fig S3."""
    profiles = {
        f"scores-{kind}": Drawn(
            _profiles(results[kind], reach_um=REACH_UM[kind]),
            f"{words}: score against defocus, mean and standard deviation over stacks, as Fig S2. "
            "Red: the measures of the paper.",
        )
        for kind, words in KINDS.items()
    }
    return {
        **profiles,
        "planes": Drawn(
            _planes(results),
            "How far the plane that a measure finds in a whole stack is from focus, as Fig S3a. "
            "Dashed: half a z step.",
        ),
        "single-images": Drawn(
            _single(results),
            "z of a single image of yeast by the averaged profile, as Fig S3b, without and with "
            "the two favours.",
        ),
    }


def table(results: Results) -> Table:
    """A row for each measure."""
    kinds = [results[kind]["measures"] for kind in KINDS]
    return Table(
        (
            "measure",
            "plane by highest: yeast",
            "phase",
            "stained",
            "plane by valley: yeast",
            "one image: yeast",
            "with favours",
        ),
        [
            (
                display_name(name),
                *(f"{told[name]['plane']['highest']['median_abs_um']:.1f}" for told in kinds),
                f"{kinds[0][name]['plane']['valley']['median_abs_um']:.1f}",
                f"{kinds[0][name]['alone']['mae_um']:.2f}",
                f"{kinds[0][name]['helped']['mae_um']:.2f}",
            )
            for name in FOCUS_MEASURES
        ],
        note="All in µm: median distance of the plane from focus, mean absolute error for one image. "
        "Favours: the side of focus and the largest score of the stack.",
    )


def findings(results: Results) -> Sequence[Finding]:
    """What the paper says of Fig S2 and S3, and what came of it here."""
    return _relation(results), _plane(results), _beside_the_network(results), _phase_objects(results)


def _relation(results: Results) -> Finding:
    told = results["yeast"]["measures"]
    ranks = {name: float(told[name]["rank_correlation"]) for name in OF_THE_PAPER}
    said = ", ".join(f"{display_name(name)} {rank:.2f}" for name, rank in ranks.items())
    alone = ranks[IQA] >= CLEAR_RANK and all(ranks[name] < CLEAR_RANK for name in ranks if name != IQA)
    return Finding(
        "Of three measures, only De-Masilamani (IQA) shows a relation between score and z.",
        f"Rank correlation of score and nearness to focus, yeast: {said}.",
        "agrees" if alone else "differs",
        ""
        if alone
        else "Why was not looked into; simulated frames hold less besides cells than a device does.",
    )


def _plane(results: Results) -> Finding:
    told = results["yeast"]["measures"]
    errors = {name: float(told[name]["plane"]["highest"]["median_abs_um"]) for name in OF_THE_PAPER}
    said = ", ".join(f"{display_name(name)} {error:.1f}" for name, error in errors.items())
    alone = errors[IQA] <= NEAR_UM and all(errors[name] > 2 * errors[IQA] for name in errors if name != IQA)
    return Finding(
        "Only IQA reliably finds the focus plane, as that of the largest score.",
        f"Median distance from focus on yeast (µm): {said}.",
        "agrees" if alone else "differs",
        "",
    )


def _beside_the_network(results: Results) -> Finding:
    told, network = results["yeast"]["measures"], float(results["network"]["mae_um"])
    helped, alone = (float(told[IQA][how]["mae_um"]) for how in ("helped", "alone"))
    best = min(FOCUS_MEASURES, key=lambda name: float(told[name]["helped"]["mae_um"]))
    better = network < helped
    return Finding(
        "Even told the side of focus and the stack's largest score, IQA errs more than the network.",
        f"Mean absolute error for one image of yeast (µm): network {network:.2f}; IQA {helped:.2f} with the "
        f"favours, {alone:.2f} without; best of all with them, {display_name(best)}, "
        f"{told[best]['helped']['mae_um']:.2f}.",
        "agrees" if better else "differs",
        "The paper put zero at IQA's own peak; here it is where the cells lie."
        + (" The network has had few steps." if not better and results.size != "paper" else ""),
    )


def _phase_objects(results: Results) -> Finding:
    def median_um(kind: str, measure: str, rule: str) -> float:
        return float(results[kind]["measures"][measure]["plane"][rule]["median_abs_um"])

    peak_um = median_um("yeast", "normalised_variance", "highest")
    valley_um = median_um("yeast", "entropy", "valley")
    stained_um = median_um("stained", "normalised_variance", "highest")
    step_um = float(results["stained"]["z_step_um"])
    return Finding(
        "Unstained cells have least contrast in focus, stained ones most.",
        f"Median distances from focus: yeast has its largest grey-value variance at {peak_um:.1f} µm, and "
        f"its least entropy between the peaks at {valley_um:.1f} µm; stained Euglena its largest variance at "
        f"{stained_um:.1f} µm, in steps of {step_um:g} µm.",
        "agrees" if peak_um > 2 * NEAR_UM > 2 * valley_um and stained_um <= step_um else "differs",
        beyond=True,
    )


def how(size: Size) -> str:
    """What was run."""
    return (
        f"Thirteen measures on the test stacks of {YEAST_STACKS[size]} of yeast, {POND_STACKS[size]} of "
        f"Euglena in phase contrast and {POND_STACKS[size]} stained; profiles from up to {MOST_TRAINING} "
        "of the others. The paper: three measures, 431 stacks of yeast."
    )


STUDY = Study(
    name="focus-measures",
    title="Classical focus measures",
    paper="Fig S2, S3, section 2.6",
    question="How far does a single number of sharpness get, on unstained, phase-contrast and stained cells?",
    stocks=stocks,
    cases=cases,
    run=run,
    figures=figures,
    table=table,
    findings=findings,
    how=how,
)
