"""The shipped weights say what they said when they were shipped, on stacks made here.

``python tests/model/test_shipped_numbers.py`` prints the numbers to be recorded after another model ships.
"""

from __future__ import annotations

import numpy as np
import pytest

from parfocal.estimate import FocusEstimate
from parfocal.model import FocusEstimator
from parfocal.model.serving import ready_for
from parfocal.optics import (
    SimulatedStack,
    VirtualMicroscope,
    draw_foreign,
    draw_low_aperture,
    draw_microscope,
    simulate_stack,
)

SEED = 91
RECORDED: dict[str, list[float]] = {
    "high": [-15.96, -11.74, -4.69, 1.3, 6.21, 12.61, 15.56],
    "high, other": [-14.48, -9.33, -4.05, 0.72, 5.36, 11.4, 14.61],
    "low": [-398.18, -326.26, -120.86, 28.04, 197.45, 344.08, 384.8],
}
"""Defocus told in um, plane by plane."""
SAME = 0.1
"""Depths of field by which answers may differ from machine to machine."""
MICROSCOPES = {
    "high": draw_microscope(np.random.default_rng([SEED, 0])),
    "high, other": draw_microscope(np.random.default_rng([SEED, 1])),
    "low": draw_low_aperture(np.random.default_rng([SEED, 2])),
}
FOREIGN = {
    "phase contrast": draw_foreign(np.random.default_rng([SEED, 3]), number=0),
    "empty": draw_foreign(np.random.default_rng([SEED, 4]), number=2),
}


def simulated(microscope: VirtualMicroscope) -> SimulatedStack:
    """Some planes only."""
    scan = microscope.scan.replace(step_um=microscope.scan.half_range_um / 3)
    return simulate_stack(microscope.replace(scan=scan), seed=SEED, index=0)


def told(microscope: VirtualMicroscope) -> tuple[list[FocusEstimate], SimulatedStack]:
    """What the shipped model says of each plane."""
    made, lens = simulated(microscope), microscope.objective
    estimator = FocusEstimator.load("bright-field")
    estimator = estimator.with_header(
        ready_for(
            estimator.header,
            pixel_size_um=microscope.camera.pixel_size_um,
            numerical_aperture=lens.numerical_aperture,
            immersion_index=lens.immersion_index,
            wavelength_um=microscope.spectrum.centre_um,
        )
    )
    estimates = [
        estimator.estimate(frame, pixel_size_um=made.stack.pixel_size_um) for frame in made.stack.frames_zyx
    ]
    return estimates, made


def depth_um(microscope: VirtualMicroscope) -> float:
    """Depth of field, without the pixel's part."""
    lens = microscope.objective
    return microscope.spectrum.centre_um * lens.immersion_index / lens.numerical_aperture**2


@pytest.mark.parametrize("name", MICROSCOPES)
def test_the_shipped_weights_say_what_they_said(name: str) -> None:
    estimates, _ = told(MICROSCOPES[name])
    answers_um = [one.defocus_um for one in estimates]
    np.testing.assert_allclose(answers_um, RECORDED[name], rtol=0, atol=SAME * depth_um(MICROSCOPES[name]))
    assert np.mean([one.accepted for one in estimates]) > 0.5


@pytest.mark.parametrize("name", FOREIGN)
def test_what_must_not_be_answered_is_not(name: str) -> None:
    assert not any(one.accepted for one in told(FOREIGN[name])[0])


if __name__ == "__main__":
    for kind, drawn in MICROSCOPES.items():
        said, truth = told(drawn)
        print(f'    "{kind}": {[round(one.defocus_um, 2) for one in said]},')
        print("    #", np.round(truth.stack.z_um - truth.focus_z_um, 2).tolist(), round(depth_um(drawn), 2))
