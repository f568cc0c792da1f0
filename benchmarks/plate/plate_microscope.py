"""A plate of 96 wells under the virtual microscope: tilt, bow, drift, empty wells and bubbles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.control import SimulatedClock
from parfocal.microscope import ExperimentSettings, Sample, SimulatedMicroscope, SurfaceSettings
from parfocal.optics import LiveLight, VirtualMicroscope, exit_field, preset, settings_of_day
from parfocal.optics.specimens import scene_of
from parfocal.rigs import NEW_DAY

ROWS, COLUMNS, PITCH_UM = 8, 12, 9000.0
WELLS = ROWS * COLUMNS
SURFACE = SurfaceSettings(tilt_um_per_mm=0.25, profile_um=8.0, profile_mm=90.0)
OWN_UM = 0.7
"""How wells differ from their neighbours (rms)."""
XY_S = 0.8
"""From well to well."""
SAMPLES = 6
"""Different cells; the wells that share them see other parts of their field."""


@dataclass(frozen=True)
class Layout:
    """Which well is what.

    Attributes
    ----------
    xy_um : array, shape (wells, 2)
        In the order of visiting: row by row, to and fro.
    empty, bubbly : arrays of bool, shape (wells,)
    own_um : array, shape (wells,)
        Height of the well's own.
    """

    xy_um: NDArray[np.float64]
    empty: NDArray[np.bool_]
    bubbly: NDArray[np.bool_]
    own_um: NDArray[np.float64]

    @classmethod
    def of(cls, seed: int, *, wells: int = WELLS) -> Layout:
        """The layout of a seed: of 96 wells 10 empty, 2 with bubbles."""
        random = np.random.default_rng([seed, 96])
        rows = [range(COLUMNS) if row % 2 == 0 else range(COLUMNS - 1, -1, -1) for row in range(ROWS)]
        places = np.array([(column, row) for row, columns in enumerate(rows) for column in columns], float)
        xy_um = PITCH_UM * (places[:wells] - [(COLUMNS - 1) / 2, (ROWS - 1) / 2])
        kind = random.permutation(wells)
        n_empty, n_bubbly = round(wells * 10 / WELLS), max(round(wells * 2 / WELLS), 1)
        empty, bubbly = kind < n_empty, (kind >= n_empty) & (kind < n_empty + n_bubbly)
        return cls(xy_um, empty, bubbly, OWN_UM * random.standard_normal(wells))

    def well_at(self, x_um: float, y_um: float) -> int:
        """The well that a stage position lies in."""
        return int(np.argmin(np.hypot(*(self.xy_um - [x_um, y_um]).T)))


class Nothing:
    """A well without cells."""

    def __init__(self, settings: VirtualMicroscope, *, seed: int) -> None:
        scene = scene_of((), settings.chamber, settings.camera.field_yx_um, seed=seed)
        self._light = LiveLight(exit_field(scene, settings, seed=seed))

    def light_at(self, t_s: float) -> LiveLight:
        """The same at all times."""
        return self._light


class Samples:
    """What lies in the wells, for every contender the same."""

    def __init__(self, settings: VirtualMicroscope, *, seed: int, experiment: ExperimentSettings) -> None:
        bubbles = experiment.replace(flow={"bubbles_per_day": 150.0, "bubble_um_per_h": 30.0})
        self._cells = [Sample(settings, seed=100 * seed + k, experiment=experiment) for k in range(SAMPLES)]
        self._bubbly = Sample(settings, seed=100 * seed + SAMPLES, experiment=bubbles)
        self._empty = Nothing(settings, seed=seed)

    def of(self, well: int, layout: Layout) -> Any:
        """That of a well."""
        if layout.empty[well]:
            return self._empty
        return self._bubbly if layout.bubbly[well] else self._cells[well % SAMPLES]


class PlateMicroscope(SimulatedMicroscope):
    """A virtual microscope over a plate: every well its own cells and height, all the same drift.

    Parameters
    ----------
    layout : Layout
    samples : Samples
    settings : VirtualMicroscope
    seed : int
    clock : SimulatedClock
    experiment : ExperimentSettings
    """

    def __init__(
        self,
        layout: Layout,
        samples: Samples,
        settings: VirtualMicroscope,
        *,
        seed: int,
        clock: SimulatedClock,
        experiment: ExperimentSettings,
    ) -> None:
        self._layout, self._samples, self._well = layout, samples, 0
        self.n_snaps = 0
        super().__init__(
            settings, seed=seed, clock=clock, experiment=experiment, sample=samples.of(0, layout)
        )

    def snap(self) -> NDArray[np.uint16]:
        """A frame, counted."""
        self.n_snaps += 1
        return super().snap()

    @property
    def well(self) -> int:
        """The one that is in view."""
        return self._well

    def move_xy_to(self, x_um: float, y_um: float) -> None:
        """To another well, in `XY_S`."""
        if (x_um, y_um) != self.xy_um():
            super().move_xy_to(x_um, y_um)
            self._well = self._layout.well_at(x_um, y_um)
            self._sample = self._samples.of(self._well, self._layout)
            self._clock.wait_until(self._clock.now_s() + XY_S)

    def focus_z_um(self) -> float:
        """That of the well in view."""
        return super().focus_z_um() + float(self._layout.own_um[self._well])


def experiment_of() -> ExperimentSettings:
    """How a plate lives and drifts in a day."""
    return ExperimentSettings(
        scene_every_s=7200.0,
        surface=SURFACE,
        stage_reach_um=100_000.0,
        stage_lowest_um=0.0,
        stage_highest_um=300.0,
        focus_at_start_um=150.0,
        start_defocus_um=0.0,
    )


def microscope_settings(seed: int, *, quality: str = "ci") -> VirtualMicroscope:
    """Yeast in open wells, on a day that no training stack is of."""
    settings = preset("yeast-40x", quality=quality).replace(chamber={"pillars": False})
    return settings_of_day(settings, seed=seed, experiment=NEW_DAY)
