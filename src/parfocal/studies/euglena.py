"""Another cell and another microscope (Fig S7 of the paper): Euglena in phase contrast, over 600 um of z."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from parfocal.evaluation.figures import confusion_map
from parfocal.model import Recipe
from parfocal.model.bins import BinSettings
from parfocal.optics import VirtualMicroscope, preset
from parfocal.studies.learned import ask, collected, learn, subset
from parfocal.studies.ours import fresh_recipe
from parfocal.studies.paper_network import paper_recipe
from parfocal.studies.stocks import as_crowded
from parfocal.studies.study import Case, Drawn, Finding, Place, Results, Size, Stock, Study, Table, Told

BATCHES: Mapping[int, int] = {4: 50, 2: 22}
"""Batch size by downsampling."""
OURS = "ours"
NATIVE_PIXEL_UM = 0.24
"""Of the paper's camera (2.4 um) at 10X; 1000 of its pixels are 240 um."""
PIXEL_UM = 2 * NATIVE_PIXEL_UM
SIDE_PX: Mapping[Size, int] = {"toy": 208, "quick": 344, "paper": 512}
CROP_UM: Mapping[Size, float] = {"toy": 96.0, "quick": 160.0, "paper": 240.0}
STACKS: Mapping[Size, int] = {"toy": 5, "quick": 50, "paper": 136}
STEP_UM: Mapping[Size, float] = {"toy": 60.0, "quick": 12.0, "paper": 12.0}
"""Between planes."""
STEPS: Mapping[Size, int] = {"toy": 2, "quick": 200, "paper": 100_000}
OUR_STEPS: Mapping[Size, int] = {"toy": 2, "quick": 400, "paper": 6000}
BIN_UM, REACH_UM = 12.0, 300.0
EDGES_UM = (np.arange(-25, 27) - 0.5) * BIN_UM
"""Of the maps: a bin for each plane of a stack that is centred on focus."""
YEAST_MEDIAN_UM = 1.0
"""Half of the paper's test images of yeast are within this of the truth (section 2.1)."""
_FIELD_OF_PRESET_UM = 330.24


def euglena(size: Size) -> VirtualMicroscope:
    """The preset with the paper's 2X pixels and the field of a size, as crowded as its whole field."""
    usual = preset("euglena-10x-phase", quality="ci")
    share = (SIDE_PX[size] * PIXEL_UM / _FIELD_OF_PRESET_UM) ** 2
    camera = usual.camera.replace(pixel_size_um=PIXEL_UM, height_px=SIDE_PX[size], width_px=SIDE_PX[size])
    scan = usual.scan.replace(step_um=STEP_UM[size])
    return as_crowded(usual, share=share).replace(camera=camera, scan=scan)


def stocks(size: Size) -> Sequence[Stock]:
    """Stacks of Euglena: 27 of 136 are for tests."""
    return (Stock("euglena", euglena(size), STACKS[size], seed=2018),)


def cases(size: Size) -> Sequence[Case]:
    """The 2018 network at two downsamplings, and ours."""
    return (
        *(
            Case(f"{downsampling}X", {"network": "2018", "downsampling": downsampling}, cost=4 / downsampling)
            for downsampling in BATCHES
        ),
        Case(OURS, {"network": OURS}),
    )


def run(case: Case, place: Place) -> Told:
    """Trains a network and asks it about the test stacks."""
    stacks = place.dataset("euglena")
    few = subset(stacks, place.work / "stacks", collected(stacks, STACKS["paper"]))
    if case.values["network"] == OURS:
        recipe = fresh_recipe(steps=OUR_STEPS[place.size], pixel_um=4 * NATIVE_PIXEL_UM)
        model, told = learn(few, place.work, recipe)
    else:
        model, told = learn(few, place.work, paper_euglena_recipe(place.size, case.values["downsampling"]))
    return {**told, **ask(model, few, within_um=REACH_UM + BIN_UM / 2, edges_um=EDGES_UM)}


def paper_euglena_recipe(size: Size, downsampling: int) -> Recipe:
    """The recipe for yeast with nothing changed but lengths: pixels four times as large, bins of 12 um."""
    recipe = paper_recipe(size, batch_size=BATCHES[downsampling], steps=STEPS[size])
    pixel_um = downsampling * NATIVE_PIXEL_UM
    reach_um = REACH_UM + BIN_UM
    return recipe.replace(
        name=f"{recipe.name}-euglena",
        sampling=recipe.sampling.replace(crop_um=CROP_UM[size], pixel_size_um=pixel_um),
        bins=BinSettings(lowest_um=-reach_um, highest_um=reach_um, width_um=BIN_UM),
        network=recipe.network.replace(input_px=round(CROP_UM[size] / pixel_um)),
    )


def label_of(told: Told) -> str:
    """Name of a network, as figures and tables show it."""
    return "ours" if told["network"] == OURS else f"2018, {told['downsampling']}X"


