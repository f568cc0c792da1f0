"""The settings of a long experiment on the virtual microscope."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from parfocal.microscope.colony import ColonySettings
from parfocal.microscope.crossing import FlowSettings
from parfocal.microscope.drift import RoomSettings
from parfocal.microscope.focus_motor import MotorSettings
from parfocal.microscope.focus_surface import SurfaceSettings
from parfocal.microscope.lamp import LampSettings
from parfocal.microscope.vibration import VibrationSettings
from parfocal.optics.specimens.ranges import check_order
from parfocal.settings import Settings


class LinkSettings(Settings):
    """How frames come from the camera.

    Attributes
    ----------
    latency_ms : float
        From exposure until the frame is there, by the clock: 30, of exposure, readout and transfer at 20
        frames a second (assumed). What comes shows the sample as it was this long ago.
    dropped : float
        Chance that a frame is lost on the way. The camera then gives the one before it once more, as drivers
        do whose buffer was not filled in time: 1e-4, a healthy computer (assumed).
    """

    latency_ms: float = Field(default=30.0, ge=0)
    dropped: float = Field(default=1e-4, ge=0, lt=1)


class ExperimentSettings(Settings):
    """A long experiment: how the focus drifts, the cells live, and stage, lamp and camera fall short.

    Attributes
    ----------
    hours : float
        Length of the experiment, over which drift and growth run.
    drift_um : float
        Highest focus minus lowest over the experiment: 40 in the 2018 paper, 13 um for each degC.
    focus_at_start_um, start_defocus_um : float
        Stage position that is in focus at the start, and how far from it the stage starts.
    cells_at_start, cells_at_end : int
        Cells of the first specimen in the field, not fewer at the end; they multiply by the same factor every
        hour, as far as the field has room. That of ``yeast-40x``, 61 x 61 um with a pillar, is full at 120 to
        180 cells; a full frame of 125 x 93 um at about 400 (381 to 438 in four runs). The field of
        ``adherent-20x`` is full at about 20 cells, that of ``pombe-60x`` at about 50.
    scene_every_s : float
        The sample is looked at anew at multiples of this time: each scene takes seconds to compute.
    stage_resolution_um : float
        The focus drive goes to multiples of this.
    stage_lowest_um, stage_highest_um : float
        Ends of its travel, within which it starts.
    stage_reach_um : float
        The stage goes this far in x and y, to both sides.
    colony, flow, room, surface, vibration, motor, lamp, link
        See `ColonySettings`, `FlowSettings`, `RoomSettings`, `SurfaceSettings`, `VibrationSettings`,
        `MotorSettings`, `LampSettings` and `LinkSettings`.
    """

    hours: float = Field(default=24.0, gt=0)
    drift_um: float = Field(default=40.0, ge=0)
    focus_at_start_um: float = 100.0
    start_defocus_um: float = 3.0
    cells_at_start: int = Field(default=15, ge=1)
    cells_at_end: int = Field(default=120, ge=1)
    scene_every_s: float = Field(default=600.0, ge=0.05)
    stage_resolution_um: float = Field(default=0.05, ge=1e-6)
    stage_lowest_um: float = 0.0
    stage_highest_um: float = 200.0
    stage_reach_um: float = Field(default=20_000.0, gt=0)
    colony: ColonySettings = ColonySettings()
    flow: FlowSettings = FlowSettings()
    room: RoomSettings = RoomSettings()
    surface: SurfaceSettings = SurfaceSettings()
    vibration: VibrationSettings = VibrationSettings()
    motor: MotorSettings = MotorSettings()
    lamp: LampSettings = LampSettings()
    link: LinkSettings = LinkSettings()

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        check_order(self, "cells_at_start", "cells_at_end")
        lowest_um, highest_um = self.stage_lowest_um, self.stage_highest_um
        if lowest_um >= highest_um:
            raise ValueError(
                f"expected stage_lowest_um < stage_highest_um, got {lowest_um:g} and {highest_um:g}"
            )
        start_um = self.focus_at_start_um + self.start_defocus_um
        if not lowest_um <= start_um <= highest_um:
            raise ValueError(
                f"expected focus_at_start_um + start_defocus_um within the stage's travel, {lowest_um:g} to "
                f"{highest_um:g} um, got {start_um:g} um"
            )
        return self
