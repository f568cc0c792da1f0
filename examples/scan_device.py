"""A device scanned at speed, in focus, one frame a field.

The stage goes over a chip of 12 x 3 mm that is tilted and bent by tens of um. The first field is brought into
focus; from then on every frame is taken where the surface expects the focus, and tells the surface what to
expect next. Beside it the same scan along a plane through the true focus of three corners.

    python examples/scan_device.py --rows 4 --columns 24
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np

from parfocal.control import (
    AcquisitionFocus,
    FocusRoutine,
    LimitSettings,
    SimulatedClock,
    Spot,
    SurfacePrior,
    serpentine,
)
from parfocal.microscope import ExperimentSettings, SimulatedMicroscope, SurfaceSettings
from parfocal.model import FocusEstimator
from parfocal.optics import preset

WIDTH_UM, HEIGHT_UM, FIELDS_PER_S = 12_000.0, 3_000.0, 10.0
SURFACE = SurfaceSettings(tilt_um_per_mm=3.0, profile_um=4.0, profile_mm=8.0)
LIMITS = LimitSettings(lowest_z_um=0, highest_z_um=200)


def main(arguments: list[str] | None = None) -> None:
    """Scan, and print what defocus was left."""
    parser = argparse.ArgumentParser(description="Scan a device in focus.")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--columns", type=int, default=60)
    given = parser.parse_args(arguments)
    xs, ys = np.linspace(0, WIDTH_UM, given.columns), np.linspace(0, HEIGHT_UM, given.rows)
    fields_um = np.array(list(itertools.product(xs, ys)))
    fields_um = fields_um[serpentine(fields_um)]

    optics, clock = preset("yeast-40x", quality="ci"), SimulatedClock(paced=False)
    experiment = ExperimentSettings(surface=SURFACE, start_defocus_um=2.0)
    microscope = SimulatedMicroscope(optics, seed=3, clock=clock, experiment=experiment)
    estimator = FocusEstimator.load("bright-field").for_microscope(
        pixel_size_um=microscope.pixel_size_um,
        numerical_aperture=optics.objective.numerical_aperture,
        immersion_index=optics.objective.immersion_index,
    )
    routine = FocusRoutine(microscope, microscope, estimator, limits=LIMITS, clock=clock)
    prior = SurfacePrior.for_device(WIDTH_UM / 1000).replace(level_um=30.0, near_um=5.0)
    focus = AcquisitionFocus(routine, clock=clock, prior=prior)
    heights_um = _true_heights(microscope, fields_um)

    left_um, plan_um = [], microscope.position_um()
    for number, (x_um, y_um) in enumerate(fields_um.tolist()):
        clock.wait_until(clock.now_s() + 1 / FIELDS_PER_S)
        microscope.move_xy_to(x_um, y_um)
        spot = Spot((number, 0), 0, x_um, y_um, plan_um)
        if number == 0:
            print(f"first field: {focus.focus(spot).in_words}")
        else:
            microscope.move_to(min(max(focus.stage_um(spot), LIMITS.lowest_z_um), LIMITS.highest_z_um))
        left_um.append(microscope.true_defocus_um())
        focus.look_at(spot, microscope.snap(), z_um=microscope.position_um(), learn=True)

    corners = [fields_um.sum(1).argmin(), fields_um[:, 0].argmax(), fields_um[:, 1].argmax()]
    design = np.column_stack([fields_um, np.ones(len(fields_um))])
    plane_um = design @ np.linalg.solve(design[corners], heights_um[corners])
    print(f"{len(fields_um)} fields, {np.ptp(heights_um):.0f} um from the lowest to the highest")
    tell("the learned surface", np.array(left_um))
    tell("a plane through three corners", plane_um - heights_um)


def _true_heights(microscope: SimulatedMicroscope, fields_um: np.ndarray) -> np.ndarray:
    """Where each field is in focus, which no real microscope tells; the stage ends at the first."""
    heights_um = []
    for x_um, y_um in [*fields_um.tolist(), fields_um[0].tolist()]:
        microscope.move_xy_to(x_um, y_um)
        heights_um.append(microscope.focus_z_um())
    return np.array(heights_um[:-1])


def tell(name: str, off_um: np.ndarray) -> None:
    """One line of how far the frames were from focus."""
    off_um = np.abs(off_um)
    share = np.mean(off_um <= 1)
    print(
        f"{name}: {off_um.mean():.2f} um off on average, {off_um.max():.2f} at most, {share:.0%} within 1 um"
    )


if __name__ == "__main__":
    main()
