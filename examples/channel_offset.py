"""Fluorescence in focus: told in bright field, taken at the channel's own offset.

A model of bright field knows nothing of fluorescence, and few objectives focus both in one plane. The offset
is measured once, by a short stack, and then held in an acquisition of both channels; the light is switched
for every look. Here the filter wheel is a Micro-Manager device of a few lines and the fluorescence made up:
spots that are sharp 1.4 um above the plane that is sharp in bright field.

    python examples/channel_offset.py
"""

from __future__ import annotations

import numpy as np
from pymmcore_plus.experimental.unicore import StateDevice
from scipy.ndimage import gaussian_filter
from useq import MDASequence

from parfocal.control import LimitSettings, SimulatedClock
from parfocal.microscope import (
    AutofocusSettings,
    ParfocalAutofocus,
    SimulatedMicroscope,
    measure_channel_offset,
    virtual_core,
)
from parfocal.model import FocusEstimator
from parfocal.optics import preset

OFFSET_UM = 1.4
SEQUENCE = MDASequence(
    stage_positions=[(0, 0, 100), (60, 0, 100)],
    channels=[{"group": "Light", "config": "GFP"}, {"group": "Light", "config": "bright field"}],
    time_plan={"interval": 0, "loops": 2},
    autofocus_plan={"axes": ("p", "t")},
)


class FilterWheel(StateDevice):
    """Two positions: no filter, and GFP."""

    def __init__(self) -> None:
        super().__init__({0: "none", 1: "GFP"})
        self.position = 0

    def get_state(self) -> int:
        """Where it stands."""
        return self.position

    def set_state(self, position: int) -> None:
        """Turn it."""
        self.position = position


class TwoLights(SimulatedMicroscope):
    """Shows spots behind the filter, and cells without it."""

    wheel = FilterWheel()

    def snap(self) -> np.ndarray:
        """A frame of the light that is on."""
        return self._spots() if self.wheel.position else super().snap()

    def _spots(self) -> np.ndarray:
        blur_px = 1.5 + 2.0 * abs(self.true_defocus_um() - OFFSET_UM)
        image = np.zeros(self.frame_shape_yx)
        image[20::40, 20::40] = 2e5
        return (100 + gaussian_filter(image, blur_px)).astype(np.uint16)


def main() -> None:
    """Measure the offset of GFP, take both channels, and tell where each image was taken."""
    optics, clock = preset("yeast-40x", quality="ci"), SimulatedClock(paced=False)
    microscope = TwoLights(optics, seed=3, clock=clock)
    core = virtual_core(microscope)
    core.loadPyDevice("Wheel", microscope.wheel)
    core.initializeDevice("Wheel")
    core.defineConfig("Light", "bright field", "Wheel", "Label", "none")
    core.defineConfig("Light", "GFP", "Wheel", "Label", "GFP")
    core.setConfig("Light", "bright field")
    estimator = FocusEstimator.load("bright-field").for_microscope(
        pixel_size_um=microscope.pixel_size_um,
        numerical_aperture=optics.objective.numerical_aperture,
        immersion_index=optics.objective.immersion_index,
    )
    limits = LimitSettings(lowest_z_um=0, highest_z_um=200)
    settings = AutofocusSettings(limits=limits, channel_group="Light", channel="bright field")

    autofocus = ParfocalAutofocus(core, estimator, settings=settings, clock=clock)
    offset = measure_channel_offset(core, autofocus, group="Light", channel="GFP")
    print(f"GFP is sharpest {offset.um:+.2f} um above the bright-field focus")

    settings = settings.replace(channel_offsets_um={"GFP": offset.um})
    core.mda.events.frameReady.connect(
        lambda image, event, meta: print(
            f"t{event.index['t']} p{event.index['p']}  {event.channel.config:12}  "
            f"{microscope.true_defocus_um():+.2f} um from bright-field focus"
        )
    )
    with ParfocalAutofocus(core, estimator, settings=settings, clock=clock) as autofocus:
        core.mda.run(SEQUENCE)
    print(f"focused {len(autofocus.results)} times, once for each position and time point")


if __name__ == "__main__":
    main()
