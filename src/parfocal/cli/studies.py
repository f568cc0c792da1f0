"""The verb ``study``: experiments that write a figure and a table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from parfocal.cli.options import Json, positive
from parfocal.cli.terminal import progress, say, say_json, say_table
from parfocal.errors import InputError
from parfocal.studies.catalogue import MODULES

if TYPE_CHECKING:
    from parfocal.studies.study import Results, Size, Study


class _Studies(TyperGroup):
    """Names the studies where a name is wrong."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The study of the first argument."""
        if args[0] not in self.commands:
            raise InputError(f"Expected a study among {', '.join(self.commands)}; got '{args[0]}'.")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Studies,
    help="Repeats an experiment of Wei & Roberts (2018), or one of ours.",
    rich_markup_mode=None,
    invoke_without_command=True,
)

ALL = "all"


@app.callback()
def _about(
    context: typer.Context,
    list_all: Annotated[bool, typer.Option("--list", help="List the studies.")] = False,
) -> None:
    """Repeats an experiment of Wei & Roberts (2018): figure, table, and what agrees with the paper."""
    if list_all:
        _list()
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise InputError("Expected the name of a study; 'parfocal study --list' shows them.")


def _list() -> None:
    from parfocal.studies.catalogue import load_all

    for one in load_all():
        say(f"{one.name:<16}{one.paper:<25}{one.question}")
    say(f"{ALL:<16}{'':<25}All of these, one after the other.")
    say(f"{'realism':<16}{'':<25}How well does the virtual microscope show a real cell?")


def _add(name: str, *, told: str) -> None:
    def command(
        quick: Annotated[
            bool, typer.Option("--quick", help="Under 15 minutes a study on two cores, and told so.")
        ] = False,
        out: Annotated[
            Path,
            typer.Option(metavar="DIR", help="Folder of all studies; what is done there is not done again."),
        ] = Path("studies"),
        workers: Annotated[int, typer.Option(min=1, help="Worker processes, of one thread each.")] = 2,
        scheduler: Annotated[
            str | None,
            typer.Option(
                metavar="ADDRESS", help="A running Dask scheduler, tcp://HOST:PORT, instead of workers."
            ),
        ] = None,
        as_json: Json = False,
    ) -> None:
        run_studies(
            tuple(MODULES) if name == ALL else (name,),
            out,
            size="quick" if quick else "paper",
            workers=workers,
            scheduler=scheduler,
            as_json=as_json,
        )

    app.command(name, help=told)(command)


for _name in MODULES:
    _add(_name, told="Runs this study; 'parfocal study --list' tells what it asks.")
_add(ALL, told="Runs all studies, one after the other.")


def run_studies(
    names: tuple[str, ...],
    out: Path,
    *,
    size: Size,
    workers: int = 2,
    scheduler: str | None = None,
    as_json: bool = False,
) -> None:
    """Runs studies, writes the page of all that were run in the folder, and prints what each found."""
    from parfocal.studies.catalogue import load_all, load_study
    from parfocal.studies.page import write_page
    from parfocal.studies.running import run_study

    page = out
    for name in names:
        study = load_study(name)
        with progress() as tell:
            results = run_study(study, out, size=size, workers=workers, scheduler=scheduler, watch=tell)
        page = write_page(out, load_all())
        if as_json:
            findings = [asdict(finding) for finding in study.findings(results)]
            say_json({"study": name, "size": size, "findings": findings, "cases": results.cases})
        else:
            _say_study(study, results)
    if not as_json:
        say(str(page))


def _say_study(study: Study, results: Results) -> None:
    say(f"{study.title} ({study.paper})", style="bold")
    table = study.table(results)
    say_table(table.columns, table.rows)
    for finding in study.findings(results):
        say(f"{finding.verdict}: {finding.paper}")
        say(f"  {finding.here}")


@app.command()
def realism(
    stack: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="A bright-field z-stack of one fission-yeast cell, as GIF or TIFF."
        ),
    ],
    step: Annotated[
        float, typer.Option(parser=positive, metavar="UM", help="Stage travel from plane to plane.")
    ] = 0.3,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the results; earlier ones are replaced.")
    ] = Path("realism"),
    quick: Annotated[bool, typer.Option("--quick", help="A rougher fit, in half a minute.")] = False,
    as_json: Json = False,
) -> None:
    """How well the virtual microscope shows a real cell, plane by plane."""
    from parfocal.studies.realism import QUICK, THOROUGH, run_realism

    with progress() as tell:
        report = run_realism(
            stack,
            out,
            step_um=step,
            thoroughness=QUICK if quick else THOROUGH,
            progress=lambda fraction, words: tell("fit", fraction, words),
        )
    if as_json:
        say_json(report)
        return
    _say_report(report)
    say(f"  {out / 'realism.png'}")


def _say_report(report: dict[str, Any]) -> None:
    say_table(
        ("mean correlation", "fitted planes", "planes kept out"),
        [
            (step["name"], f"{step['fitted_planes']:.3f}", f"{step['held_out_planes']:.3f}")
            for step in report["steps"]
        ],
    )
    if not report["found_cell"]:
        say(report["verdict"], style="bold red")
        return
    found, r = report["fitted"], [plane["correlation"] for plane in report["planes"]]
    say(
        f"Pixel {found['pixel_size_um']:.4f} um (cell {found['width_um']:.2f} um wide), "
        f"condenser NA {found['condenser_na']:.2f}, cytoplasm {found['cytoplasm_index']:.4f}, "
        f"{found['height_over_width']:.2f} times as high as wide, focus in frame {found['focus_frame']:.1f}."
    )
    if report["if_as_wide"]:
        say_table(
            ("if the cell is as wide as (um)", "pixel (um)", "light (um)", "condenser NA", "kept out"),
            [_width_row(row) for row in report["if_as_wide"]],
        )
    say(f"Correlation of a plane {min(r):.2f} to {max(r):.2f}; whole stack {_whole(report):.3f}.")


def _width_row(row: dict[str, float]) -> tuple[str, ...]:
    cells = ("width_um", ".2f"), ("pixel_size_um", ".4f"), ("wavelength_um", ".2f"), ("condenser_na", ".2f")
    return (*(format(row[name], how) for name, how in cells), f"{row['held_out_planes']:.3f}")


def _whole(report: dict[str, Any]) -> float:
    return float(report["whole_stack"]["correlation"])
