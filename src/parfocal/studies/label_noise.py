"""Errors of the annotation (end of section 2.5 of the paper): whether they average out in training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from parfocal.data.dataset import Dataset
from parfocal.evaluation.figures import BLUE, GREEN, GREY, ORANGE, in_project_style
from parfocal.model import FocusEstimator
from parfocal.studies.annotators import Annotator, annotated_by
from parfocal.studies.learned import ask, collected, learn, subset, without_maps
from parfocal.studies.ours import DEFAULT_STEPS, learn_default
from parfocal.studies.paper_network import STEPS, paper_recipe
from parfocal.studies.stocks import YEAST_STACKS, yeast_stock
from parfocal.studies.study import Case, Drawn, Finding, Place, Results, Size, Stock, Study, Table, Told

JITTERS_UM = (0.0, 0.5, 1.0, 2.0, 3.0)
BIASES_UM = (1.0, 2.0)
WEI, DEFAULT, FRESH = "wei2018", "default", "fresh"
NAMES: Mapping[str, str] = {
    WEI: "2018 network",
    DEFAULT: "default, from the shipped model",
    FRESH: "default, from fresh weights",
}
LEARNERS: Mapping[Size, Sequence[str]] = {
    "toy": (WEI,),
    "quick": (WEI, DEFAULT),
    "paper": (WEI, DEFAULT, FRESH),
}
NETWORK: Mapping[Size, tuple[int, int]] = {"toy": (10, 10), "quick": (10, 25), "paper": (4, 50)}
"""Downsampling and batch size of the 2018 network."""
COLLECTED: Mapping[Size, int] = {"toy": 6, "quick": 100, "paper": 345}
AVERAGED_OUT = 0.5
"""Errors average out where less than this part of the annotator's is left in the answers."""
_LOOKS = {WEI: (BLUE, "o"), DEFAULT: (ORANGE, "^"), FRESH: (GREEN, "*")}


def stocks(size: Size) -> Sequence[Stock]:
    """The stacks that most studies share."""
    return (yeast_stock(size),)


def cases(size: Size) -> Sequence[Case]:
    """A model for each learner and each kind of annotator: some of jitter alone, some of bias alone."""
    levels = [(jitter, 0.0) for jitter in JITTERS_UM] + [(0.0, bias) for bias in BIASES_UM]
    if size == "toy":
        levels = [(0.0, 0.0), (2.0, 0.0), (0.0, 2.0)]
    return tuple(
        Case(
            f"{learner}-jitter-{jitter:g}um-bias-{bias:g}um",
            {"learner": learner, "label_jitter_um": jitter, "label_bias_um": bias},
        )
        for learner in LEARNERS[size]
        for jitter, bias in levels
    )


def run(case: Case, place: Place) -> Told:
    """Learns from what an annotator says, and is judged by the truth."""
    yeast, values = place.dataset("yeast"), case.values
    annotator = Annotator("annotator", bias_um=values["label_bias_um"], jitter_um=values["label_jitter_um"])
    few = subset(
        yeast,
        place.work / "stacks",
        collected(yeast, COLLECTED[place.size]),
        annotate=annotated_by(annotator, yeast),
    )
    model, told = _learned(values["learner"], few, place)
    return {**told, **label_errors(yeast, few), **without_maps(ask(model, few))}


def _learned(learner: str, stacks: Dataset, place: Place) -> tuple[FocusEstimator, Told]:
    if learner != WEI:
        return learn_default(stacks, place.work, fresh=learner == FRESH, steps=DEFAULT_STEPS[place.size])
    downsampling, batch_size = NETWORK[place.size]
    return learn(
        stacks, place.work, paper_recipe(place.size, downsampling=downsampling, batch_size=batch_size)
    )


def label_errors(truth: Dataset, annotated: Dataset) -> Told:
    """Mean and standard deviation of the errors of the annotations that are learned from, in um."""
    true_um = {row.stack: row.focus_z_um for row in truth.annotations()}
    learned = {row.stack for row in annotated.split() if row.part != "test"}
    errors_um = [
        row.focus_z_um - true_um[row.stack] for row in annotated.annotations() if row.stack in learned
    ]
    return {"label_mean_um": float(np.mean(errors_um)), "label_std_um": float(np.std(errors_um))}


