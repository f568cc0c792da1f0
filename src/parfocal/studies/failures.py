"""Failure cases (Fig S5 of the paper): frames that misled the 2018 network, and whether that can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parfocal.data.area_mean import area_mean
from parfocal.data.dataset import Dataset
from parfocal.estimate import Estimator, FocusEstimate
from parfocal.evaluation.figures import BLUE, GREEN, VERMILION, in_project_style
from parfocal.model import FocusEstimator
from parfocal.studies.failure_scenes import (
    FEW_UP,
    HALF_UP,
    SCENES,
    Answers,
    FailureScene,
    area_under_curve,
    count_modes,
    with_cells,
)
from parfocal.studies.learned import collected, learn, subset
from parfocal.studies.ours import learn_default, shipped_for
from parfocal.studies.paper_network import STEPS, paper_recipe
from parfocal.studies.stocks import FIELD_UM, YEAST_STACKS, yeast, yeast_stock
from parfocal.studies.study import Case, Drawn, Finding, Place, Results, Size, Stock, Study, Table, Told

PAPER, OURS, TRAINED_ON = "2018", "shipped", "trained-on"
LABELS: Mapping[str, str] = {PAPER: "2018", OURS: "ours, shipped", TRAINED_ON: "ours, trained on"}
PAPERS_ERROR_UM = 5.0
CLEARLY = 0.1
"""Share of answers with two peaks from which on a scene counts as bimodal."""
ORDINARY, FEW, HALF = "ordinary", "few-up", "half-up"
STOCK_OF: Mapping[str, str] = dict(zip((scene.name for scene in SCENES), (FEW, HALF, HALF), strict=True))
SCENE_STACKS: Mapping[Size, int] = {"toy": 3, "quick": 20, "paper": 100}
"""Of each kind, and as many ordinary ones."""
FINE_TUNING_STEPS: Mapping[Size, int] = {"toy": 2, "quick": 200, "paper": 2000}
HALF_RANGE_UM = 10.0
STEP_UM: Mapping[Size, float] = {"toy": 2.5, "quick": 1.0, "paper": 1.0}
LEARNED_FROM: Mapping[Size, int] = {"toy": 3, "quick": YEAST_STACKS["quick"], "paper": YEAST_STACKS["paper"]}
"""At most."""
OFF_UM, FAR_OFF_UM = 1.0, 5.0
DRAWN_PX = 96
"""Side of the frames in the figure."""
SEED = 500
"""Of the scenes: their days are not those of the stacks to learn from."""
_FIELD_OF_SCENES_UM = 61.44
_NOT_NEW = "A fifth of the cells to learn from are on the ceiling: two layers are perhaps nothing new."


def stocks(size: Size) -> Sequence[Stock]:
    """The stacks that most studies share, the scenes, and ordinary fields of the same days."""
    usual = yeast(size, half_range_um=HALF_RANGE_UM, step_um=STEP_UM[size])
    share = (FIELD_UM[size] / _FIELD_OF_SCENES_UM) ** 2
    scenes = {
        ORDINARY: usual,
        FEW: with_cells(usual, **_in_field(FEW_UP, share)),
        HALF: with_cells(usual, **_in_field(HALF_UP, share)),
    }
    return (
        yeast_stock(size),
        *(Stock(name, scene, SCENE_STACKS[size], seed=SEED) for name, scene in scenes.items()),
    )


def _in_field(cells: Mapping[str, float], share: float) -> dict[str, float]:
    """As crowded in a share of the field; two to four cells at least, so that most of them can be on top."""
    return {
        **cells,
        "fewest_cells": max(2, round(share * cells["fewest_cells"])),
        "most_cells": max(4, round(share * cells["most_cells"])),
    }


def cases(size: Size) -> Sequence[Case]:
    """The 2018 network, the shipped one as it is, and trained on from it."""
    return (
        Case(PAPER, {"network": PAPER}, cost=3),
        Case(OURS, {"network": OURS}),
        Case(TRAINED_ON, {"network": TRAINED_ON}, cost=3),
    )


def run(case: Case, place: Place) -> Told:
    """Asks a network about the scenes and about ordinary frames at the same defocus."""
    network, told = _network(case.values["network"], place)
    frames = {name: list(_frames(place.dataset(name))) for name in (ORDINARY, FEW, HALF)}
    pixel_um = place.dataset(ORDINARY).settings.pixel_size_um
    answers = {name: ask_frames(network, some, pixel_um=pixel_um) for name, some in frames.items()}
    scenes = {
        scene.name: scene_numbers(scene, answers[STOCK_OF[scene.name]], answers[ORDINARY]) for scene in SCENES
    }
    told = {**told, "scenes": scenes}
    if case.values["network"] == PAPER:
        other = shipped_for(place.dataset(ORDINARY).settings)
        told["worst"] = {
            scene.name: _worst(
                scene,
                frames[STOCK_OF[scene.name]],
                answers[STOCK_OF[scene.name]],
                other=other,
                pixel_um=pixel_um,
            )
            for scene in SCENES
        }
    return told


def _network(name: str, place: Place) -> tuple[FocusEstimator, Told]:
    stacks = place.dataset("yeast")
    if name == OURS:
        return shipped_for(stacks.settings), {}
    few = subset(stacks, place.work / "stacks", collected(stacks, LEARNED_FROM[place.size]))
    if name == PAPER:
        return learn(few, place.work, paper_recipe(place.size))
    return learn_default(few, place.work, steps=FINE_TUNING_STEPS[place.size])


Frame = tuple[NDArray[Any], float]
"""A frame of shape (Y, X), and its true defocus in um."""


def _frames(dataset: Dataset) -> Iterator[Frame]:
    for row in dataset.split():
        stack = dataset.read(row.stack)
        defocus_um = stack.defocus_um(dataset.focus_z_um(row.stack))
        yield from zip(stack.frames_zyx, defocus_um.tolist(), strict=True)


def ask_frames(estimator: Estimator, frames: Sequence[Frame], *, pixel_um: float) -> Answers:
    """The answers to some frames."""
    estimates = [estimator.estimate(frame_yx, pixel_size_um=pixel_um) for frame_yx, _ in frames]
    return Answers(np.array([defocus_um for _, defocus_um in frames]), estimates)


def scene_numbers(scene: FailureScene, asked: Answers, ordinary: Answers) -> Told:
    """How a scene fares, and ordinary frames at the same defocus."""
    strange, usual = asked.within(scene), ordinary.within(scene)
    return {
        "scene": _numbers(strange),
        "ordinary": _numbers(usual),
        "auc_familiarity": area_under_curve(_familiarity(usual), _familiarity(strange)),
        "auc_width": area_under_curve(-_std_um(usual), -_std_um(strange)),
        "auc_both": area_under_curve(_trust(usual), _trust(strange)),
    }


def _numbers(answers: Answers) -> Told:
    off_um = np.abs(answers.error_um)
    accepted = np.array([estimate.accepted for estimate in answers.estimates], bool)
    modes = [count_modes(estimate.probabilities) for estimate in answers.estimates]
    return {
        "n_images": len(off_um),
        "mae_um": float(off_um.mean()),
        "off_by_1um": float((off_um > OFF_UM).mean()),
        "off_by_5um": float((off_um > FAR_OFF_UM).mean()),
        "largest_um": float(off_um.max()),
        "accepted": float(accepted.mean()),
        "off_of_accepted": float((off_um > OFF_UM)[accepted].mean()) if accepted.any() else None,
        "median_std_um": float(np.median(_std_um(answers))),
        "bimodal": float(np.mean([count > 1 for count in modes])),
        "layered": answers.layered,
    }


def _familiarity(answers: Answers) -> NDArray[np.float64]:
    return np.array([estimate.in_distribution for estimate in answers.estimates])


def _std_um(answers: Answers) -> NDArray[np.float64]:
    return np.array([estimate.std_um for estimate in answers.estimates])


def _trust(answers: Answers) -> NDArray[np.float64]:
    return _familiarity(answers) / _std_um(answers)


def _worst(
    scene: FailureScene, frames: Sequence[Frame], asked: Answers, *, other: Estimator, pixel_um: float
) -> Told:
    """The frame at which a network erred most, with its answer and that of another."""
    inside = np.flatnonzero(scene.holds(asked.actual_um))
    k = int(inside[np.argmax(np.abs(asked.error_um[inside]))])
    frame_yx, actual_um = frames[k]
    return {
        "actual_um": actual_um,
        "field_um": pixel_um * len(frame_yx),
        "rows": as_text(frame_yx),
        PAPER: _answer(asked.estimates[k]),
        OURS: _answer(other.estimate(frame_yx, pixel_size_um=pixel_um)),
    }


def as_text(frame_yx: NDArray[Any]) -> list[str]:
    """A small picture of a frame, a line of hexadecimal grey values for each row."""
    small = area_mean(frame_yx, scale=max(1.0, len(frame_yx) / DRAWN_PX))
    low, high = np.percentile(small, [0.5, 99.5])
    grey = np.clip((small - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    return [row.tobytes().hex() for row in grey]


def as_picture(rows: Sequence[str]) -> NDArray[np.uint8]:
    """What `as_text` wrote, shape (Y, X)."""
    return np.array([list(bytes.fromhex(row)) for row in rows], np.uint8)


def _answer(estimate: FocusEstimate) -> Told:
    return {
        "told_um": float(estimate.defocus_um),
        "accepted": bool(estimate.accepted),
        "std_um": float(estimate.std_um),
        "layers_um": [round(float(um), 2) for um in estimate.layers_um],
        "bin_centres_um": [round(float(um), 3) for um in estimate.bin_centres_um],
        "probabilities": [round(float(p), 4) for p in estimate.probabilities],
    }


@in_project_style
def _draw(results: Results) -> Figure:
    worst = results[PAPER]["worst"]
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    panels = figure.subplots(3, len(worst), height_ratios=(1.6, 1, 1))
    for column, (name, one) in zip(panels.T, worst.items(), strict=True):
        side_um = one["field_um"]
        column[0].imshow(as_picture(one["rows"]), cmap="gray", extent=(0, side_um, side_um, 0))
        column[0].set(title=f"{name}\nat {one['actual_um']:+.1f} µm", xlabel="x (µm)")
        for axes, network in zip(column[1:], (PAPER, OURS), strict=True):
            _distribution(axes, one[network], actual_um=one["actual_um"], network=LABELS[network])
        column[1].sharex(column[2])
        column[2].set_xlabel("defocus (µm)")
    panels[0, 0].set_ylabel("y (µm)")
    for axes in panels[1:, 0]:
        axes.set_ylabel("probability")
    figure.legend(*panels[2, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _distribution(axes: Axes, answer: Told, *, actual_um: float, network: str) -> None:
    centres_um = np.array(answer["bin_centres_um"])
    axes.bar(centres_um, answer["probabilities"], width=np.gradient(centres_um), color=BLUE)
    axes.axvline(actual_um, color=VERMILION, label="true")
    axes.axvline(answer["told_um"], color=GREEN, linestyle="--", label="told")
    said = "accepted" if answer["accepted"] else "refused"
    axes.set_title(f"{network}: {answer['told_um']:+.1f} ± {answer['std_um']:.1f} µm, {said}", fontsize=7.5)


def figures(results: Results) -> Mapping[str, Drawn]:
    """The worst frame of each scene with the distributions, as Fig S5."""
    caption = (
        "As Fig S5: of each scene the frame at which the 2018 network erred most, its distribution over the "
        "bins, and that of the shipped model for the same frame."
    )
    return {"failures": Drawn(_draw(results), caption)}


def table(results: Results) -> Table:
    """A row for each network and scene."""
    columns = (
        "network, scene",
        "MAE (µm)",
        "ordinary (µm)",
        "off by > 1 µm",
        "off by > 5 µm",
        "accepted",
        "of ordinary",
        "of accepted > 1 µm off",
        "two peaks",
        "layers told",
        "s.d. (µm)",
        "detected (AUC)",
    )
    rows = [
        (f"{LABELS[name]}: {scene}", *_row(one))
        for name, told in results.cases.items()
        for scene, one in told["scenes"].items()
    ]
    note = (
        "Ordinary: frames of other fields at the same defocus. Detected: how often an ordinary frame is "
        "trusted more than one of the scene, by familiarity and width together; 0.5 is chance."
    )
    return Table(columns, rows, note)


def _row(one: Told) -> tuple[str, ...]:
    scene, ordinary = one["scene"], one["ordinary"]
    off = scene["off_of_accepted"]
    return (
        f"{scene['mae_um']:.2f}",
        f"{ordinary['mae_um']:.2f}",
        f"{scene['off_by_1um']:.0%}",
        f"{scene['off_by_5um']:.1%}",
        f"{scene['accepted']:.0%}",
        f"{ordinary['accepted']:.0%}",
        "-" if off is None else f"{off:.0%}",
        f"{scene['bimodal']:.0%}",
        f"{scene['layered']:.0%}",
        f"{scene['median_std_um']:.2f}",
        f"{one['auc_both']:.2f}",
    )


def findings(results: Results) -> Sequence[Finding]:
    """What the paper says of Fig S5, and what came of it here."""
    few, half, above = (results[PAPER]["scenes"][scene.name] for scene in SCENES)
    return (
        _misled(few),
        _two_peaks(half),
        _broad(above),
        _ambiguous(results),
    )


def _misled(few: Told) -> Finding:
    scene, ordinary = few["scene"], few["ordinary"]
    is_worse = scene["mae_um"] > 1.5 * ordinary["mae_um"]
    by_a_chamber = scene["mae_um"] > PAPERS_ERROR_UM / 2
    return Finding(
        "With few cells, most of them on the ceiling, the inference is off by about 5 µm.",
        f"The 2018 network errs by {scene['mae_um']:.1f} µm there on average, by up to "
        f"{scene['largest_um']:.1f} µm; by {ordinary['mae_um']:.1f} µm in ordinary fields.",
        "agrees" if by_a_chamber else "differs",
        ""
        if by_a_chamber
        else "Such fields are harder here too, but by less than the height of the chamber."
        if is_worse
        else "In ordinary fields of days that it did not learn from it errs nearly as much.",
    )


def _two_peaks(half: Told) -> Finding:
    here, usual = half["scene"]["bimodal"], half["ordinary"]["bimodal"]
    return Finding(
        "Two layers of cells near focus make the distribution bimodal.",
        f"Two peaks in {here:.0%} of the 2018 network's answers there, in {usual:.0%} in ordinary fields.",
        "agrees" if here > max(2 * usual, CLEARLY) else "differs",
        "" if here > max(2 * usual, CLEARLY) else _NOT_NEW,
    )


def _broad(above: Told) -> Finding:
    here, usual = above["scene"]["median_std_um"], above["ordinary"]["median_std_um"]
    return Finding(
        "The same fields above focus make it extremely broad.",
        f"Median standard deviation {here:.1f} µm there and {usual:.1f} µm in ordinary fields.",
        "agrees" if here > 1.25 * usual else "differs",
        "" if here > 1.25 * usual else _NOT_NEW,
    )


def _ambiguous(results: Results) -> Finding:
    def off(name: str, where: str) -> float:
        return float(np.mean([one[where]["off_by_1um"] for one in results[name]["scenes"].values()]))

    def detected(name: str) -> str:
        return " / ".join(f"{one['auc_both']:.2f}" for one in results[name]["scenes"].values())

    is_so = off(PAPER, "scene") > 2 * off(PAPER, "ordinary")
    return Finding(
        "Most errors are where a good part of the cells is not where it is expected.",
        f"The 2018 network is off by more than 1 µm in {off(PAPER, 'scene'):.0%} of the scenes' frames and "
        f"{off(PAPER, 'ordinary'):.0%} of ordinary ones; the shipped model in {off(OURS, 'scene'):.0%} and "
        f"{off(OURS, 'ordinary'):.0%}. Such frames are told from ordinary ones with an area under the ROC "
        f"curve of {detected(PAPER)} (2018) and {detected(OURS)} (shipped).",
        "agrees" if is_so else "differs",
    )


def how(size: Size) -> str:
    """What was run."""
    return (
        f"The 2018 network at 4X with {STEPS[size]:,} steps on {YEAST_STACKS[size]} simulated stacks, the "
        f"shipped model, and {FINE_TUNING_STEPS[size]:,} steps of training on from it; asked about "
        f"{SCENE_STACKS[size]} fields of each kind, {FIELD_UM[size]:g} µm wide, of days that none of them "
        "knows. The paper shows three frames from its test set, of a network with 100,000 steps."
    )


STUDY = Study(
    name="failures",
    title="Failure cases",
    paper="Fig S5, section 2.7",
    question="Which frames mislead a network, and can that be told from its answer?",
    stocks=stocks,
    cases=cases,
    run=run,
    figures=figures,
    table=table,
    findings=findings,
    how=how,
)
