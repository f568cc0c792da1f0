"""The verb ``study``: experiments that write a figure and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from parfocal.cli.options import Json, positive
from parfocal.cli.terminal import progress, say, say_json, say_table

app = typer.Typer(help="Runs one experiment; its figure and table go to a folder.", rich_markup_mode=None)


@app.callback()
def _about() -> None:
    """Runs one experiment; its figure and table go to a folder."""


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
