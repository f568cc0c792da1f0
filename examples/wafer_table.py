"""From file names to a dataset table: images of a wafer with the defocus in their names.

A microscope program often writes the stage position into the name of each image. These images show seven
tiles of a patterned wafer in reflected light, each at about ten random positions, in two families of names::

    Copy of adjustedFocus_tile__ix000_iy025_-36.00076164326199.jpeg
    Copy of adjustustedFocus_tile__ix000_iy000_zoff-16.4345um.jpeg

The number at the end is the distance from focus in um, so the focus plane of every tile is at 0. This script
turns the names into the table that ``parfocal import`` reads: one line per image, with the tile as the stack
and the family as the experiment. One tile of each family is kept for the test; the other five are for
training::

    python examples/wafer_table.py FOLDER --out table.csv
    parfocal import table.csv wafer --pixel-size 0.286

A split is by tile, never by image: images of one tile are too alike for an honest test.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Sequence
from pathlib import Path

COLUMNS = ("path", "stack", "z_um", "focus_z_um", "experiment", "part")
NAME = re.compile(
    r"(?P<family>adjust\w*Focus)_tile__(?P<tile>ix\d+_iy\d+)_(zoff)?(?P<z_um>-?\d+(\.\d+)?)(um)?"
)
TEST_TILES = ("ix000_iy002", "ix000_iy027")


def table_rows(folder: Path) -> list[tuple[str | float, ...]]:
    """One row per image whose name tells a tile and a position."""
    rows: list[tuple[str | float, ...]] = []
    for path in sorted(folder.resolve().glob("*.jpeg")):
        if found := NAME.search(path.stem):
            part = "test" if found["tile"] in TEST_TILES else "train"
            rows.append((str(path), found["tile"], float(found["z_um"]), 0.0, found["family"], part))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table and say what is in it."""
    parser = argparse.ArgumentParser(description="Write the import table of the wafer images.")
    parser.add_argument("folder", type=Path, help="folder with the images")
    parser.add_argument("--out", type=Path, default=Path("table.csv"), help="where to write the table")
    options = parser.parse_args(arguments)
    rows = table_rows(options.folder)
    if not rows:
        parser.error(
            f"{options.folder}: expected images such as '..._tile__ix000_iy025_11.69.jpeg', found none"
        )
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(f"{options.out}: {len(rows)} images of {len({row[1] for row in rows})} tiles")


if __name__ == "__main__":
    main()
