"""LockSettings: how a focus lock behaves."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from parfocal.control.belief import BeliefSettings
from parfocal.control.controller import ControllerSettings
from parfocal.control.frame_watch import FrameWatchSettings
from parfocal.control.gain_watch import GainWatchSettings
from parfocal.control.recovery import SearchSettings
from parfocal.control.self_check import SelfCheckSettings
from parfocal.control.supervisor import LimitSettings
from parfocal.settings import Settings

USUAL_DEPTH_UM = 0.8
"""Depth of field that the lengths of `LockSettings` suit: 40x/1.30, as in the 2018 paper."""

FEWEST_FRAMES = 3
"""A time that is to pass without a good frame is that many at least."""


class LockSettings(Settings):
    """How a focus lock behaves.

    Attributes
    ----------
    limits : LimitSettings
        Where the drive may go. There is no default: only the user knows where the sample is.
    frame_rate_hz : float
        Frames per second of the camera.
    backlash_um : float
        Motion of the drive that a change of direction loses: moves are longer by it where they turn round.
    tolerance_um : float
        This close to the target counts as in focus.
    lost_after_s : float
        So long without a trusted estimate, and the focus is looked for; so long off target, or after a search
        in vain, and the lock is lost. In seconds of the camera, that is in frames divided by `frame_rate_hz`,
        so that a sped-up clock does not shorten it; and in three frames at least, however slow the camera.
    lost_um : float
        This far from the target, and the lock is lost at once.
    useless_moves : int
        After so many moves in a row that did not bring what the estimates promised, the lock is lost; the
        drive goes back to where it was last in focus and holds still for the rest of the run.
    self_check : SelfCheckSettings, optional
        How the model is checked against the stage before it is followed; not at all if not given.
    search : SearchSettings, optional
        How a focus that was lost, or is not in sight at the beginning, is looked for; not at all if None.
    gain_watch : GainWatchSettings
        When the record warns that the answers follow the stage no longer.
    watch : FrameWatchSettings
        Which frames of the camera are not trusted.
    controller : ControllerSettings
    belief : BeliefSettings
    """

    limits: LimitSettings
    frame_rate_hz: float = Field(default=20.0, gt=0)
    backlash_um: float = Field(default=0.0, ge=0)
    tolerance_um: float = Field(default=1.0, gt=0)
    lost_after_s: float = Field(default=5.0, gt=0)
    lost_um: float = Field(default=10.0, gt=0)
    useless_moves: int = Field(default=3, ge=1)
    self_check: SelfCheckSettings | None = None
    search: SearchSettings | None = SearchSettings()
    gain_watch: GainWatchSettings = GainWatchSettings()
    watch: FrameWatchSettings = FrameWatchSettings()
    controller: ControllerSettings = ControllerSettings()
    belief: BeliefSettings = BeliefSettings()

    @model_validator(mode="after")
    def _check_that_they_go_together(self) -> Self:
        limits, dead_band_um = self.limits, self.controller.dead_band_um
        window_um = limits.highest_z_um - limits.lowest_z_um
        ordered = {
            "a dead_band_um of at most tolerance_um": (dead_band_um, self.tolerance_um),
            "a dead_band_um of at most largest_step_um": (dead_band_um, limits.largest_step_um),
            "a tolerance_um of at most lost_um": (self.tolerance_um, self.lost_um),
            "a tolerance_um of at most the window": (self.tolerance_um, window_um),
            "a backlash_um of at most the window": (self.backlash_um, window_um),
        }
        for expected, (low_um, high_um) in ordered.items():
            if low_um > high_um:
                raise ValueError(f"expected {expected}, got {low_um:g} and {high_um:g}")
        return self

    def is_long(self, n_frames: int) -> bool:
        """Whether so many frames in a row are as long as `lost_after_s`.

        Examples
        --------
        >>> settings = LockSettings(limits=LimitSettings.around(100.0, reach_um=30.0))
        >>> settings.is_long(99), settings.is_long(100)
        (False, True)
        >>> slow = settings.replace(frame_rate_hz=0.01)
        >>> slow.is_long(2), slow.is_long(3)
        (False, True)
        """
        return n_frames >= max(self.lost_after_s * self.frame_rate_hz, FEWEST_FRAMES)

    def for_depth(self, depth_um: float) -> Self:
        """The same with longer lengths where the depth of field is more than the `USUAL_DEPTH_UM` they suit.

        Limits, target and drift stay as they are, and the dead band within the largest step.

        Examples
        --------
        >>> limits = LimitSettings.around(100.0, reach_um=30.0)
        >>> low_power = LockSettings(limits=limits).for_depth(8.0)
        >>> low_power.tolerance_um, low_power.controller.dead_band_um
        (10.0, 1.5)
        """
        factor = max(depth_um / USUAL_DEPTH_UM, 1.0)
        return self.replace(
            tolerance_um=factor * self.tolerance_um,
            lost_um=factor * self.lost_um,
            controller=self.controller.replace(
                dead_band_um=min(factor * self.controller.dead_band_um, self.limits.largest_step_um),
                largest_sd_um=factor * self.controller.largest_sd_um,
                long_move_um=factor * self.controller.long_move_um,
            ).model_dump(),
            belief=self.belief.replace(scene_bias_um=factor * self.belief.scene_bias_um).model_dump(),
        )