def figures(results: Results) -> Mapping[str, Drawn]:
    """Maps of inferred against actual defocus, as Fig S7."""
    caption = "As Fig S7: probability of each inferred position given the actual one, in bins of 12 µm."
    return {
        f"map-{name}": Drawn(_map(told), f"{caption} {label_of(told)}.")
        for name, told in results.cases.items()
    }


def _map(told: Told) -> Figure:
    return confusion_map(told["confusion"], title=label_of(told))


def table(results: Results) -> Table:
    """A row for each network."""
    columns = (
        "network",
        "mean error (µm)",
        "s.d. (µm)",
        "MAE (µm)",
        "MAE (depths of field)",
        "half within (µm)",
        "wrong side",
        "training (min)",
    )
    dof_um = next(iter(results.cases.values()))["dof_um"]
    note = f"One depth of field is {dof_um:.1f} µm. Time is that of one core."
    return Table(columns, [_row(told) for told in results.cases.values()], note)


def _row(told: Told) -> tuple[str, ...]:
    return (
        label_of(told),
        f"{told['bias_um']:+.1f}",
        f"{told['std_um']:.1f}",
        f"{told['mae_um']:.1f}",
        f"{told['mae_um'] / told['dof_um']:.1f}",
        f"{told['median_abs_um']:.1f}",
        f"{told['wrong_sign_rate']:.0%}",
        f"{told['training_seconds'] / 60:.1f}",
    )


def findings(results: Results) -> Sequence[Finding]:
    """What the paper says of Fig S7, and what came of it here."""
    return _reliable(results), _wider(results), _unchanged(results)


def _reliable(results: Results) -> Finding:
    paper = results.where(network="2018")
    numbers = ", ".join(f"{told['downsampling']}X {told['median_abs_um']:.0f}" for told in paper)
    is_so = all(told["median_abs_um"] <= BIN_UM for told in paper)
    return Finding(
        "The networks of 4X and 2X both reliably infer the z-position.",
        f"Half of the test images are within (µm): {numbers}; a bin is {BIN_UM:g} µm.",
        "agrees" if is_so else "open" if results.size != "paper" else "differs",
        "" if is_so else _few(results.size),
    )


def _few(size: Size) -> str:
    return (
        ""
        if size == "paper"
        else f"{STEPS[size]:,} steps and {STACKS[size]} stacks; the paper has 100,000 and 136."
    )


def _wider(results: Results) -> Finding:
    best = min(results.cases.values(), key=lambda told: float(told["median_abs_um"]))
    is_so = best["median_abs_um"] > YEAST_MEDIAN_UM
    return Finding(
        "The distributions are wider than those of yeast, as the depth of field is larger.",
        f"The best, {label_of(best)}, is within {best['median_abs_um']:.1f} µm in half of the images, "
        f"{best['median_abs_um'] / best['dof_um']:.1f} depths of field of {best['dof_um']:.1f} µm; the "
        f"paper's yeast within {YEAST_MEDIAN_UM:g} µm.",
        "open" if best["median_abs_um"] > BIN_UM else "agrees" if is_so else "differs",
    )


def _unchanged(results: Results) -> Finding:
    best = min(results.where(network="2018"), key=lambda told: float(told["mae_um"]))
    ours = results[OURS]
    constant_um = REACH_UM / 2  # of an answer of 0 to planes evenly from -300 to 300 um
    is_so = best["mae_um"] < constant_um / 2
    return Finding(
        "With no change to the hyperparameters it learns the focus of a new cell type and imaging mode.",
        f"Mean absolute error {best['mae_um']:.0f} µm at {best['downsampling']}X, where an answer of 0 µm "
        f"would have {constant_um:.0f} µm; our default recipe, unchanged as well, {ours['mae_um']:.0f} µm.",
        "agrees" if is_so else "open" if results.size != "paper" else "differs",
        "" if is_so else _few(results.size),
    )


def how(size: Size) -> str:
    """What was run."""
    n_planes = round(2 * REACH_UM / STEP_UM[size]) + 1
    return (
        f"{STACKS[size]} simulated stacks of {n_planes} planes {STEP_UM[size]:g} µm apart, fields of "
        f"{SIDE_PX[size] * PIXEL_UM:.0f} µm; the 2018 network with {STEPS[size]:,} steps, ours with "
        f"{OUR_STEPS[size]:,}. The paper: 136 stacks of 51 planes, 240 µm of the field, 100,000 "
        "steps. Its cells were fixed and stained, and seen through a phase-contrast objective; the simulated "
        "ones absorb nothing, as phase contrast shows them best."
    )


STUDY = Study(
    name="euglena",
    title="Euglena in phase contrast",
    paper="Fig S7, section 2.8",
    question="Does the same network, unchanged, learn the focus of another cell in another microscope?",
    stocks=stocks,
    cases=cases,
    run=run,
    figures=figures,
    table=table,
    findings=findings,
    how=how,
)
