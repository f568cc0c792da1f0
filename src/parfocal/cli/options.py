"""Options that several verbs share: the same one has the same name everywhere."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Quality(StrEnum):
    """How finely the virtual microscope computes light."""

    ci = "ci"
    training = "training"
    benchmark = "benchmark"


class Immersion(StrEnum):
    """What is between objective and coverslip."""

    air = "air"
    water = "water"
    oil = "oil"


def positive(text: str) -> float:
    """A finite number above 0.

    Raises
    ------
    typer.BadParameter
        If the text is none.

    Examples
    --------
    >>> positive("0.24")
    0.24
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"expected a number above 0, got '{text}'.")
    return value


MICROSCOPES = "yeast-40x, pombe-60x, adherent-20x, euglena-10x-phase, euglena-10x-stained or bacteria-100x"
"""The presets in words; to ask the optics for them would load torch before any help is shown."""

Config = Annotated[
    Path | None, typer.Option("--config", metavar="MM.cfg", help="A Micro-Manager configuration.")
]
Simulated = Annotated[
    str | None,
    typer.Option(
        "--simulate", metavar="PRESET", help="A virtual microscope, as for simulate, with drift and growth."
    ),
]
LowestZ = Annotated[
    float | None,
    typer.Option("--lowest-z", metavar="UM", help="The drive never goes below this position."),
]
HighestZ = Annotated[
    float | None,
    typer.Option("--highest-z", metavar="UM", help="The drive never goes above this position."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model file, or bright-field, which ships with the package.")
]
DatasetFolder = Annotated[
    Path, typer.Argument(metavar="DATASET", help="A dataset folder, with annotations and a split.")
]
NewDataset = Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of the new dataset.")]
PixelSize = Annotated[
    float | None,
    typer.Option("--pixel-size", parser=positive, metavar="UM", help="Side of a pixel in the sample, in um."),
]
Aperture = Annotated[
    float | None,
    typer.Option("--na", parser=positive, metavar="NA", help="The objective's numerical aperture."),
]
Immersed = Annotated[
    Immersion | None, typer.Option("--immersion", help="The objective's; air below NA 1 if not said.")
]
Wavelength = Annotated[
    float | None,
    typer.Option("--wavelength", parser=positive, metavar="UM", help="Of the light; green if not said."),
]
Rescale = Annotated[
    bool, typer.Option("--rescale", help="Take images of another pixel size than the model's.")
]
