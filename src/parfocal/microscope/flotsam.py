"""Flotsam: bubbles and debris that drift through the field."""

from __future__ import annotations

import math

import numpy as np

from parfocal.microscope.crossing import Crossing, FlowSettings, crossings
from parfocal.optics import VirtualMicroscope
from parfocal.optics.bodies import Body, Ellipsoid
from parfocal.optics.specimens import YeastCell

BUBBLE_INDEX = 1.0
DEBRIS_INDEX = 1.45 + 0.02j
"""Cell walls and dust, a little brown (assumed)."""


class Flotsam:
    """Bubbles and debris of an experiment on their way through the field."""

    def __init__(self, settings: VirtualMicroscope, flow: FlowSettings, *, hours: float, seed: int) -> None:
        self._chamber, self._flow = settings.chamber, flow
        self._field_yx_um = settings.camera.field_yx_um
        height_um, until_s = self._field_yx_um[0], 3600 * hours
        self._bubbles = crossings(
            per_day=flow.bubbles_per_day,
            um_per_h=flow.bubble_um_per_h,
            height_um=height_um,
            until_s=until_s,
            seed=(seed, 14),
        )
        self._debris = crossings(
            per_day=flow.debris_per_day,
            um_per_h=flow.debris_um_per_h,
            height_um=height_um,
            until_s=until_s,
            seed=(seed, 15),
        )

    def bodies_at(self, t_s: float) -> tuple[Body, ...]:
        """Those in the field at a time in s."""
        bubbles = [self._bubble(crossing, t_s) for crossing in self._bubbles if self._is_here(crossing, t_s)]
        debris = [self._flake(crossing, t_s) for crossing in self._debris if self._is_here(crossing, t_s)]
        return (*bubbles, *debris)

    def hides(self, cell: YeastCell, t_s: float) -> bool:
        """Whether a cell lies under a bubble, which presses it out of its place."""
        height_um, width_um = self._field_yx_um
        for crossing in self._bubbles:
            if self._is_here(crossing, t_s):
                dx_um = math.remainder(crossing.x_um(t_s) - cell.centre_um[0], width_um)
                dy_um = math.remainder(crossing.y_um - cell.centre_um[1], height_um)
                if math.hypot(dx_um, dy_um) < self._bubble_radius_um(crossing) + cell.radius_um / 2:
                    return True
        return False

    def _is_here(self, crossing: Crossing, t_s: float) -> bool:
        return 0 <= crossing.x_um(t_s) < self._field_yx_um[1]

    def _bubble_radius_um(self, crossing: Crossing) -> float:
        flow = self._flow
        radius_um = np.random.default_rng(crossing.seed).uniform(
            flow.smallest_bubble_um, flow.largest_bubble_um
        )
        return float(radius_um)

    def _bubble(self, crossing: Crossing, t_s: float) -> Ellipsoid:
        """A ball of air under the ceiling, flattened where the chamber is lower."""
        radius_um = self._bubble_radius_um(crossing)
        half_um = min(radius_um, self._chamber.height_um / 2)
        centre = (crossing.x_um(t_s), crossing.y_um, self._chamber.height_um - half_um)
        axes = (radius_um, radius_um, half_um)
        return Ellipsoid.turned(centre, axes, BUBBLE_INDEX - self._chamber.medium_index)

    def _flake(self, crossing: Crossing, t_s: float) -> Ellipsoid:
        """A flake anywhere between floor and ceiling."""
        generator = np.random.default_rng(crossing.seed)
        largest_um = self._flow.largest_debris_um
        a, b, c = (generator.uniform(0.2, 1.0, 3) * min(largest_um, self._chamber.height_um / 2)).tolist()
        height_um, yaw_rad = generator.uniform(c, self._chamber.height_um - c), generator.uniform(0, np.pi)
        centre = (crossing.x_um(t_s), crossing.y_um, float(height_um))
        delta_index = DEBRIS_INDEX - self._chamber.medium_index
        return Ellipsoid.turned(centre, (a, b, c), delta_index, yaw_rad=float(yaw_rad))
