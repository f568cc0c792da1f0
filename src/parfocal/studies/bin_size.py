"""Size of the z bins (Fig 3 of the paper), and finer z-stacks, which the paper only supposes to help."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parfocal.evaluation.figures import BLUE, GREEN, GREY, ORANGE, VERMILION, in_project_style
from parfocal.studies.learned import (
    WITHIN_UM,
    Answers,
    answers_of,
    collected,
    errors_of,
    learn,
    subset,
    without_maps,
)
from parfocal.studies.paper_network import STEPS, paper_recipe
from parfocal.studies.stocks import YEAST_STACKS, yeast, yeast_stock
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
from parfocal.zstack import ZStack

BINS_UM = (1.0, 2.0, 3.0, 4.0, 5.0)
Z_STEPS_UM: Mapping[Size, Sequence[float]] = {
    "toy": (1.0, 0.5),
    "quick": (1.0, 0.5, 0.25),
    "paper": (1.0, 0.5, 0.25),
}
DENSE_STACKS: Mapping[Size, int] = {"toy": 5, "quick": 50, "paper": 431}
NETWORKS: Mapping[Size, Sequence[tuple[int, int]]] = {
    "toy": ((10, 10),),
    "quick": ((4, 25),),
    "paper": ((10, 50), (4, 50), (2, 22)),
}
"""Downsampling and batch size."""
_LOOKS = {10: (BLUE, "o"), 4: (ORANGE, "^"), 2: (GREEN, "*")}


def stocks(size: Size) -> Sequence[Stock]:
    """The stacks that most studies share, and fewer with finer planes."""
    microscope = yeast(size, pixel_um=0.24, step_um=min(Z_STEPS_UM[size]))
    return yeast_stock(size), Stock("yeast-dense", microscope, DENSE_STACKS[size], seed=2019)


def cases(size: Size) -> Sequence[Case]:
    """A network for each bin size, and for each z step with bins of that step."""
    bins = BINS_UM if size != "toy" else (1.0, 5.0)
    return (
        *(
            Case(
                f"{downsampling}X-bins-{bin_um:g}um",
                {"downsampling": downsampling, "batch_size": batch, "bin_um": bin_um},
                cost=batch / downsampling**2,
            )
            for downsampling, batch in NETWORKS[size]
            for bin_um in bins
        ),
        *(
            Case(f"z-step-{step_um:g}um", {"z_step_um": step_um, "bin_um": step_um, "batch_size": 25})
            for step_um in Z_STEPS_UM[size]
        ),
    )


def run(case: Case, place: Place) -> Told:
    """Trains the 2018 network with some bins, and asks it about the test stacks."""
    step_um = case.values.get("z_step_um")
    stacks = place.dataset("yeast-dense" if step_um else "yeast")
    few = subset(
        stacks,
        place.work / "stacks",
        collected(stacks, YEAST_STACKS["paper"]),
        change=partial(every_nth, n=round(step_um / min(Z_STEPS_UM[place.size]))) if step_um else None,
    )
    recipe = paper_recipe(
        place.size,
        downsampling=case.values.get("downsampling", 4),
        batch_size=case.values["batch_size"],
        bin_um=case.values["bin_um"],
    )
    model, told = learn(few, place.work, recipe)
    answers = answers_of(model, few)
    return {
        **told,
        **without_maps(errors_of(answers, few)),
        "floor_um2": quantisation_floor_um2(answers.actual_um, recipe.bins.centres_um),
        "map": probability_map(answers, recipe.bins.centres_um),
    }


def every_nth(stack: ZStack, *, n: int) -> ZStack:
    """The first of each n planes of a stack."""
    return ZStack(stack.frames_zyx[::n], stack.z_um[::n], stack.pixel_size_um, stack.metadata)


def quantisation_floor_um2(actual_um: NDArray[np.float64], centres_um: NDArray[np.float64]) -> float:
    """Mean squared error, in um2, of a network that always names the right bin.

    Parameters
    ----------
    actual_um : array, shape (N,)
        True defocus, in um.
    centres_um : array, shape (bins,)
        Centres of the bins, in um.

    Examples
    --------
    >>> quantisation_floor_um2(np.arange(-5.0, 6.0), np.array([-4.0, -2.0, 0.0, 2.0, 4.0])).__round__(3)
    0.545
    """
    distance = np.abs(actual_um[:, None] - centres_um)
    return float(np.mean(distance.min(axis=1) ** 2))


def probability_map(answers: Answers, centres_um: NDArray[np.float64]) -> dict[str, Any]:
    """P(inferred | actual): a row for each micrometre of actual defocus, a column for each bin.

    Returns
    -------
    dict
        ``actual_edges_um``, ``inferred_edges_um`` and ``probability``; a row is None where no frames are.
    """
    actual_edges = np.arange(math.floor(-WITHIN_UM) - 0.5, WITHIN_UM + 1.0)
    width = float(centres_um[1] - centres_um[0])
    inferred_edges = np.append(centres_um - width / 2, centres_um[-1] + width / 2)
    counts, _, _ = np.histogram2d(answers.actual_um, answers.inferred_um, bins=(actual_edges, inferred_edges))
    rows = [(row / row.sum()).round(4).tolist() if row.sum() else None for row in counts]
    return {
        "actual_edges_um": actual_edges.tolist(),
        "inferred_edges_um": inferred_edges.tolist(),
        "probability": rows,
    }


@in_project_style
def _maps(told: Sequence[Told]) -> Figure:
    figure = Figure(figsize=(7.2, 3.3), layout="constrained")
    panels = figure.subplots(1, len(told), squeeze=False)[0]
    for axes, one in zip(panels, told, strict=True):
        chart = one["map"]
        empty = [np.nan] * (len(chart["inferred_edges_um"]) - 1)
        probability = np.array([row or empty for row in chart["probability"]])
        axes.set_facecolor("#EEEEEE")
        image = axes.pcolormesh(
            chart["actual_edges_um"],
            chart["inferred_edges_um"],
            np.ma.masked_invalid(probability.T),
            cmap="Blues",
            vmin=0,
            vmax=1,
            rasterized=True,
        )
        axes.axline((0, 0), slope=1, color=VERMILION, linewidth=0.7, linestyle=(0, (1, 3)))
        axes.set(
            title=f"bins of {one['bin_um']:g} µm",
            xlabel="actual defocus (µm)",
            xlim=(-WITHIN_UM, WITHIN_UM),
            ylim=(-22, 22),
        )
    panels[0].set_ylabel("inferred defocus (µm)")
    figure.colorbar(image, ax=list(panels), label="P(inferred | actual)", shrink=0.9).outline.set_visible(
        False
    )
    return figure


@in_project_style
def _errors(rows: Sequence[Told], *, key: str, label: str) -> Figure:
    figure = Figure(figsize=(7.2, 2.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    for downsampling in sorted({told.get("downsampling", 4) for told in rows}, reverse=True):
        some = [told for told in rows if told.get("downsampling", 4) == downsampling]
        colour, marker = _LOOKS[downsampling]
        x = [told[key] for told in some]
        left.errorbar(
            x,
            [told["bias_um"] for told in some],
            [told["std_um"] for told in some],
            color=colour,
            marker=marker,
            linestyle="none",
            capsize=2.5,
        )
        right.plot(
            x, [told["mse_um2"] for told in some], marker=marker, color=colour, label=f"{downsampling}X"
        )
    floor = sorted({told[key]: told["floor_um2"] for told in rows}.items())
    right.plot(*zip(*floor, strict=True), color=GREY, linestyle="--", label="always the right bin")
    left.axhline(0, color=GREY, linewidth=0.8)
    left.set(xlabel=label, ylabel="error: mean ± s.d. (µm)")
    right.set(xlabel=label, ylabel="mean squared error (µm²)", ylim=(0, None))
    right.legend()
    return figure


def figures(results: Results) -> Mapping[str, Drawn]:
    """Maps and errors, as Fig 3, and the same for finer z-stacks."""
    bins, steps = _of_bins(results), _of_steps(results)
    middle = [told for told in bins if told["downsampling"] == _downsampling(results)]
    return {
        "maps": Drawn(
            _maps([middle[0], middle[-1]]), "As Fig 3a and 3b: how often each bin is named, given the truth."
        ),
        "bin-size": Drawn(
            _errors(bins, key="bin_um", label="bin size (µm)"),
            "As Fig 3c and 3d; dashed, the error that is left to a network that always names the right bin.",
        ),
        "z-step": Drawn(
            _errors(steps, key="z_step_um", label="z step and bin size (µm)"),
            "The same stacks with every plane, every second and every fourth to learn from; asked about all.",
        ),
    }


def _of_bins(results: Results) -> list[Told]:
    return [told for told in results.cases.values() if "z_step_um" not in told]


def _of_steps(results: Results) -> list[Told]:
    return [told for told in results.cases.values() if "z_step_um" in told]


def _downsampling(results: Results) -> int:
    there = {int(told["downsampling"]) for told in _of_bins(results)}
    return 4 if 4 in there else min(there)


def table(results: Results) -> Table:
    """A row for each network."""
    return Table(
        ("network", "mean error (µm)", "s.d. (µm)", "MSE (µm²)", "floor (µm²)", "within 1 µm"),
        [
            (
                _name(told),
                f"{told['bias_um']:+.2f}",
                f"{told['std_um']:.2f}",
                f"{told['mse_um2']:.2f}",
                f"{told['floor_um2']:.2f}",
                f"{told['within_1um']:.0%}",
            )
            for told in results.cases.values()
        ],
        note="Floor: the mean squared error if the right bin were always named.",
    )


def _name(told: Told) -> str:
    if "z_step_um" in told:
        return f"z step and bins of {told['z_step_um']:g} µm, 4X"
    return f"bins of {told['bin_um']:g} µm, {told['downsampling']}X"


def findings(results: Results) -> Sequence[Finding]:
    """What the paper says of Fig 3, and what came of it here."""
    return _growth(results), _near_focus(results), _finer(results)


def _growth(results: Results) -> Finding:
    rows = sorted(results.where(downsampling=_downsampling(results)), key=lambda told: float(told["bin_um"]))
    mse = [float(told["mse_um2"]) for told in rows]
    above = [m - float(told["floor_um2"]) for m, told in zip(mse, rows, strict=True)]
    grows = all(a < b for a, b in pairwise(mse))
    said = ", ".join(
        f"{told['bin_um']:g} µm {m:.2f} ({a:.2f} above the floor)"
        for told, m, a in zip(rows, mse, above, strict=True)
    )
    return Finding(
        "The mean squared error grows monotonically with bin size.",
        f"By bin size (µm²): {said}.",
        "agrees" if grows else "differs",
        unless_paper(
            results.size, "After few steps, errors of other kinds are larger than those of the bins."
        )
        if not grows
        else "Much of the growth is the floor: the right bin's centre is off by up to half a bin.",
    )


def _near_focus(results: Results) -> Finding:
    chart = results.one(downsampling=_downsampling(results), bin_um=1.0)["map"]
    near, far = _hit_rate(chart, 0, 3), _hit_rate(chart, 12, 15)
    return Finding(
        "The right bin, or one beside it, is named most reliably near focus, less so far from it.",
        f"Right or next bin: {near:.0%} within 3 µm of focus, {far:.0%} at 12 µm and beyond.",
        "agrees" if near > far else "differs",
    )


def _hit_rate(chart: Mapping[str, Any], low_um: float, high_um: float) -> float:
    """Mean probability of the right bin and its neighbours, over rows at some distance from focus."""
    actual = np.array(chart["actual_edges_um"][:-1]) + 0.5
    inferred = (np.array(chart["inferred_edges_um"][:-1]) + np.array(chart["inferred_edges_um"][1:])) / 2
    beside = 1.5 * (inferred[1] - inferred[0])
    rates = [
        float(np.array(row)[np.abs(inferred - z_um) <= beside].sum())
        for z_um, row in zip(actual, chart["probability"], strict=True)
        if row and low_um <= abs(z_um) <= high_um
    ]
    return float(np.mean(rates)) if rates else math.nan


def _finer(results: Results) -> Finding:
    rows = sorted(_of_steps(results), key=lambda told: -float(told["z_step_um"]))
    above = [float(told["mse_um2"]) - float(told["floor_um2"]) for told in rows]
    said = ", ".join(
        f"{told['z_step_um']:g} µm {told['mse_um2']:.2f} ({more:.2f} above the floor)"
        for told, more in zip(rows, above, strict=True)
    )
    return Finding(
        "With z-stacks of finer steps the inference would likely improve further (supposed by the paper).",
        f"Mean squared error by z step (µm²): {said}.",
        "agrees" if above[-1] < above[0] else "differs",
        beyond=True,
    )


def how(size: Size) -> str:
    """What was run."""
    return (
        f"{YEAST_STACKS[size]} simulated stacks of yeast 1 µm apart, and {DENSE_STACKS[size]} with planes "
        f"{min(Z_STEPS_UM[size]):g} µm apart; {STEPS[size]:,} steps for each network, at "
        f"{', '.join(f'{d}X' for d, _ in NETWORKS[size])}. "
        "The paper: 431 stacks, 100,000 steps, at 2X, 4X and 10X."
    )


STUDY = Study(
    name="bin-size",
    title="Size of the z bins",
    paper="Fig 3, section 2.3",
    question="How fine should the answer be, and do finer z-stacks help?",
    stocks=stocks,
    cases=cases,
    run=run,
    figures=figures,
    table=table,
    findings=findings,
    how=how,
)
