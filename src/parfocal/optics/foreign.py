"""What a bright-field model must not answer: fields without cells, and cells in phase contrast."""

from __future__ import annotations

import numpy as np

from parfocal.optics.instrument import PhaseRingSettings, VirtualMicroscope
from parfocal.optics.low_aperture import draw_low_aperture
from parfocal.optics.variety import draw_microscope, with_similar_scan

_KINDS = ("phase contrast", "empty", "phase contrast", "dust")
_PLANES_APART_UM = 5.0
"""At `parfocal.optics.variety.REFERENCE`."""


def draw_foreign(generator: np.random.Generator, *, number: int) -> VirtualMicroscope:
    """A microscope drawn as `draw_microscope` or `draw_low_aperture` draw it, with no frame to be answered.

    Parameters
    ----------
    generator : numpy.random.Generator
    number : int
        The kinds come in turns, each at high and at low aperture.
    """
    draw = draw_low_aperture if number % 2 else draw_microscope
    kind = _KINDS[number // 2 % len(_KINDS)]
    drawn = with_similar_scan(draw(generator), step_um=_PLANES_APART_UM)
    return in_phase_contrast(drawn, generator) if kind == "phase contrast" else without_cells(drawn, kind)


def in_phase_contrast(drawn: VirtualMicroscope, generator: np.random.Generator) -> VirtualMicroscope:
    """With a ring in its objective, light from an annulus that fits it, and less of that."""
    aperture, camera = drawn.objective.numerical_aperture, drawn.camera
    middle, half = generator.uniform(0.3, 0.65), generator.uniform(0.03, 0.08)
    wide = half + generator.uniform(0.02, 0.06)
    ring = PhaseRingSettings(
        inner_na=(middle - wide) * aperture,
        outer_na=(middle + wide) * aperture,
        transmission=generator.uniform(0.1, 0.4),
    )
    annulus = drawn.condenser.replace(
        numerical_aperture=(middle + half) * aperture, inner_numerical_aperture=(middle - half) * aperture
    )
    dim = camera.replace(background_electrons=camera.background_electrons * generator.uniform(0.2, 0.8))
    return drawn.replace(objective=drawn.objective.replace(phase_ring=ring), condenser=annulus, camera=dim)


def without_cells(drawn: VirtualMicroscope, kind: str) -> VirtualMicroscope:
    """With nothing but its dust, or if ``empty``, with no more than what lies on the camera."""
    dust = drawn.specimens[-1]
    if kind == "empty":
        dust = dust.replace(fewest_grains=0, most_grains=0, fewest_scratches=0, most_scratches=0)
    return drawn.replace(specimens=(dust,), chamber=drawn.chamber.replace(pillars=False))
