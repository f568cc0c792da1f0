"""What a study is: cases that run apart from each other; figures, a table and a comparison from their JSON.

A study is one file with one value, ``STUDY``. Its cases are plain values; what a case tells is plain values
too, kept in a file of its own. Everything that is shown is made from these files alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from matplotlib.figure import Figure

from parfocal.data.dataset import Dataset
from parfocal.errors import InputError
from parfocal.optics import VirtualMicroscope

Size = Literal["toy", "quick", "paper"]
"""How much work a study is: seconds, for tests; under 15 minutes on two cores; or the sizes of the paper."""
SIZES: tuple[Size, ...] = ("toy", "quick", "paper")
Told = dict[str, Any]
"""What a case gives: values that JSON can hold."""
Verdict = Literal["agrees", "differs", "open"]


@dataclass(frozen=True)
class Stock:
    """Simulated z-stacks that cases learn from or are tested on; studies may share them.

    Attributes
    ----------
    name : str
        Tells the stocks of one study apart.
    microscope : VirtualMicroscope
    n_stacks : int
        From five days, split by stack: two in ten for tests.
    seed : int
    """

    name: str
    microscope: VirtualMicroscope
    n_stacks: int
    seed: int = 0


@dataclass(frozen=True)
class Case:
    """One piece of work of a study.

    Attributes
    ----------
    name : str
        Of its file: letters, digits, dots and dashes.
    values : mapping
        What makes it what it is, as JSON can hold.
    cost : float
        How long it takes beside the others of its study: the longest start first.
    """

    name: str
    values: Mapping[str, Any]
    cost: float = 1.0


@dataclass(frozen=True)
class Place:
    """Where a case finds its stacks, and may leave things while it runs.

    Attributes
    ----------
    size : str
    stocks : mapping
        Folder of the dataset of each stock, by its name.
    work : Path
        A folder that is removed when the case is done; what a run that was stopped left is in it.
    """

    size: Size
    stocks: Mapping[str, Path]
    work: Path

    def dataset(self, stock: str) -> Dataset:
        """The stacks of a stock."""
        return Dataset.open(self.stocks[stock])


@dataclass(frozen=True)
class Table:
    """A table: its columns, and rows of text, each starting with a name."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that the paper found, and what was found here.

    Attributes
    ----------
    paper, here : str
        In words, `here` with the numbers that were measured.
    verdict : str
        ``agrees``, ``differs``, or ``open`` where what was run cannot tell.
    why : str
        What makes the difference, as far as that is known.
    beyond : bool
        Whether the paper did not measure this: it is not counted with what the paper found.
    """

    paper: str
    here: str
    verdict: Verdict
    why: str = ""
    beyond: bool = False


@dataclass(frozen=True)
class Results:
    """What the cases of a study told.

    Attributes
    ----------
    size : str
    cases : mapping
        Under the name of each case, in the study's order: its values, and what it told.
    """

    size: Size
    cases: Mapping[str, Told]

    def __getitem__(self, name: str) -> Told:
        return self.cases[name]

    def where(self, **values: Any) -> list[Told]:
        """The cases that have these values."""
        return [
            told
            for told in self.cases.values()
            if all(key in told and told[key] == value for key, value in values.items())
        ]

    def one(self, **values: Any) -> Told:
        """The only case that has these values.

        Raises
        ------
        InputError
            If there is none, or there are several.
        """
        found = self.where(**values)
        if len(found) != 1:
            raise InputError(f"Expected one case with {values}, found {len(found)}. Run the study again.")
        return found[0]


Run = Callable[[Case, Place], Told]


@dataclass(frozen=True)
class Study:
    """An experiment: what is asked, what is run, and how it is shown.

    Attributes
    ----------
    name : str
        On the command line.
    title : str
    paper : str
        Where in Wei & Roberts (2018).
    question : str
        One or two sentences for the page.
    stocks, cases : callable
        Of a size: the stacks that are needed, and the cases in the order in which they are shown.
    run : callable
        Runs a case; a function of the module level, so that other processes can find it.
    figures : callable
        Figures under their names, each with a caption.
    table : callable
    findings : callable
    how : callable
        Of a size: what was run, in a sentence or two, and how it is less than in the paper.
    """

    name: str
    title: str
    paper: str
    question: str
    stocks: Callable[[Size], Sequence[Stock]]
    cases: Callable[[Size], Sequence[Case]]
    run: Run
    figures: Callable[[Results], Mapping[str, Drawn]]
    table: Callable[[Results], Table]
    findings: Callable[[Results], Sequence[Finding]]
    how: Callable[[Size], str]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure and the words below it."""

    figure: Figure
    caption: str


def unless_paper(size: Size, words: str) -> str:
    """Words that hold for sizes below the paper's; none at the paper's."""
    return "" if size == "paper" else words


def longest_first(cases: Sequence[Case]) -> Iterator[Case]:
    """Cases in the order in which they should start."""
    return iter(sorted(cases, key=lambda case: -case.cost))
