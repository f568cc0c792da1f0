"""Downsampling and batch size (Fig 2 of the paper): how coarse may images be, how large should a batch be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from parfocal.evaluation.figures import BLUE, GREEN, ORANGE, in_project_style
from parfocal.studies.learned import ask, collected, learn, subset, without_maps
from parfocal.studies.paper_network import STEPS, paper_recipe
from parfocal.studies.stocks import YEAST_STACKS, yeast_stock
from parfocal.studies.study import (
    Case,
    Drawn,
    Finding,
    Place,
    Results,
    Size,
    Stock,
    Study,
    Table,
    Told,
    unless_paper,
)

BATCHES: Mapping[int, Sequence[int]] = {2: (10, 22), 4: (10, 25, 50), 10: (10, 25, 50)}
"""By downsampling; at 2X the paper has 22 in place of 25, and none of 50."""
TOY: Mapping[int, Sequence[int]] = {4: (10,), 10: (10, 50)}
_LOOKS = ((BLUE, "o", "10"), (ORANGE, "^", "25 (22 at 2X)"), (GREEN, "*", "50"))


def stocks(size: Size) -> Sequence[Stock]:
    """The stacks that most studies share."""
    return (yeast_stock(size),)


def cases(size: Size) -> Sequence[Case]:
    """A network for each downsampling and batch size."""
    return tuple(
        Case(
            f"{downsampling}X-batch-{batch}",
            {"downsampling": downsampling, "batch_size": batch},
            cost=batch / downsampling**2,
        )
        for downsampling, batches in (BATCHES if size != "toy" else TOY).items()
        for batch in batches
    )


def run(case: Case, place: Place) -> Told:
    """Trains the 2018 network and asks it about the test stacks."""
    yeast = place.dataset("yeast")
    few = subset(yeast, place.work / "stacks", collected(yeast, YEAST_STACKS["paper"]))
    recipe = paper_recipe(
        place.size, downsampling=case.values["downsampling"], batch_size=case.values["batch_size"]
    )
    model, told = learn(few, place.work, recipe)
    return {**told, **without_maps(ask(model, few))}


@in_project_style
def _draw(results: Results) -> Figure:
    figure = Figure(figsize=(7.2, 2.7), layout="constrained")
    panels = figure.subplots(1, 3)
    for (colour, marker, label), place in zip(_LOOKS, range(3), strict=True):
        rows = [told for told in results.cases.values() if _rank(told) == place]
        for told in rows:
            _points(panels, told, colour=colour, marker=marker, shift=0.16 * (place - 1))
        if rows:
            panels[1].plot([], [], marker, color=colour, label=f"batch of {label}")
    for axes, label in zip(
        panels,
        ("error: mean ± s.d. (µm)", "mean squared error (µm²)", "training, one core (min)"),
        strict=True,
    ):
        axes.set(ylabel=label, xlabel="downsampling", xlim=(-0.5, 2.5))
        axes.set_xticks(range(3), [f"{downsampling}X" for downsampling in BATCHES])
    panels[0].axhline(0, color="#8A8F94", linewidth=0.8)
    panels[1].set_ylim(bottom=0)
    panels[2].set_yscale("log")
    panels[2].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[2].yaxis.set_major_formatter("{x:g}")
    panels[2].yaxis.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def _rank(told: Told) -> int:
    return 0 if told["batch_size"] == 10 else 2 if told["batch_size"] == 50 else 1


def _points(panels: Sequence[Axes], told: Told, *, colour: str, marker: str, shift: float) -> None:
    x = list(BATCHES).index(told["downsampling"]) + shift
    panels[0].errorbar(x, told["bias_um"], told["std_um"], color=colour, marker=marker, capsize=2.5)
    panels[1].plot(x, told["mse_um2"], marker, color=colour)
    panels[2].plot(x, told["training_seconds"] / 60, marker, color=colour)


def figures(results: Results) -> Mapping[str, Drawn]:
    """Errors and time, as Fig 2d to 2f."""
    caption = (
        "As Fig 2d to 2f: mean error with one standard deviation, mean squared error and time of training."
    )
    return {"downsampling": Drawn(_draw(results), caption)}


def table(results: Results) -> Table:
    """A row for each network."""
    return Table(
        ("network", "mean error (µm)", "s.d. (µm)", "MSE (µm²)", "within 1 µm", "training (min)"),
        [
            (
                f"{told['downsampling']}X, batch of {told['batch_size']}",
                f"{told['bias_um']:+.2f}",
                f"{told['std_um']:.2f}",
                f"{told['mse_um2']:.2f}",
                f"{told['within_1um']:.0%}",
                f"{told['training_seconds'] / 60:.1f}",
            )
            for told in results.cases.values()
        ],
        note="Time is that of one core.",
    )


def findings(results: Results) -> Sequence[Finding]:
    """What the paper says of Fig 2, and what came of it here."""
    return _best_downsampling(results), _batches(results), _times(results)


def _best_downsampling(results: Results) -> Finding:
    told = {d: _middle(results, d) for d in _there(results)}
    ahead = min(told, key=lambda d: float(told[d]["mse_um2"]))
    numbers = ", ".join(f"{d}X {one['mse_um2']:.1f}" for d, one in told.items())
    return Finding(
        "4X has a lower mean squared error than 2X and 10X.",
        f"With batches of 22 to 25 (µm²): {numbers}.",
        "agrees" if ahead == 4 else "differs",
        ""
        if ahead == 4
        else unless_paper(results.size, "A few hundred steps favour networks of few weights."),
    )


def _batches(results: Results) -> Finding:
    there = [d for d in _there(results) if d != 2]  # the paper says it of these
    better = [_largest(results, d)["mse_um2"] < _smallest(results, d)["mse_um2"] for d in there]
    pairs = ", ".join(
        f"{d}X {_smallest(results, d)['mse_um2']:.1f} to {_largest(results, d)['mse_um2']:.1f}"
        for d in _there(results)
    )
    return Finding(
        "At 10X and 4X the mean squared error grows as batches get smaller.",
        f"From the smallest to the largest batch (µm²): {pairs}.",
        "agrees" if all(better) else "differs",
    )


def _times(results: Results) -> Finding:
    there = _there(results)
    by_batch = all(
        _largest(results, d)["training_seconds"] >= _smallest(results, d)["training_seconds"] for d in there
    )
    same_batch = [float(_smallest(results, d)["training_seconds"]) for d in there]
    slowest = max(results.cases.values(), key=lambda told: float(told["training_seconds"]))
    return Finding(
        "Training takes longer with larger batches, and, for the same batch, with less downsampling.",
        f"The slowest was {slowest['downsampling']}X with a batch of {slowest['batch_size']}: "
        f"{slowest['training_seconds'] / 60:.1f} minutes of one core for {slowest['steps']} steps.",
        "agrees" if by_batch and same_batch == sorted(same_batch, reverse=True) else "differs",
    )


def _there(results: Results) -> list[int]:
    return sorted({int(told["downsampling"]) for told in results.cases.values()})


def _middle(results: Results, downsampling: int) -> Told:
    """The network whose batch is nearest to 25."""
    return min(results.where(downsampling=downsampling), key=lambda told: abs(int(told["batch_size"]) - 25))


def _smallest(results: Results, downsampling: int) -> Told:
    return min(results.where(downsampling=downsampling), key=lambda told: int(told["batch_size"]))


def _largest(results: Results, downsampling: int) -> Told:
    return max(results.where(downsampling=downsampling), key=lambda told: int(told["batch_size"]))


def how(size: Size) -> str:
    """What was run."""
    return (
        f"{YEAST_STACKS[size]} simulated stacks of yeast; the 2018 network with {STEPS[size]:,} steps for "
        "each point. The paper: 431 stacks, 100,000 steps."
    )


STUDY = Study(
    name="downsampling",
    title="Downsampling and batch size",
    paper="Fig 2, section 2.2",
    question="How coarse may images be, and how large should a batch be?",
    stocks=stocks,
    cases=cases,
    run=run,
    figures=figures,
    table=table,
    findings=findings,
    how=how,
)
