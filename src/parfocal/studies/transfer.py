"""Other systems: networks asked about a condenser, objective, cell or chamber that they have not learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from parfocal.evaluation.figures import in_project_style
from parfocal.optics import RodSettings, VirtualMicroscope, YeastSettings
from parfocal.studies.learned import ask, collected, learn, subset, without_maps
from parfocal.studies.ours import PIXEL_UM, SHIPPED, fresh_recipe, shipped_for
from parfocal.studies.paper_network import paper_recipe
from parfocal.studies.stocks import FIELD_UM, yeast
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

PAPER, OURS, UNIVERSAL = "2018", "ours", "shipped"
BASE = "base"
DOMAINS: Mapping[str, str] = {
    BASE: "yeast, 40x/1.30",
    "condenser": "condenser NA 0.6",
    "objective": "40x/0.95 dry",
    "pombe": "fission yeast",
    "chamber": "10 µm chamber",
}
"""What differs from the first, by name."""
DOMAINS_OF: Mapping[Size, Sequence[str]] = {
    "toy": (BASE, "pombe"),
    "quick": tuple(DOMAINS),
    "paper": tuple(DOMAINS),
}
STACKS: Mapping[Size, int] = {"toy": 3, "quick": 40, "paper": 431}
"""Of each domain."""
STEP_UM: Mapping[Size, float] = {"toy": 3.0, "quick": 1.0, "paper": 1.0}
DOWNSAMPLING: Mapping[Size, int] = {"toy": 10, "quick": 10, "paper": 4}
STEPS: Mapping[Size, int] = {"toy": 4, "quick": 400, "paper": 100_000}
OUR_PIXEL_UM: Mapping[Size, float] = {"toy": 0.36, "quick": 0.36, "paper": PIXEL_UM}
OUR_STEPS: Mapping[Size, int] = {"toy": 2, "quick": 150, "paper": 6000}
_FIELD_OF_RODS_UM = 60.0


def microscope_of(domain: str, size: Size) -> VirtualMicroscope:
    """The microscope of a domain: that of the base with one thing changed."""
    base = yeast(size, step_um=STEP_UM[size])
    if domain == "condenser":
        return base.replace(condenser=base.condenser.replace(numerical_aperture=0.6))
    if domain == "objective":
        dry = base.objective.replace(numerical_aperture=0.95, immersion_index=1.0)
        return base.replace(objective=dry)
    if domain == "pombe":
        return base.replace(specimens=(_rods(size),))
    if domain == "chamber":
        cells = next(one for one in base.specimens if isinstance(one, YeastSettings))
        two_layers = cells.replace(on_floor=0.5, under_ceiling=0.5)
        chamber = base.chamber.replace(height_um=10.0, pillars=False)
        return base.replace(chamber=chamber, specimens=(two_layers,))
    return base


def _rods(size: Size) -> RodSettings:
    rods, share = RodSettings(), (FIELD_UM[size] / _FIELD_OF_RODS_UM) ** 2
    return rods.replace(
        fewest_cells=max(2, round(share * rods.fewest_cells)),
        most_cells=max(4, round(share * rods.most_cells)),
    )


def stocks(size: Size) -> Sequence[Stock]:
    """As many stacks of each domain."""
    return tuple(
        Stock(domain, microscope_of(domain, size), STACKS[size], seed=2019 + k)
        for k, domain in enumerate(DOMAINS_OF[size])
    )


def cases(size: Size) -> Sequence[Case]:
    """A network of either kind for each domain, and the shipped model, which is not trained here."""
    return (
        *(
            Case(f"{network}-{domain}", {"network": network, "domain": domain}, cost=2)
            for network in (PAPER, OURS)
            for domain in DOMAINS_OF[size]
        ),
        Case(UNIVERSAL, {"network": UNIVERSAL, "domain": None}),
    )


def run(case: Case, place: Place) -> Told:
    """Trains a network on one domain and asks it about the test stacks of all."""
    network, domain = case.values["network"], case.values["domain"]
    asked = {name: place.dataset(name) for name in DOMAINS_OF[place.size]}
    if network == UNIVERSAL:
        answers = {name: ask(shipped_for(one.settings), one) for name, one in asked.items()}
        return {"asked": {name: without_maps(block) for name, block in answers.items()}}
    few = subset(asked[domain], place.work / "stacks", collected(asked[domain], STACKS["paper"]))
    recipe = (
        paper_recipe(place.size, downsampling=DOWNSAMPLING[place.size], steps=STEPS[place.size])
        if network == PAPER
        else fresh_recipe(steps=OUR_STEPS[place.size], pixel_um=OUR_PIXEL_UM[place.size])
    )
    model, told = learn(few, place.work, recipe)
    return {**told, "asked": {name: without_maps(ask(model, one)) for name, one in asked.items()}}


def errors(results: Results, network: str, *, unit: str = "depths") -> NDArray[np.float64]:
    """Mean absolute errors of a kind of network: a row for each domain learned from, a column for each asked.

    Parameters
    ----------
    results : Results
    network : str
    unit : str
        ``depths`` of field, or ``um``.
    """
    rows = [told["asked"].values() for told in results.where(network=network)]
    return np.array(
        [[one["mae_um"] / (one["dof_um"] if unit == "depths" else 1.0) for one in row] for row in rows]
    )


def at_home_and_away(matrix: NDArray[np.float64]) -> tuple[float, float]:
    """Mean over the domains that were learned from, and over all others.

    Examples
    --------
    >>> at_home_and_away(np.array([[1.0, 4.0], [6.0, 3.0]]))
    (2.0, 5.0)
    """
    is_home = np.eye(len(matrix), dtype=bool)
    return float(matrix[is_home].mean()), float(matrix[~is_home].mean())


@in_project_style
def _draw(results: Results) -> Figure:
    names = [DOMAINS[domain] for domain in DOMAINS_OF[results.size]]
    blocks = {
        "the 2018 network, learned from": (PAPER, names),
        "ours, learned from": (OURS, names),
        "one model for all": (UNIVERSAL, [SHIPPED]),
    }
    figure = Figure(figsize=(6.4, 2.0 + 0.68 * len(names)), layout="constrained")
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(len(names), len(names), 1))
    depths = [errors(results, network) for network, _ in blocks.values()]
    scale = LogNorm(min(map(np.min, depths)), max(map(np.max, depths)))
    for axes, (title, (network, rows)) in zip(panels, blocks.items(), strict=True):
        image = _matrix(axes, errors(results, network), errors(results, network, unit="um"), scale)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_title(title)
    panels[-1].set_xticks(range(len(names)), names, rotation=20, ha="right", rotation_mode="anchor")
    panels[-1].set_xlabel("asked about")
    figure.colorbar(image, ax=list(panels), label="mean absolute error (depths of field)", shrink=0.6)
    return figure


def _matrix(axes: Axes, depths: NDArray[np.float64], um: NDArray[np.float64], scale: LogNorm) -> AxesImage:
    image = axes.imshow(depths, cmap="cividis_r", norm=scale, aspect="auto")
    for (row, column), value in np.ndenumerate(depths):
        dark = float(scale(value)) > 0.55
        text = f"{value:.1f}\n({um[row, column]:.2f} µm)"
        colour = "white" if dark else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color=colour)
    axes.tick_params(length=0)
    return image


def figures(results: Results) -> Mapping[str, Drawn]:
    """The matrices of errors."""
    caption = (
        "Mean absolute error within 15 µm of focus, in depths of field of the objective asked about and in "
        "µm: in each row a network that learned from one system, in each column a system that it is asked "
        "about."
    )
    return {"transfer": Drawn(_draw(results), caption)}


def table(results: Results) -> Table:
    """A row for each network."""
    columns = ("network", *(f"{DOMAINS[name]} (µm; depths)" for name in DOMAINS_OF[results.size]))
    rows = [
        (
            _label(told),
            *(f"{one['mae_um']:.2f}; {one['mae_um'] / one['dof_um']:.1f}" for one in told["asked"].values()),
        )
        for told in results.cases.values()
    ]
    note = "Mean absolute error within 15 µm of focus. All but the first system differ from it in one thing."
    return Table(columns, rows, note)


def _label(told: Told) -> str:
    if told["network"] == UNIVERSAL:
        return f"shipped {SHIPPED}, not trained here"
    return f"{told['network']}, from {DOMAINS[told['domain']]}"


def findings(results: Results) -> Sequence[Finding]:
    """What the paper says of other systems, and what came of it here."""
    return _is_specific(results), _by_change(results), _one_for_all(results)


def _is_specific(results: Results) -> Finding:
    paper, ours = (at_home_and_away(errors(results, network)) for network in (PAPER, OURS))
    is_so = paper[1] > 1.5 * paper[0]
    return Finding(
        "It is unlikely that a trained model works well once objective, imaging mode or cell type change.",
        f"Asked about systems that it did not learn from, the 2018 network errs by {paper[1]:.1f} depths of "
        f"field, at home by {paper[0]:.1f}; ours by {ours[1]:.1f} and {ours[0]:.1f}.",
        "agrees" if is_so else "open" if results.size != "paper" else "differs",
        "Imaging modes were not changed."
        if is_so
        else unless_paper(results.size, "Networks of few steps err much at home already."),
    )


def _by_change(results: Results) -> Finding:
    names = DOMAINS_OF[results.size]
    paper, ours = (errors(results, network)[0] for network in (PAPER, OURS))
    changes = ", ".join(
        f"{DOMAINS[name]} {paper[k]:.1f} and {ours[k]:.1f}" for k, name in enumerate(names) if name != BASE
    )
    worse = bool((paper[1:] > paper[0]).all())
    return Finding(
        "The method is system specific in terms of objective, imaging mode and cell type.",
        f"Learned from yeast at 40x/1.30, the networks (2018 and ours) err by {paper[0]:.1f} and "
        f"{ours[0]:.1f} depths of field there; by {changes}.",
        "agrees" if worse else "differs",
        "Imaging modes were not changed.",
    )


def _one_for_all(results: Results) -> Finding:
    shipped = errors(results, UNIVERSAL)[0]
    at_home = np.diag(errors(results, PAPER))
    is_so = bool((shipped <= at_home).all())
    pairs = ", ".join(
        f"{DOMAINS[name]} {shipped[k]:.1f} ({at_home[k]:.1f})"
        for k, name in enumerate(DOMAINS_OF[results.size])
    )
    return Finding(
        "It should be possible, with varied data and a deeper network, to train one model for many systems.",
        f"The shipped model, which saw none of these stacks, errs by (depths of field; beside it a 2018 "
        f"network that learned from that system): {pairs}.",
        "agrees" if is_so else "differs",
        "Both learned from simulated light. "
        + unless_paper(results.size, "The 2018 networks beside it have had few steps."),
    )


def how(size: Size) -> str:
    """What was run."""
    return (
        f"{STACKS[size]} simulated stacks of each of {len(DOMAINS_OF[size])} systems, {FIELD_UM[size]:g} µm "
        f"wide; for each the 2018 network at {DOWNSAMPLING[size]}X with {STEPS[size]:,} steps and ours from "
        f"fresh weights with {OUR_STEPS[size]:,}. The paper did not try this; its networks learned from 345 "
        "stacks in 100,000 steps at 4X. Imaging modes are not among the changes: see Euglena."
    )


STUDY = Study(
    name="transfer",
    title="Other systems",
    paper="Section 3",
    question="Does a network that learned from one system read another, and can one model read them all?",
    stocks=stocks,
    cases=cases,
    run=run,
    figures=figures,
    table=table,
    findings=findings,
    how=how,
)
