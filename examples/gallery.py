"""A gallery: every specimen of the virtual microscope, from far below focus to far above it.

Each picture is a z-stack at a glance: the plane in focus large, planes above it in the upper row, planes
below it in the lower. The light is computed and the camera exposed as for any simulated stack; one grey scale
serves all planes of a picture. It takes half a minute at the lowest quality and about two at the quality that
networks are trained with::

    python examples/gallery.py --out gallery
    python examples/gallery.py --out gallery --quality training --only euglena-10x-phase

What there is to see is told in docs/gallery.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parfocal.evaluation.figures import save_figure
from parfocal.evaluation.montage import through_focus_montage
from parfocal.optics import (
    BACTERIA,
    QUALITIES,
    BeadSettings,
    ChamberSettings,
    DebrisSettings,
    YeastSettings,
    exit_field,
    expose,
    preset,
    scene_of,
)

DENSER_NEAR_FOCUS = 1.6
"""Power that planes spread by: images change fastest near focus."""

OPEN = ChamberSettings(pillars=False)


@dataclass(frozen=True)
class Subject:
    """One picture: a preset, what is changed in it, and the scene.

    Attributes
    ----------
    preset : str
    n_cells : int, optional
        Of the first specimen.
    seed : int
        Of the scene and of the camera's noise.
    changes : mapping
        Settings of the preset that are replaced.
    white_percent : float
        Grey values from this percentile on are white.
    """

    preset: str
    n_cells: int | None = None
    seed: int = 1
    changes: Mapping[str, object] | None = None
    white_percent: float = 99.5


SUBJECTS: Mapping[str, Subject] = {
    "yeast-40x": Subject("yeast-40x", n_cells=45, seed=27),
    "pombe-60x": Subject("pombe-60x", n_cells=22),
    "adherent-20x": Subject("adherent-20x", n_cells=10),
    "euglena-10x-phase": Subject("euglena-10x-phase", n_cells=30, white_percent=98),
    "euglena-10x-stained": Subject("euglena-10x-stained", n_cells=30),
    "bacteria-100x": Subject("bacteria-100x", n_cells=70),
    "yeast-two-layers": Subject(
        "yeast-40x",
        n_cells=24,
        seed=62,
        changes={
            "chamber": OPEN.replace(height_um=12.0),
            "specimens": (YeastSettings(on_floor=0.5, under_ceiling=0.5),),
        },
    ),
    "yeast-and-bacteria": Subject(
        "yeast-40x",
        n_cells=18,
        seed=45,
        changes={
            "chamber": OPEN,
            "specimens": (YeastSettings(), BACTERIA.replace(fewest_cells=60, most_cells=60)),
        },
    ),
    "yeast-and-dirt": Subject(
        "yeast-40x",
        n_cells=25,
        seed=67,
        changes={
            "chamber": OPEN,
            "specimens": (YeastSettings(), DebrisSettings(fewest_grains=6, fewest_scratches=2)),
        },
    ),
    "beads": Subject(
        "yeast-40x", n_cells=25, changes={"chamber": OPEN, "specimens": (BeadSettings(on_floor=0.7),)}
    ),
    "dirt": Subject(
        "yeast-40x",
        n_cells=9,
        changes={"chamber": OPEN, "specimens": (DebrisSettings(fewest_scratches=3),)},
    ),
    "empty": Subject("yeast-40x", changes={"chamber": OPEN, "specimens": ()}),
}
"""Every preset, and what else a chamber can hold."""


def planes_um(half_range_um: float, n: int) -> NDArray[np.float64]:
    """Defocus of n planes through a range, denser near focus."""
    share = np.linspace(-1, 1, n)
    planes = np.sign(share) * np.abs(share) ** DENSER_NEAR_FOCUS * half_range_um
    return np.asarray(np.round(planes, 1 if half_range_um < 100 else 0))


def draw(subject: Subject, path: Path, *, quality: str, n_planes: int) -> Path:
    """Simulate a subject through focus and write its picture."""
    settings = preset(subject.preset, quality=quality).replace(**(subject.changes or {}))
    camera = settings.camera
    scene = scene_of(
        settings.specimens, settings.chamber, camera.field_yx_um, seed=subject.seed, n_cells=subject.n_cells
    )
    field = exit_field(scene, settings, seed=subject.seed)
    defocus_um = planes_um(settings.scan.half_range_um, n_planes)
    generator = np.random.default_rng(subject.seed)
    frames = [expose(field.intensity(field.focus_z_um + z), camera, generator=generator) for z in defocus_um]
    figure = through_focus_montage(
        np.stack(frames),
        defocus_um,
        pixel_size_um=camera.pixel_size_um,
        window_percent=(0.5, subject.white_percent),
    )
    return save_figure(figure, path, dpi=130)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pictures, and say where they are."""
    parser = argparse.ArgumentParser(description="Through-focus pictures of every specimen.")
    parser.add_argument("--out", type=Path, default=Path("gallery"), help="folder for the pictures")
    parser.add_argument("--quality", choices=QUALITIES, default="ci", help="how finely light is computed")
    parser.add_argument("--only", choices=SUBJECTS, metavar="NAME", help="one of " + ", ".join(SUBJECTS))
    parser.add_argument("--planes", type=int, default=9, help="planes of each stack, an odd number")
    options = parser.parse_args(arguments)
    if options.planes < 1 or options.planes % 2 == 0:
        parser.error(f"--planes: expected an odd number, so that one is in focus; got {options.planes}")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.exit(2, f"--out: expected a folder; {options.out} cannot be made ({error.strerror})\n")
    for name in [options.only] if options.only else SUBJECTS:
        path = options.out / f"{name}.jpg"
        print(draw(SUBJECTS[name], path, quality=options.quality, n_planes=options.planes))


if __name__ == "__main__":
    main()
