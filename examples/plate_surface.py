"""A plate of 96 wells, scanned with one image a well.

The plate is tilted and bent, each well has its own height, the room warms up, and ten wells are empty. Before
each image the learned surface says where the focus will be, and how sure it is; the image's answer is what it
learns from. Empty wells answer nothing. Beside it: the plane through three wells that most programs offer.

The heights and the drift are those of the virtual microscope. With ``--out`` the surface is drawn::

    python examples/plate_surface.py --out surface.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parfocal.control import FocusMeasurement, LearnedSurface, propose, serpentine, well_positions_um
from parfocal.evaluation.figures import BLUE, VERMILION
from parfocal.microscope.drift import thermal_drift
from parfocal.microscope.focus_surface import SurfaceSettings, focus_surface

WELLS_UM = well_positions_um(96)
MIDDLE_UM = WELLS_UM.mean(axis=0)
ERROR_UM = 0.2
WELL_S = 5.0


class Plate:
    """Where the focus truly is, and what an image would say of it."""

    def __init__(self, *, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        tilted = SurfaceSettings(tilt_um_per_mm=0.6, profile_um=0.5, profile_mm=60.0)
        higher_um = focus_surface(tilted, seed=seed)
        sag_um = 25 * (((WELLS_UM - MIDDLE_UM) / 50_000) ** 2).sum(axis=1)
        own_um = self._random.normal(0, 0.6, 96)
        self._heights_um = np.array([higher_um(x, y) for x, y in WELLS_UM.tolist()]) + sag_um + own_um
        self._drift_um = thermal_drift(range_um=40.0, hours=24.0, seed=seed)
        self.empty = set(self._random.permutation(96)[:10].tolist())

    def focus_um(self, well: int, t_s: float) -> float:
        """Stage z of the focus."""
        return float(self._heights_um[well]) + self._drift_um(t_s)

    def measure(self, well: int, t_s: float) -> FocusMeasurement | None:
        """What the image of a well says; nothing where it is empty."""
        if well in self.empty:
            return None
        told_um = self.focus_um(well, t_s) + float(self._random.normal(0, ERROR_UM))
        return FocusMeasurement(t_s, *WELLS_UM[well].tolist(), told_um, ERROR_UM)


def scan(
    surface: LearnedSurface, plate: Plate, order: Sequence[int], *, start_s: float
) -> tuple[LearnedSurface, NDArray[np.float64]]:
    """One image a well. Gives the surface after it, and what each well that has cells was off by, in um."""
    off_um = []
    for k, well in enumerate(order):
        t_s = start_s + WELL_S * k
        expected = surface.at(*WELLS_UM[well].tolist(), t_s=t_s)  # the stage would go there
        measurement = plate.measure(well, t_s)
        if measurement is not None:
            off_um.append(expected.focus_z_um - plate.focus_um(well, t_s))
            surface = surface.learn(measurement)
    return surface, np.array(off_um)


def plane_off_um(plate: Plate, order: Sequence[int], *, start_s: float) -> NDArray[np.float64]:
    """The same for the plane through three corners, measured once at the beginning."""
    corners = [well for well in (0, 11, 84) if well not in plate.empty]
    ones = np.column_stack([WELLS_UM, np.ones(96)])
    heights_um = [plate.focus_um(well, 0.0) for well in corners]
    plane_um = ones @ np.linalg.lstsq(ones[corners], heights_um)[0]
    off_um = [plane_um[well] - plate.focus_um(well, start_s + WELL_S * k) for k, well in enumerate(order)]
    return np.array([um for well, um in zip(order, off_um, strict=True) if well not in plate.empty])


def figure_of(
    half: LearnedSurface,
    plate: Plate,
    order: Sequence[int],
    *,
    ours_um: Sequence[float],
    planes_um: Sequence[float],
) -> Figure:
    """The surface after half a scan, how sure it is, and what the wells were off by before their images."""
    t_s = WELL_S * (len(order) // 2)
    figure = Figure(figsize=(12.5, 3.1), layout="constrained")
    height, sureness, errors = figure.subplots(1, 3, width_ratios=(1, 1, 0.9))
    x_um, y_um = np.linspace(-5500, 104_500, 150), np.linspace(-5500, 68_500, 100)
    grid, (z_um, std_um) = half.grid(x_um, y_um, t_s=t_s), half.at_all(WELLS_UM, t_s=t_s)
    shown = (
        (height, "focus z after half a scan (µm)", "viridis", grid.focus_z_yx_um, z_um),
        (sureness, "its standard deviation (µm)", "magma", grid.std_yx_um, std_um),
    )
    for axes, title, colours, values, at_wells in shown:
        scale = {"cmap": colours, "vmin": min(at_wells.min(), 0), "vmax": values.max()}
        image = axes.pcolormesh(x_um / 1000, y_um / 1000, values, rasterized=True, **scale)
        axes.scatter(*(WELLS_UM / 1000).T, c=at_wells, s=45, edgecolors="white", linewidths=0.6, **scale)
        axes.plot(*(WELLS_UM[sorted(plate.empty)] / 1000).T, "wx", ms=5)
        axes.set(title=title, xlabel="x (mm)", ylabel="y (mm)", aspect="equal")
        axes.invert_yaxis()
        figure.colorbar(image, ax=axes)
    shown_errors = (
        (planes_um, VERMILION, "plane through 3 wells", 100.0),
        (ours_um, BLUE, "learned surface", 0.0045),
    )
    for off_um, colour, name, at_um in shown_errors:
        errors.semilogy(np.abs(off_um), ".", color=colour, ms=3.5)
        errors.text(0, at_um, name, color=colour)
    errors.set(title="off before the image (µm)", xlabel="image", ylim=(0.003, 200))
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Scan the plate for some hours and say how far off each well was before its image."""
    parser = argparse.ArgumentParser(description="A plate of 96 wells, scanned with one image a well.")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--hours", type=int, default=4, help="a scan every hour")
    parser.add_argument("--out", type=Path, help="draw the surface there")
    options = parser.parse_args(arguments)
    plate, surface, order = Plate(seed=options.seed), LearnedSurface(), serpentine(WELLS_UM)
    for well in propose(surface, WELLS_UM, t_s=0.0, n=8):  # some wells all over the plate, found by hand
        measurement = plate.measure(well, 0.0)
        surface = surface if measurement is None else surface.learn(measurement)
    half, _ = scan(surface, plate, order[:48], start_s=0.0)
    ours_um: list[float] = []
    planes_um: list[float] = []
    print("off before the image, in um:  learned surface     three-point plane")
    for hour in range(options.hours):
        surface, off_um = scan(surface, plate, order, start_s=3600.0 * hour)
        plane_um = plane_off_um(plate, order, start_s=3600.0 * hour)
        told = [f"mean {np.abs(um).mean():5.2f}, most {np.abs(um).max():5.2f}" for um in (off_um, plane_um)]
        print(f"scan {hour + 1:2d}                       {told[0]}   {told[1]}")
        ours_um, planes_um = [*ours_um, *off_um], [*planes_um, *plane_um]
    if options.out:
        figure = figure_of(half, plate, order, ours_um=ours_um, planes_um=planes_um)
        figure.savefig(options.out, dpi=85)


if __name__ == "__main__":
    main()