def left_of_jitter(clean: Told, noisy: Told) -> float:
    """Error that a jitter of the labels adds to the answers, as a part of the labels' own.

    Notes
    -----
    Both are taken as what they add, in quadrature, to the errors without jitter: those of the answers about
    the truth, and those of labels that are whole planes.

    Examples
    --------
    >>> clean = {"mse_um2": 1.0, "label_mean_um": 0.0, "label_std_um": 0.0}
    >>> left_of_jitter(clean, {"mse_um2": 1.25, "label_mean_um": 0.0, "label_std_um": 2.0})
    0.25
    """
    labels_um2 = _label_mse_um2(noisy) - _label_mse_um2(clean)
    return math.sqrt(max(noisy["mse_um2"] - clean["mse_um2"], 0.0) / labels_um2)


def is_telling(clean: Told, noisy: Told) -> bool:
    """Whether half of a jitter would add to the errors at least half of what they are without it."""
    half_um2 = AVERAGED_OUT**2 * (_label_mse_um2(noisy) - _label_mse_um2(clean))
    return bool(half_um2 >= clean["mse_um2"] / 2)


def _label_mse_um2(told: Told) -> float:
    return float(told["label_mean_um"] ** 2 + told["label_std_um"] ** 2)


def left_of_bias(clean: Told, biased: Told) -> float:
    """Shift of the mean answer by a bias of the labels, as a part of the labels' own.

    Examples
    --------
    >>> clean = {"bias_um": 0.25, "label_mean_um": 0.0}
    >>> left_of_bias(clean, {"bias_um": -1.25, "label_mean_um": 2.0})
    0.75
    """
    return float((clean["bias_um"] - biased["bias_um"]) / (biased["label_mean_um"] - clean["label_mean_um"]))


@in_project_style
def _draw(results: Results) -> Figure:
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    panels = figure.subplots(1, 3)
    for learner in _learners(results):
        colour, marker = _LOOKS[learner]
        jittered, biased = _jittered(results, learner), _biased(results, learner)
        look: dict[str, Any] = {"color": colour, "marker": marker}
        x = [told["label_jitter_um"] for told in jittered]
        panels[0].plot(x, [told["std_um"] for told in jittered], label=NAMES[learner], **look)
        panels[1].plot(x, [told["bias_um"] for told in jittered], **look)
        panels[2].plot(
            [told["label_bias_um"] for told in biased], [told["bias_um"] for told in biased], **look
        )
    _annotators_own(panels, results)
    for axes, across, up in zip(
        panels,
        ("jitter of the annotator (µm)", "jitter of the annotator (µm)", "bias of the annotator (µm)"),
        ("s.d. of the error (µm)", "mean error (µm)", "mean error (µm)"),
        strict=True,
    ):
        axes.set(xlabel=across, ylabel=up)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _annotators_own(panels: Sequence[Axes], results: Results) -> None:
    """What would be seen if the errors of the labels came through whole."""
    learner = _learners(results)[0]
    jittered, biased = _jittered(results, learner), _biased(results, learner)
    jitters = [told["label_jitter_um"] for told in jittered]
    look: dict[str, Any] = {"color": GREY, "linestyle": "--"}
    panels[0].plot(jitters, [told["label_std_um"] for told in jittered], label="the annotations", **look)
    panels[1].plot(jitters, [-told["label_mean_um"] for told in jittered], **look)
    panels[2].plot(
        [told["label_bias_um"] for told in biased], [-told["label_mean_um"] for told in biased], **look
    )


def figures(results: Results) -> Mapping[str, Drawn]:
    """Errors of the answers against those of the labels."""
    caption = (
        "Error of the answers about the truth, as standard deviation and mean, against the jitter and the "
        "bias of the annotator. Dashed, the annotations that were learned from: a stage position called in "
        "focus too high makes answers too low."
    )
    return {"label-noise": Drawn(_draw(results), caption)}


def _learners(results: Results) -> list[str]:
    return [learner for learner in NAMES if results.where(learner=learner)]


def _jittered(results: Results, learner: str) -> list[Told]:
    """Without bias, the least jitter first."""
    rows = results.where(learner=learner, label_bias_um=0.0)
    return sorted(rows, key=lambda told: float(told["label_jitter_um"]))


def _biased(results: Results, learner: str) -> list[Told]:
    """Without jitter, the least bias first."""
    rows = results.where(learner=learner, label_jitter_um=0.0)
    return sorted(rows, key=lambda told: float(told["label_bias_um"]))


