"""The verbs ``runs show`` and ``runs export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from parfocal.cli.options import Json
from parfocal.cli.terminal import say, say_json
from parfocal.cli.verdict import say_summary, summary_json

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run record, as 'parfocal lock' writes it.")]

app = typer.Typer(help="Reads and exports the records of focus locks.", rich_markup_mode=None)


@app.command()
def show(run: Run, as_json: Json = False) -> None:
    """How a focus lock went."""
    from parfocal.control import RunLog
    from parfocal.control.run_summary import summary_of_run

    record, summary = RunLog.open(run), summary_of_run(run)
    if as_json:
        known = {"model_fingerprint": record.model_fingerprint, "n_images": record.n_images}
        say_json({**summary_json(summary, record=run), **known})
        return
    say(f"{record.settings()['rig']}, model {record.model_fingerprint}, {record.facts()['created']}")
    say_summary(summary)
    say(f"{record.n_images} images kept.")
    for event in record.events():
        say(f"  {event.t_s / 3600:7.2f} h  {event.text}")


@app.command()
def export(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="TABLE.csv", dir_okay=False, help="The table of all frames.")],
) -> None:
    """Every frame of a run as a table."""
    from parfocal.control import RunLog, export_table

    export_table(RunLog.open(run), out)
    say(str(out))
