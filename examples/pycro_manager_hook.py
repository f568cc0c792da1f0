"""A time-lapse of pycro-manager, in focus by its hooks.

Pycro-manager's own engine acquires z-stacks at three positions of a tilted slide: here from the virtual
microscope and by its Python back end, which needs neither Java nor Micro-Manager. `PycroManagerFocus` brings
each position into focus before its first plane, takes the stack about the focus, and writes into the metadata
of each image what is known of its focus::

    pip install pycromanager
    python examples/pycro_manager_hook.py
    python examples/pycro_manager_hook.py --model mine.safetensors --time-points 5

On a real microscope the core is pycro-manager's `Core()`, the acquisition its `Acquisition`, and all that the
engine needs here is left out; the plan, the hooks and the limits stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pycromanager import multi_d_acquisition_events
from pycromanager.acquisition.acq_eng_py.internal.engine import Engine
from pycromanager.acquisition.python_backend_acquisitions import PythonBackendAcquisition

from parfocal.control import LimitSettings, SimulatedClock
from parfocal.microscope import (
    AutofocusSettings,
    PycroManagerCore,
    PycroManagerFocus,
    SimulatedMicroscope,
    virtual_core,
)
from parfocal.model import FocusEstimator
from parfocal.optics import preset

OPTICS = preset("yeast-40x", quality="ci")
POSITIONS_UM = [(0.0, 0.0, 103.0), (1500.0, 0.0, 103.0), (1500.0, 1500.0, 103.0)]
"""x, y and the z that somebody guessed."""
SETTINGS = AutofocusSettings(limits=LimitSettings(lowest_z_um=80.0, highest_z_um=125.0), on_failure="skip")


def estimator_of(model: str) -> FocusEstimator:
    """A model, ready for these optics."""
    return FocusEstimator.load(model).for_microscope(
        pixel_size_um=OPTICS.camera.pixel_size_um,
        numerical_aperture=OPTICS.objective.numerical_aperture,
        immersion_index=OPTICS.objective.immersion_index,
        wavelength_um=OPTICS.spectrum.centre_um,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Acquire, and say of each image what its metadata says."""
    parser = argparse.ArgumentParser(description="Focus in an acquisition of pycro-manager.")
    parser.add_argument("--model", default="bright-field", help="a model file, or the name of a shipped one")
    parser.add_argument("--time-points", type=int, default=2, help="of the time-lapse")
    options = parser.parse_args(arguments)
    estimator = estimator_of(options.model)
    clock = SimulatedClock(paced=False)
    microscope = SimulatedMicroscope(OPTICS, seed=4, clock=clock)
    core = PycroManagerCore(virtual_core(microscope))
    Engine(core)

    events = multi_d_acquisition_events(
        num_time_points=options.time_points, xyz_positions=POSITIONS_UM, z_start=-2, z_end=2, z_step=2
    )
    focus = PycroManagerFocus(core, estimator, settings=SETTINGS, clock=clock)
    focus.expect(events)
    with focus, PythonBackendAcquisition(**focus.hooks) as acquisition:
        acquisition.acquire(events)

    for spot, result in focus.results:
        print(f"time {spot.time_point}, position {spot.place[0]}: {result.in_words}")
    images = acquisition.get_dataset()
    for axes in images.get_image_coordinates_list():
        facts = images.read_metadata(**axes)
        where = ", ".join(f"{axis} {number}" for axis, number in sorted(axes.items()))
        believed = f"{facts.get('focus_defocus_um', float('nan')):+.2f} um from focus"
        print(f"{where}: z {facts['ZPosition_um_Intended']:.2f} um, {facts['focus_state']}, {believed}")
    print(f"{len(focus.skipped)} images not taken for want of focus")


if __name__ == "__main__":
    main()
