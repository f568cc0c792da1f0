"""Number of z-stacks (Fig 4 of the paper): how many are needed, and how few if a model is not born blank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from parfocal.data.dataset import Dataset
from parfocal.evaluation.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, in_project_style
from parfocal.model import FocusEstimator
from parfocal.studies.learned import ask, collected, learn, subset, without_maps
from parfocal.studies.ours import DEFAULT_STEPS, calibrate_shipped, learn_default
from parfocal.studies.paper_network import STEPS, paper_recipe
from parfocal.studies.stocks import YEAST_STACKS, yeast_stock
from parfocal.studies.study import Case, Drawn, Finding, Place, Results, Size, Stock, Study, Table, Told

WEI, DEFAULT, FRESH, CALIBRATED = "wei2018", "default", "fresh", "calibrated"
NAMES: Mapping[str, str] = {
    WEI: "2018 network",
    DEFAULT: "default, from the shipped model",
    FRESH: "default, from fresh weights",
    CALIBRATED: "shipped model, calibrated only",
}
"""Who learns."""
COUNTS: Mapping[Size, Mapping[str, Sequence[int]]] = {
    "toy": {WEI: (3, 6), DEFAULT: (2,), FRESH: (), CALIBRATED: (1,)},
    "quick": {
        WEI: (25, 50, 80, 120),
        DEFAULT: (1, 5, 20, 100),
        FRESH: (20, 100),
        CALIBRATED: (1, 5),
    },
    "paper": {
        WEI: (50, 100, 150, 200, 250, 300, 345),
        DEFAULT: (1, 5, 10, 20, 50, 100, 200, 345),
        FRESH: (5, 10, 20, 50, 100, 200, 345),
        CALIBRATED: (1, 5, 20),
    },
}
"""Stacks to learn from, one in five of them for validation."""
NETWORK: Mapping[Size, tuple[int, int]] = {"toy": (10, 10), "quick": (4, 25), "paper": (4, 50)}
"""Downsampling and batch size of the 2018 network."""
PAPERS_KNEE = 100
_LOOKS = {WEI: (BLUE, "o"), DEFAULT: (ORANGE, "^"), FRESH: (GREEN, "*"), CALIBRATED: (PURPLE, "s")}
_COST = {WEI: 3.0, DEFAULT: 1.0, FRESH: 1.0, CALIBRATED: 0.1}


def stocks(size: Size) -> Sequence[Stock]:
    """The stacks that most studies share."""
    return (yeast_stock(size),)


def cases(size: Size) -> Sequence[Case]:
    """A model for each learner and number of stacks."""
    return tuple(
        Case(f"{learner}-{count}", {"learner": learner, "collected": count}, cost=_COST[learner])
        for learner, counts in COUNTS[size].items()
        for count in counts
    )


def run(case: Case, place: Place) -> Told:
    """Learns from some stacks, each draw a part of the larger ones, and is asked about the test stacks."""
    yeast = place.dataset("yeast")
    few = subset(yeast, place.work / "stacks", collected(yeast, case.values["collected"]))
    model, told = _learned(case.values["learner"], few, place)
    return {**told, **without_maps(ask(model, few))}


def _learned(learner: str, stacks: Dataset, place: Place) -> tuple[FocusEstimator, Told]:
    if learner == CALIBRATED:
        return calibrate_shipped(stacks, place.work)
    if learner == WEI:
        downsampling, batch_size = NETWORK[place.size]
        recipe = paper_recipe(place.size, downsampling=downsampling, batch_size=batch_size)
        return learn(stacks, place.work, recipe)
    return learn_default(stacks, place.work, fresh=learner == FRESH, steps=DEFAULT_STEPS[place.size])


@in_project_style
def _draw(results: Results) -> Figure:
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for k, learner in enumerate(NAMES):
        rows = _rows(results, learner)
        if rows:
            _series(left, right, rows, learner=learner, shift=1 + 0.05 * (k - 1.5))
    left.axhline(0, color=GREY, linewidth=0.8)
    left.set_ylabel("error: mean ± s.d. (µm)")
    right.set(ylabel="mean squared error (µm²)", yscale="log")
    for axes in (left, right):
        axes.set(xlabel="z-stacks to learn from", xscale="log")
        axes.set_xticks([1, 2, 5, 10, 20, 50, 100, 200, 400])
        axes.set_xlim(0.8, 1.3 * max(told["collected"] for told in results.cases.values()))
    for axis in (left.xaxis, right.xaxis, right.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _series(left: Axes, right: Axes, rows: Sequence[Told], *, learner: str, shift: float) -> None:
    colour, marker = _LOOKS[learner]
    left.errorbar(
        [shift * told["collected"] for told in rows],
        [told["bias_um"] for told in rows],
        [told["std_um"] for told in rows],
        color=colour,
        marker=marker,
        linestyle="none",
        capsize=2.5,
    )
    right.plot(
        [told["collected"] for told in rows],
        [told["mse_um2"] for told in rows],
        color=colour,
        marker=marker,
        label=NAMES[learner],
    )


def figures(results: Results) -> Mapping[str, Drawn]:
    """Errors against the number of stacks, as Fig 4."""
    caption = (
        "As Fig 4a and 4b, with fewer stacks than the paper's least: mean error with one standard deviation, "
        "and mean squared error. Points of one number of stacks are drawn side by side on the left."
    )
    return {"stack-count": Drawn(_draw(results), caption)}


def _rows(results: Results, learner: str) -> list[Told]:
    return sorted(results.where(learner=learner), key=lambda told: int(told["collected"]))


def table(results: Results) -> Table:
    """A row for each model."""
    return Table(
        ("learner", "stacks", "mean error (µm)", "s.d. (µm)", "MSE (µm²)", "within 1 µm", "steps"),
        [
            (
                NAMES[told["learner"]] + (" (refused)" if "refused" in told else ""),
                str(told["collected"]),
                f"{told['bias_um']:+.2f}",
                f"{told['std_um']:.2f}",
                f"{told['mse_um2']:.2f}",
                f"{told['within_1um']:.0%}",
                f"{told['steps']:,}",
            )
            for told in results.cases.values()
        ],
        note="One in five of the stacks is for validation. All are asked about the same test stacks. "
        "Refused: no line could be fitted to these stacks; the shipped model was asked as it is.",
    )


def findings(results: Results) -> Sequence[Finding]:
    """What the paper says of Fig 4, and what came of it here."""
    return _knee(results), _most_is_best(results), _fewest(results)


def _knee(results: Results) -> Finding:
    rows = _rows(results, WEI)
    first, last = rows[0], rows[-1]
    middle = min(rows, key=lambda told: abs(told["collected"] - PAPERS_KNEE))
    said = ", ".join(f"{told['collected']} stacks {told['mse_um2']:.1f}" for told in rows)
    reaches = first["collected"] < middle["collected"] < last["collected"] and last["collected"] > PAPERS_KNEE
    drop, rest = first["mse_um2"] - middle["mse_um2"], middle["mse_um2"] - last["mse_um2"]
    agrees = drop > rest >= 0
    return Finding(
        "The mean squared error drops at about 100 z-stacks, then slowly decreases.",
        f"The 2018 network (µm²): {said}.",
        "open" if not reaches else "agrees" if agrees else "differs",
        "" if reaches else "Too few numbers of stacks about 100 were run to tell.",
    )


def _most_is_best(results: Results) -> Finding:
    rows = _rows(results, WEI)
    best = min(rows, key=lambda told: float(told["mse_um2"]))
    agrees = best is rows[-1]
    return Finding(
        "The network that learned from all stacks outperforms those of smaller data sets.",
        f"The 2018 network was best with {best['collected']} stacks, {best['mse_um2']:.1f} µm²"
        + ("." if agrees else f"; with all {rows[-1]['collected']} it has {rows[-1]['mse_um2']:.1f} µm²."),
        "agrees" if agrees else "differs",
        "" if agrees else "Where the number of steps is what limits a network, more stacks do not help it.",
    )


def _fewest(results: Results) -> Finding:
    target = _rows(results, WEI)[-1]
    ours = [told for learner in (DEFAULT, FRESH, CALIBRATED) for told in _rows(results, learner)]
    as_good = [told for told in ours if told["mse_um2"] <= target["mse_um2"]]
    limit = f"the 2018 network with {target['collected']} has {target['mse_um2']:.2f} µm²"
    if not as_good:
        return Finding(_ABOUT_100, f"No other learner was as good: {limit}.", "open")
    few = min(as_good, key=lambda told: (int(told["collected"]), float(told["mse_um2"])))
    fewer = few["collected"] < PAPERS_KNEE and few["collected"] < target["collected"]
    return Finding(
        _ABOUT_100,
        f"{NAMES[few['learner']].capitalize()}: {few['mse_um2']:.2f} µm² with {few['collected']} "
        f"stack{'s' if few['collected'] > 1 else ''}; {limit}.",
        "differs" if fewer else "open",
        "The shipped model knows many other microscopes and specimens, of the same virtual optics."
        if fewer and few["learner"] != FRESH
        else "",
    )


_ABOUT_100 = "About 100 z-stacks are needed to train a network to high accuracy."


def how(size: Size) -> str:
    """What was run."""
    downsampling, batch_size = NETWORK[size]
    steps = DEFAULT_STEPS[size]
    fewer = "" if steps is None else f", stopped after {steps:,} steps,"
    return (
        f"{YEAST_STACKS[size]} simulated stacks of yeast, a fifth of them for tests. The 2018 network: "
        f"{', '.join(map(str, COUNTS[size][WEI]))} stacks, {STEPS[size]:,} steps each, at {downsampling}X "
        f"with batches of {batch_size}; the default of parfocal train{fewer} and the shipped model. "
        "One training for each point. The paper: 50 to 345 stacks, 100,000 steps, a batch of 50."
    )


STUDY = Study(
    name="stack-count",
    title="Number of z-stacks",
    paper="Fig 4, section 2.4",
    question="How many z-stacks must be collected and annotated?",
    stocks=stocks,
    cases=cases,
    run=run,
    figures=figures,
    table=table,
    findings=findings,
    how=how,
)
