"""The verb ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from parfocal.cli.terminal import progress, say
from parfocal.cli.verdict import say_summary


def demo(
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder for everything; what an earlier demo made is replaced."),
    ] = Path("demo"),
) -> None:
    """The whole story on the virtual microscope: simulate, train, evaluate, lock for 24 simulated hours."""
    from parfocal.demo import run_demo

    with progress() as tell:
        result = run_demo(out, progress=tell)
    say(_accuracy(result.metrics))
    say_summary(result.lock)
    for name, path in result.files.items():
        say(f"  {name:14} {path}")
    if not result.lock.held:
        raise typer.Exit(1)


def _accuracy(metrics: dict[str, Any]) -> str:
    if metrics["mae_um"] is None:
        return f"No answer on any image of {metrics['n_stacks']} unseen stacks."
    # Neither a constant nor what is helped by an oracle is a measure that one could use.
    errors = {
        name: block["mae_um"]
        for name, block in metrics["baselines"].items()
        if block["mae_um"] is not None and name != "constant" and "oracle" not in name
    }
    best = min(errors, key=lambda name: errors[name])
    return (
        f"Focus from one image: mean error {metrics['mae_um']:.2f} um on {metrics['n_stacks']} unseen "
        f"stacks, {metrics['within_1um']:.0%} within 1 um; the best classical measure: "
        f"{errors[best]:.2f} um ({best.replace('_', ' ')})."
    )
