"""People beside networks (Fig 5 of the paper), with simulated people whose errors are assumptions.

A network that learned from the labels of one person is judged by the truth, which a simulation knows: whether
it is more precise than the person who taught it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parfocal.data.dataset import Dataset
from parfocal.evaluation.figures import BLACK, BLUE, GREY, ORANGE, PURPLE, in_project_style
from parfocal.model import FocusEstimator
from parfocal.studies.annotators import Annotator, annotated_by, looking_at
from parfocal.studies.learned import WITHIN_UM, collected, learn, subset
from parfocal.studies.ours import DEFAULT_STEPS, calibrate_shipped, learn_default
from parfocal.studies.paper_network import STEPS, paper_recipe
from parfocal.studies.stocks import YEAST_STACKS, yeast_stock
from parfocal.studies.study import Case, Drawn, Finding, Place, Results, Size, Stock, Study, Table, Told

PEOPLE = (
    Annotator("H1", bias_um=0.0, jitter_um=0.8, single_image_jitter_um=2.5),
    Annotator("H2", bias_um=0.5, jitter_um=1.0, single_image_jitter_um=3.0),
    Annotator("H3", bias_um=-1.0, jitter_um=1.5, single_image_jitter_um=4.0),
    Annotator("H4", bias_um=1.5, jitter_um=2.0, single_image_jitter_um=5.0),
)
"""Assumed. The first annotated all stacks that are learned from, and those of the test as its reference."""
ORIGINAL = PEOPLE[0]
WEI, DEFAULT, CALIBRATED = "wei2018", "default", "calibrated"
NETWORKS: Mapping[str, str] = {WEI: "2018 network", DEFAULT: "default", CALIBRATED: "calibrated"}
LEARNERS: Mapping[Size, Sequence[str]] = {
    "toy": (WEI, DEFAULT),
    "quick": tuple(NETWORKS),
    "paper": tuple(NETWORKS),
}
NETWORK: Mapping[Size, tuple[int, int]] = {"toy": (10, 10), "quick": (4, 25), "paper": (4, 50)}
"""Downsampling and batch size of the 2018 network."""
WEI_STEPS: Mapping[Size, int] = {**STEPS, "quick": 800}
IMAGES = 100
"""Single images that are asked about."""
NEAR_UM = 5.0
"""Planes that a network finds so near to focus tell it where focus is."""
FEWEST_PLANES = 3
REFERENCE, FIRST, SECOND, SINGLE = 0, 1, 2, 3
"""Times of looking: each has chance of its own."""
AS_GOOD = 1.1
"""Equal to another is what errs by no more than so many times as much."""
_COLOURS = {WEI: BLUE, DEFAULT: ORANGE, CALIBRATED: PURPLE}


def stocks(size: Size) -> Sequence[Stock]:
    """The stacks that most studies share."""
    return (yeast_stock(size),)


def cases(size: Size) -> Sequence[Case]:
    """All people, who cost nothing, and each network."""
    return (
        Case("people", {"learner": "people", "assumed": [asdict(person) for person in PEOPLE]}, cost=0.0),
        *(
            Case(
                learner,
                {"learner": learner, "taught_by": asdict(ORIGINAL)},
                cost=5.0 if learner == WEI else 1.0,
            )
            for learner in LEARNERS[size]
        ),
    )


def run(case: Case, place: Place) -> Told:
    """Puts people, or a network that learned from one of them, to the three tests."""
    yeast = place.dataset("yeast")
    if case.name == "people":
        return {"subjects": {person.name: _ask_person(person, yeast) for person in PEOPLE}}
    teacher = annotated_by(ORIGINAL, yeast, seed=REFERENCE)
    few = subset(yeast, place.work / "stacks", collected(yeast, YEAST_STACKS["paper"]), annotate=teacher)
    model, told = _learned(case.name, few, place)
    return {**told, "subjects": {NETWORKS[case.name]: _ask_network(model, yeast)}}


def _learned(learner: str, stacks: Dataset, place: Place) -> tuple[FocusEstimator, Told]:
    if learner == CALIBRATED:
        return calibrate_shipped(stacks, place.work)
    if learner == DEFAULT:
        return learn_default(stacks, place.work, steps=DEFAULT_STEPS[place.size])
    downsampling, batch_size = NETWORK[place.size]
    recipe = paper_recipe(
        place.size, downsampling=downsampling, batch_size=batch_size, steps=WEI_STEPS[place.size]
    )
    return learn(stacks, place.work, recipe)


def _ask_person(person: Annotator, dataset: Dataset) -> Told:
    def look(stack: str, seed: int) -> float:
        generator = looking_at(stack, person.name, seed=seed)
        return person.plane_um(dataset.positions_um(stack), dataset.focus_z_um(stack), generator)

    def name(stack: str, plane: int, defocus_um: float) -> float:
        return person.image_um(defocus_um, looking_at(f"{stack} {plane}", person.name, seed=SINGLE))

    return _tested(
        dataset,
        first=lambda stack: look(stack, FIRST),
        once_more=lambda stack: (look(stack, FIRST), look(stack, SECOND)),
        name=name,
    )


def _ask_network(model: FocusEstimator, dataset: Dataset) -> Told:
    """The tests of a network; a second time of looking at the same images it would answer the same.

    So its two looks are at every second plane of a stack and at the others.
    """
    answers: dict[str, NDArray[np.float64]] = {}
    for stack_id in dataset.ids_in("test"):
        stack = dataset.read(stack_id)
        answers[stack_id] = np.array(
            [
                float(model.estimate(frame, pixel_size_um=stack.pixel_size_um).defocus_um)
                for frame in stack.frames_zyx
            ]
        )

    def find(stack: str, first: int = 0, step: int = 1) -> float:
        z_um = dataset.positions_um(stack)
        return nearest_um(z_um, focus_from(z_um[first::step], answers[stack][first::step]))

    return _tested(
        dataset,
        first=find,
        once_more=lambda stack: (find(stack, 0, 2), find(stack, 1, 2)),
        name=lambda stack, plane, _: float(answers[stack][plane]),
    )


def _tested(
    dataset: Dataset,
    *,
    first: Callable[[str], float],
    once_more: Callable[[str], tuple[float, float]],
    name: Callable[[str, int, float], float],
) -> Told:
    """Errors, in um, of the three tests, and of the first one from the reference annotation too."""
    ids = dataset.ids_in("test")
    truth = {row.stack: row for row in dataset.annotations()}
    reference = annotated_by(ORIGINAL, dataset, seed=REFERENCE)
    chosen = {stack: first(stack) for stack in ids}
    looks = [once_more(stack) for stack in ids]
    return {
        "from_truth_um": [chosen[stack] - truth[stack].focus_z_um for stack in ids],
        "from_reference_um": [chosen[stack] - reference(truth[stack]).focus_z_um for stack in ids],
        "from_itself_um": [second - before for before, second in looks],
        "of_images_um": [
            name(stack, plane, defocus_um) - defocus_um for stack, plane, defocus_um in drawn_images(dataset)
        ],
    }


def drawn_images(dataset: Dataset, *, seed: int = SINGLE) -> list[tuple[str, int, float]]:
    """Single images of the test stacks, near focus: stack, plane and true defocus in um of each."""
    near = [
        (stack, plane, float(defocus_um))
        for stack in dataset.ids_in("test")
        for plane, defocus_um in enumerate(dataset.positions_um(stack) - dataset.focus_z_um(stack))
        if abs(defocus_um) <= WITHIN_UM
    ]
    order = np.random.default_rng(seed).permutation(len(near))
    return [near[k] for k in order[:IMAGES]]


def focus_from(z_um: NDArray[np.float64], answers_um: NDArray[np.float64]) -> float:
    """Where a network sees the focus of a stack, in um.

    Parameters
    ----------
    z_um : array, shape (Z,)
        Positions of planes.
    answers_um : array, shape (Z,)
        Defocus that the network tells of each.

    Notes
    -----
    Each plane says that focus is at its position minus its defocus; the median over planes that are near
    focus by their own account. Where there are too few of them, the plane that is nearest.

    Examples
    --------
    >>> focus_from(np.array([98.0, 99.0, 100.0, 101.0]), np.array([-2.5, -1.5, 9.0, 0.5]))
    100.5
    """
    near = np.abs(answers_um) <= NEAR_UM
    if near.sum() < FEWEST_PLANES:
        return float(z_um[np.abs(answers_um).argmin()])
    return float(np.median(z_um[near] - answers_um[near]))


def nearest_um(z_um: NDArray[np.float64], focus_z_um: float) -> float:
    """Position of the plane nearest to a focus: a network answers with whole planes, as people do."""
    return float(z_um[np.abs(z_um - focus_z_um).argmin()])


Subjects = Mapping[str, Mapping[str, Sequence[float]]]
TESTS = ("from_reference_um", "from_itself_um", "of_images_um")
_TITLES = ("whole stacks", "whole stacks, again", "single images")


def subjects_of(results: Results) -> Subjects:
    """Errors of all people, then of all networks, by their names."""
    return {name: told for case in results.cases.values() for name, told in case["subjects"].items()}


@in_project_style
def _draw(results: Results) -> Figure:
    subjects = subjects_of(results)
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, test, title in zip(panels, TESTS, _TITLES, strict=True):
        axes.axhline(0, color=GREY, linewidth=0.8)
        for x, (name, told) in enumerate(subjects.items()):
            _bar(axes, x, told[test], colour=_colour(name))
        axes.set_xticks(range(len(subjects)), list(subjects), rotation=45, ha="right")
        axes.set(title=title, xlim=(-0.6, len(subjects) - 0.4))
    for x, (name, told) in enumerate(subjects.items()):
        _bar(panels[0], x + 0.25, told["from_truth_um"], colour=_colour(name), is_open=True)
    for axes, label in zip(
        panels,
        ("difference from the reference (µm)", "difference from oneself (µm)", "error of z (µm)"),
        strict=True,
    ):
        axes.set_ylabel(label)
    return figure


def _bar(axes: Axes, x: float, errors_um: Sequence[float], *, colour: str, is_open: bool = False) -> None:
    axes.errorbar(
        x,
        np.mean(errors_um),
        np.std(errors_um),
        color=colour,
        marker="o",
        markerfacecolor="white" if is_open else colour,
        capsize=2.5,
    )


def _colour(name: str) -> str:
    return next((_COLOURS[learner] for learner, shown in NETWORKS.items() if shown == name), BLACK)


def figures(results: Results) -> Mapping[str, Drawn]:
    """The three tests, as Fig 5."""
    caption = (
        "As Fig 5a to 5c: mean and one standard deviation of each person (assumed) and each network. Open, "
        "the same planes beside the truth. Networks look again at the other half of the planes."
    )
    return {"people": Drawn(_draw(results), caption)}


def table(results: Results) -> Table:
    """A row for each person and each network."""
    return Table(
        (
            "",
            "whole stacks, from the reference (µm)",
            "from the truth (µm)",
            "again, from oneself (µm)",
            "single images (µm)",
        ),
        [
            (
                name,
                *(
                    f"{np.mean(told[test]):+.2f} ± {np.std(told[test]):.2f}"
                    for test in ("from_reference_um", "from_truth_um", "from_itself_um", "of_images_um")
                ),
            )
            for name, told in subjects_of(results).items()
        ],
        note="Mean ± standard deviation. "
        + "; ".join(
            f"{p['name']} assumed with a bias of {p['bias_um']:g} µm and a jitter of {p['jitter_um']:g} µm, "
            f"{p['single_image_jitter_um']:g} µm with single images"
            for p in results["people"]["assumed"]
        )
        + f". {ORIGINAL.name} is the original annotator, whose labels all networks learned from.",
    )


def findings(results: Results) -> Sequence[Finding]:
    """What the paper says of Fig 5, and what came of it here."""
    return _whole_stacks(results), _again(results), _single_images(results), _teacher(results)


_ASSUMED = "The people are assumed, not measured; what is measured are the networks."


def rms_um(errors_um: Sequence[float]) -> float:
    """Root mean square.

    Examples
    --------
    >>> rms_um([3.0, -4.0, 5.0, 0.0]).__round__(3)
    3.536
    """
    return float(np.sqrt(np.mean(np.square(errors_um))))


def _whole_stacks(results: Results) -> Finding:
    errors = _rms(results, "from_reference_um")
    people, network = sorted(errors[p.name] for p in PEOPLE), errors[NETWORKS[WEI]]
    agrees = network <= AS_GOOD * people[0] and network < people[1]
    return Finding(
        "In a whole stack the network finds the plane as well as the best person and better than the others.",
        f"Root mean square of the difference from the reference (µm): {_said(errors)}.",
        "open",
        f"{_ASSUMED} With these it {'is so' if agrees else 'is not so'}; the network has learned for "
        f"{_steps(results)} steps.",
    )


def _again(results: Results) -> Finding:
    subjects = subjects_of(results)
    errors = _rms(results, "from_itself_um")
    people = min(errors[p.name] for p in PEOPLE)
    fell = [p.name for p in PEOPLE if errors[p.name] < rms_um(subjects[p.name]["from_reference_um"])]
    agrees = errors[NETWORKS[WEI]] < people
    return Finding(
        "People differ less from themselves than from the reference, but more than the network.",
        f"Root mean square of the difference from oneself (µm): {_said(errors)}; "
        f"less than from the reference for {', '.join(fell) or 'nobody'}.",
        "open",
        f"{_ASSUMED} With these it {'is so' if agrees else 'is not so'} of the network. It would answer the "
        "same to the same images; here it had to agree with itself on two halves of the planes.",
    )


def _single_images(results: Results) -> Finding:
    errors = _rms(results, "of_images_um")
    agrees = errors[NETWORKS[WEI]] < min(errors[p.name] for p in PEOPLE)
    return Finding(
        "Of single images the network tells z more accurately and more precisely than all people.",
        f"Root mean square error (µm): {_said(errors)}.",
        "open",
        f"{_ASSUMED} With these it {'is so' if agrees else 'is not so'}; the network has learned for "
        f"{_steps(results)} steps.",
    )


def _teacher(results: Results) -> Finding:
    spread = {name: float(np.std(told["from_truth_um"])) for name, told in subjects_of(results).items()}
    taught = [name for name in NETWORKS.values() if name in spread]
    agrees = spread[NETWORKS[WEI]] < spread[ORIGINAL.name]
    return Finding(
        "The network is more precise than the annotator it learned from: the annotator's errors average out.",
        f"Standard deviation about the truth, in whole stacks (µm): {ORIGINAL.name} "
        f"{spread[ORIGINAL.name]:.2f}; {', '.join(f'{name} {spread[name]:.2f}' for name in taught)}.",
        "agrees" if agrees else "differs",
        "Judged by the 2018 network alone: the others start from a model that no annotator taught.",
    )


def _rms(results: Results, test: str) -> dict[str, float]:
    return {name: rms_um(told[test]) for name, told in subjects_of(results).items()}


def _said(errors: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {error:.2f}" for name, error in errors.items())


def _steps(results: Results) -> str:
    return f"{results.one(learner=WEI)['steps']:,}"


def how(size: Size) -> str:
    """What was run."""
    downsampling, batch_size = NETWORK[size]
    n_tests = round(0.2 * YEAST_STACKS[size])
    return (
        f"{n_tests} whole stacks that no network saw, and {IMAGES} of their images at most. Four simulated "
        f"people; {ORIGINAL.name} annotated the {YEAST_STACKS[size] - n_tests} stacks that the networks "
        f"learned from: the 2018 network at {downsampling}X, {WEI_STEPS[size]:,} steps, batches of "
        f"{batch_size}; the default of parfocal train; and the shipped model, calibrated. A network finds "
        "the plane from all that it sees near focus. The paper: four people, 100 stacks and 100 images."
    )


STUDY = Study(
    name="people",
    title="People and networks",
    paper="Fig 5, section 2.5",
    question="Does a network find focus better than people, and than the one it learned from?",
    stocks=stocks,
    cases=cases,
    run=run,
    figures=figures,
    table=table,
    findings=findings,
    how=how,
)
