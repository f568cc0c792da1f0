"""Sample: a living specimen and the light behind it, for one microscope or several that look at the same."""

from __future__ import annotations

import math

from parfocal.microscope.experiment import ExperimentSettings
from parfocal.microscope.living import living_specimen
from parfocal.optics import LiveLight, VirtualMicroscope, exit_field


class Sample:
    """The cells of an experiment and the light behind them.

    The light of one scene takes seconds to compute and serves every defocus. It is kept until another scene
    is asked for, so that microscopes which look at the same time pay for it once.

    Parameters
    ----------
    settings : VirtualMicroscope
    seed : int
    experiment : ExperimentSettings
    """

    def __init__(self, settings: VirtualMicroscope, *, seed: int, experiment: ExperimentSettings) -> None:
        self._settings, self._seed = settings, seed
        self._every_s = experiment.scene_every_s
        self._specimen = living_specimen(
            settings,
            cells_at_start=experiment.cells_at_start,
            cells_at_end=experiment.cells_at_end,
            hours=experiment.hours,
            colony=experiment.colony,
            flow=experiment.flow,
            seed=seed,
        )
        self._light: tuple[float, LiveLight] | None = None  # of the scene of that time

    def light_at(self, t_s: float) -> LiveLight:
        """The light behind the scene of a time in s."""
        scene_s = self._scene_s(t_s)
        if self._light is None or self._light[0] != scene_s:
            scene = self._specimen.scene_at(scene_s)
            self._light = scene_s, LiveLight(exit_field(scene, self._settings, seed=self._seed))
        return self._light[1]

    def n_cells_at(self, t_s: float) -> int:
        """Cells of the first specimen that the scene of a time in s shows, buds not counted."""
        return self._specimen.n_cells_at(self._scene_s(t_s))

    def _scene_s(self, t_s: float) -> float:
        # Multiples of a fixed time, so that what is seen does not depend on when else one looked.
        return math.floor(t_s / self._every_s) * self._every_s
