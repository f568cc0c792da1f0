"""The page "The 2018 paper, repeated": every study that was run in a folder, from its JSON alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from parfocal.data.whole_file import write_whole_text
from parfocal.evaluation.figures import save_figure
from parfocal.evaluation.page import data_uri
from parfocal.studies.running import read_results, studies_in
from parfocal.studies.study import Finding, Study, Table

PAGE_FILE = "index.html"
VERDICTS = {"agrees": "agrees", "differs": "differs", "open": "cannot tell"}
"""How each verdict reads."""


@dataclass(frozen=True)
class Section:
    """One study as the page shows it.

    Attributes
    ----------
    study : Study
    how : str
        What was run.
    spent : str
        On what, and how long.
    figures : sequence of (str, str, str)
        Name, image as a data URI, and caption of each.
    table : Table
    findings : sequence of Finding
    command : str
        That runs it again.
    """

    study: Study
    how: str
    spent: str
    figures: Sequence[tuple[str, str, str]]
    table: Table
    findings: Sequence[Finding]
    command: str


def write_page(out: Path, studies: Sequence[Study]) -> Path:
    """Draws the figures of all studies that were run in a folder, and writes ``index.html``.

    Parameters
    ----------
    out : Path
        Folder of the studies; figures (SVG) go to the folder of each.
    studies : sequence of Study
        That may be in it, in the order of the page.

    Returns
    -------
    Path
        The page. It holds its figures and needs no network.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    there = list(studies_in(out, studies))
    sections = [_section(out, study) for study in there]
    text = (
        _environment()
        .get_template("page.html.j2")
        .render(
            sections=sections,
            missing=[study for study in studies if study not in there],
            verdicts=VERDICTS,
            counts=_counts(sections),
            machines=sorted({_machine(read_results(out, study)[1]) for study in there}),
            sizes=sorted({read_results(out, study)[0].size for study in there}),
        )
    )
    write_whole_text(out / PAGE_FILE, text)
    return out / PAGE_FILE


def _section(out: Path, study: Study) -> Section:
    results, about = read_results(out, study)
    figures = []
    for name, drawn in study.figures(results).items():
        path = save_figure(drawn.figure, out / study.name / f"{name}.svg")
        figures.append((name, data_uri(path), drawn.caption))
    option = {"quick": " --quick", "paper": ""}.get(results.size, f" ({results.size})")
    return Section(
        study=study,
        how=about["how"],
        spent=_spent(about, n_cases=len(results.cases)),
        figures=figures,
        table=study.table(results),
        findings=study.findings(results),
        command=f"parfocal study {study.name}{option}",
    )


def _spent(about: Mapping[str, Any], *, n_cases: int) -> str:
    stacks = sum(facts.get("n_stacks", 0) for facts in about["stocks"].values())
    minutes = about["processor_seconds"] / 60
    simulated = sum(facts.get("seconds", 0.0) for facts in about["stocks"].values()) / 60
    made = f"{stacks} stacks, simulated within {simulated:.1f} minutes; " if stacks else ""
    workers = about["workers"]
    by = "" if workers is None else f" by {workers} {'process' if workers == 1 else 'processes'}"
    return f"{made}{n_cases} cases, {minutes:.0f} minutes of one core in all{by}."


def _machine(about: Mapping[str, Any]) -> str:
    return (
        f"{about['processor']}, {about['cores']} cores; {about['system']}, Python {about['python']}, "
        f"torch {about['torch']}, parfocal {about['parfocal']}"
    )


def _counts(sections: Sequence[Section]) -> dict[str, int]:
    verdicts = [one.verdict for section in sections for one in section.findings if not one.beyond]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}  # type: ignore[arg-type]


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("parfocal", "studies"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