def table(results: Results) -> Table:
    """A row for each model."""
    return Table(
        (
            "learner",
            "annotator: jitter (µm)",
            "bias (µm)",
            "answers: mean error (µm)",
            "s.d. (µm)",
            "MSE (µm²)",
            "within 1 µm",
        ),
        [
            (
                NAMES[told["learner"]],
                f"{told['label_jitter_um']:g}",
                f"{told['label_bias_um']:g}",
                f"{told['bias_um']:+.2f}",
                f"{told['std_um']:.2f}",
                f"{told['mse_um2']:.2f}",
                f"{told['within_1um']:.0%}",
            )
            for told in results.cases.values()
        ],
        note="The annotator chooses whole planes, 1 µm apart; answers are judged by the truth.",
    )


def findings(results: Results) -> Sequence[Finding]:
    """What the paper says of errors of the annotation, and what came of it here."""
    ready = [learner for learner in _learners(results) if is_ready(_jittered(results, learner)[0])]
    return _jitter_averages_out(results, ready), _bias_stays(results, ready)


def is_ready(clean: Told) -> bool:
    """Whether a model that learned from true labels errs so little that jitter of the labels would show."""
    return float(clean["std_um"]) <= JITTERS_UM[-1]


_STILL_LEARNING = "Even with true labels every network errs by more than the largest jitter."


def _jitter_averages_out(results: Results, ready: Sequence[str]) -> Finding:
    left = {
        learner: {
            told["label_jitter_um"]: left_of_jitter(clean, told)
            for told in jittered
            if is_telling(clean, told)
        }
        for learner in ready
        for clean, *jittered in (_jittered(results, learner),)
    }
    said = "; ".join(
        f"{NAMES[learner]} " + ", ".join(f"{part:.0%} of {jitter:g} µm" for jitter, part in parts.items())
        for learner, parts in left.items()
        if parts
    )
    agrees = all(part < AVERAGED_OUT for parts in left.values() for part in parts.values())
    return Finding(
        "Errors of the original annotator appear to average out during the training phase.",
        f"What is left in the answers of the jitter of the annotations: {said or 'not to be told'}.",
        "agrees" if agrees and any(left.values()) else "differs" if any(left.values()) else "open",
        "" if any(left.values()) else _STILL_LEARNING,
    )


def _bias_stays(results: Results, ready: Sequence[str]) -> Finding:
    left = {
        learner: left_of_bias(rows[0], rows[-1]) for learner in ready for rows in (_biased(results, learner),)
    }
    said = ", ".join(f"{NAMES[learner]} {part:.0%}" for learner, part in left.items())
    agrees = all(part >= AVERAGED_OUT for part in left.values())
    return Finding(
        "Only errors of either sign can average out; a bias would be learned.",
        f"What the answers take over of the annotator's bias: {said or 'not to be told'}.",
        "open" if not left else "agrees" if agrees else "differs",
        _why_bias(left) if left else _STILL_LEARNING,
        beyond=True,
    )


def _why_bias(left: Mapping[str, float]) -> str:
    if left.get(DEFAULT, 1.0) < AVERAGED_OUT:
        return "The default keeps a share of the shipped model, which no annotator taught."
    return ""


def how(size: Size) -> str:
    """What was run."""
    downsampling, batch_size = NETWORK[size]
    steps = DEFAULT_STEPS[size]
    others = "".join(f"; {NAMES[learner]}" for learner in LEARNERS[size] if learner != WEI)
    bound = f", {steps:,} steps" if steps and others else ""
    return (
        f"{min(COLLECTED[size], YEAST_STACKS[size])} simulated stacks of yeast, annotated by a simulated "
        f"person; the 2018 network at {downsampling}X with {STEPS[size]:,} steps and batches of {batch_size}"
        f"{others}{bound}. One training for each point. The paper did not vary its annotations; it trained "
        "at 4X with 100,000 steps and batches of 50."
    )


STUDY = Study(
    name="label-noise",
    title="Errors of the annotation",
    paper="section 2.5",
    question="Do an annotator's errors average out when a network learns from them?",
    stocks=stocks,
    cases=cases,
    run=run,
    figures=figures,
    table=table,
    findings=findings,
    how=how,
)
