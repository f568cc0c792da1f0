"""Bright-field microscopes and specimens drawn at random: what differs from one laboratory to the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parfocal.optics.camera import CameraSettings
from parfocal.optics.instrument import ObjectiveSettings, SpectrumSettings, VirtualMicroscope
from parfocal.optics.presets import preset
from parfocal.optics.specimens import (
    BACTERIA,
    AdherentSettings,
    BeadSettings,
    DebrisSettings,
    EuglenaSettings,
    RodSettings,
    SpecimenSettings,
    YeastSettings,
)

REFERENCE = preset("yeast-40x")
"""All of them are compared with this one, see `similarity`."""
EACH_SAID_IN_FULL = {"condenser_na": 0.0, "cytoplasm_index": 0.0, "light": 0.0}
"""Days of a microscope of which there is but one stack."""
Lens = tuple[float, float]
"""Numerical aperture and index of the immersion."""
_LENSES: tuple[Lens, ...] = ((1.30, 1.515), (1.40, 1.515), (1.20, 1.333), (0.90, 1.0))
_SHARE_OF_LENSES = (0.50, 0.20, 0.15, 0.15)
_KINDS = ("yeast", "rods", "bacteria", "adherent", "beads", "yeast and bacteria", "euglena")
_SHARE_OF_KINDS = (0.40, 0.25, 0.08, 0.10, 0.05, 0.07, 0.05)
_THIN = ("yeast", "yeast and bacteria", "rods", "bacteria", "beads")
"""Kinds that live between floor and ceiling of a flat chamber."""


@dataclass(frozen=True)
class Similarity:
    """How lengths of one microscope go with those of another that shows the same images.

    Attributes
    ----------
    across, along : float
        Lengths in the sample, and of the stage, over those at the other.
    """

    across: float = 1.0
    along: float = 1.0


SAME = Similarity()


def similarity(of: VirtualMicroscope, to: VirtualMicroscope) -> Similarity:
    """Fresnel's similarity of two microscopes.

    Notes
    -----
    Fringes keep their size in pixels as long as wavelength times distance over the pixel's area is the same;
    light of one angle goes as far aside per um of the stage as in the immersion.
    """
    across = of.camera.pixel_size_um / to.camera.pixel_size_um
    immersion = of.objective.immersion_index / to.objective.immersion_index
    return Similarity(across, across**2 * immersion * to.spectrum.centre_um / of.spectrum.centre_um)


def draw_microscope(
    generator: np.random.Generator, *, lenses: Sequence[Lens] | None = None
) -> VirtualMicroscope:
    """A bright-field microscope of NA 0.9 to 1.4 with its specimen, and a scan of +-16 um at `REFERENCE`.

    Parameters
    ----------
    generator : numpy.random.Generator
        Condenser apertures are drawn from 0.13 to 0.55, wavelengths from 0.46 to 0.62 um, pixels from 0.19 to
        0.30 um; specimens, chambers, aberrations, light and cameras differ as well.
    lenses : sequence of (float, float), optional
        Numerical apertures, and the indices of their immersions, to draw from in place of the usual ones.
    """
    random = generator
    kind = str(random.choice(_KINDS, p=_SHARE_OF_KINDS))
    specimen = _draw_specimen(kind, random)
    pixel_um = REFERENCE.camera.pixel_size_um * math.exp(random.uniform(-0.22, 0.22))
    if lenses:
        aperture, immersion = lenses[int(random.integers(len(lenses)))]
    else:
        aperture, immersion = _LENSES[int(random.choice(len(_LENSES), p=_SHARE_OF_LENSES))]
    spectrum = draw_spectrum(random)
    finest_um = 0.92 * spectrum.shortest_um / (2 * aperture)
    has_pillars = bool(random.random() < 0.5)
    height_um = float(random.uniform(5.3, 9.0)) if kind in _THIN else 20.0
    objective = draw_objective(aperture, immersion, random)
    condenser_na = math.exp(random.uniform(math.log(0.13), math.log(0.55)))
    chamber = REFERENCE.chamber.replace(
        height_um=height_um,
        pillars=has_pillars,
        medium_index=random.uniform(1.333, 1.345),
        tilt_mrad=random.uniform(0, 5),
        tilt_towards_deg=random.uniform(0, 360),
    )
    debris = DebrisSettings(fewest_grains=0, most_grains=int(random.integers(1, 11)), most_scratches=2)
    camera = draw_camera(pixel_um, random)
    drawn = REFERENCE.replace(
        name="variety",
        objective=objective,
        condenser=REFERENCE.condenser.replace(numerical_aperture=condenser_na),
        spectrum=spectrum,
        chamber=chamber,
        specimens=(*specimen, debris),
        camera=camera,
        quality=REFERENCE.quality.replace(grid_um=min(REFERENCE.quality.grid_um, finest_um, 0.99 * pixel_um)),
        days=EACH_SAID_IN_FULL,
    )
    return with_similar_scan(drawn)


def with_similar_scan(microscope: VirtualMicroscope, *, step_um: float = 2.0) -> VirtualMicroscope:
    """With a scan that looks like one of +-16 um, so far apart, at `REFERENCE`."""
    stretch = similarity(microscope, REFERENCE).along
    return microscope.replace(
        scan=REFERENCE.scan.replace(
            half_range_um=16 * stretch,
            step_um=step_um * stretch,
            focus_jitter_um=1.5 * stretch,
            stage_jitter_um=0.6 * stretch,
        )
    )


def draw_camera(pixel_um: float, random: np.random.Generator) -> CameraSettings:
    """A camera of some gain, light and dust."""
    electrons = random.uniform(5_000, 25_000)
    return REFERENCE.camera.replace(
        pixel_size_um=pixel_um,
        background_electrons=electrons,
        electrons_per_count=electrons / random.uniform(700, 2600),
        vignetting=random.uniform(0, 0.3),
        light_tilt=random.uniform(-0.15, 0.15),
        dust_spots=int(random.integers(0, 12)),
        pattern_seed=int(random.integers(1 << 30)),
    )


def draw_spectrum(random: np.random.Generator) -> SpectrumSettings:
    """Light between violet and orange, of a width of 0.02 to 0.18 um."""
    centre_um, half_um = random.uniform(0.46, 0.62), random.uniform(0.01, 0.09)
    return REFERENCE.spectrum.replace(
        shortest_um=max(0.44, centre_um - half_um), longest_um=centre_um + half_um, n_lines=5
    )


def draw_objective(aperture: float, immersion: float, random: np.random.Generator) -> ObjectiveSettings:
    """An objective with the errors that good ones have."""
    objective = REFERENCE.objective
    return objective.replace(
        numerical_aperture=aperture,
        immersion_index=immersion,
        aberrations=objective.aberrations.replace(
            primary_spherical_um=random.normal(0, 0.015),
            vertical_coma_um=random.normal(0, 0.008),
            horizontal_coma_um=random.normal(0, 0.008),
            vertical_astigmatism_um=random.normal(0, 0.008),
        ),
    )


def _draw_specimen(kind: str, random: np.random.Generator) -> tuple[SpecimenSettings, ...]:
    match kind:
        case "yeast":
            return (draw_yeast(random),)
        case "rods":
            return (_draw_rods(random),)
        case "bacteria":
            most = int(random.integers(60, 400))
            return (BACTERIA.replace(most_cells=most, cytoplasm_index=random.uniform(1.385, 1.415)),)
        case "adherent":
            return (_draw_adherent(random),)
        case "beads":
            return (
                BeadSettings(
                    fewest_beads=5,
                    most_beads=int(random.integers(10, 80)),
                    smallest_diameter_um=random.uniform(0.8, 1.6),
                    largest_diameter_um=random.uniform(1.7, 4.0),
                    index=random.uniform(1.42, 1.60),
                ),
            )
        case "yeast and bacteria":
            return (draw_yeast(random), BACTERIA.replace(most_cells=60))
        case _:
            return (
                EuglenaSettings(
                    fewest_cells=2,
                    most_cells=5,
                    shortest_um=18.0,
                    longest_um=28.0,
                    narrowest_um=5.0,
                    widest_um=8.0,
                    least_transmission=random.uniform(0.4, 0.9),
                    most_transmission=1.0,
                ),
            )


def draw_yeast(random: np.random.Generator) -> YeastSettings:
    """Yeast of some size, from few cells to a crowd."""
    diameter_um = random.uniform(3.4, 6.2)
    fewest = int(random.integers(3, 16))
    on_floor = random.uniform(0.6, 0.95)
    return YeastSettings(
        fewest_cells=fewest,
        most_cells=int(fewest + random.integers(10, 130) * (4.6 / diameter_um) ** 2),
        diameter_um=diameter_um,
        diameter_std_um=0.13 * diameter_um,
        smallest_diameter_um=0.65 * diameter_um,
        largest_diameter_um=1.3 * diameter_um,
        budded=random.uniform(0.2, 0.6),
        on_floor=on_floor,
        under_ceiling=random.uniform(0, 1 - on_floor),
        clustered=random.uniform(0.4, 0.9),
        wall_um=min(0.12, 0.08 * diameter_um),
        cytoplasm_index=random.uniform(1.378, 1.402),
    )


def _draw_rods(random: np.random.Generator) -> RodSettings:
    width_um = math.exp(random.uniform(math.log(0.9), math.log(4.5)))
    length_um = width_um * random.uniform(1.6, 4)
    n_cells = int(60 * (3.5 / width_um) ** 1.3 * random.uniform(0.15, 1))
    rods = RodSettings(
        fewest_cells=max(2, n_cells // 4),
        most_cells=max(4, n_cells),
        narrowest_um=width_um,
        widest_um=1.12 * width_um,
        shortest_um=max(0.6 * length_um, 1.15 * width_um),
        longest_um=max(length_um, 1.4 * width_um),
        largest_tilt_deg=random.uniform(0, 8),
        on_floor=random.uniform(0.7, 0.95),
        under_ceiling=0.05,
        dividing=0.0,
        septum_um=0.0,
        wall_um=0.0,
        nucleus_um=0.0,
        most_lipids=0,
        cytoplasm_index=random.uniform(1.372, 1.405),
    )
    if width_um <= 2.2:
        return rods
    return rods.replace(dividing=0.15, septum_um=0.3, wall_um=0.15, nucleus_um=0.5 * width_um, most_lipids=6)


def _draw_adherent(random: np.random.Generator) -> AdherentSettings:
    size = random.uniform(0.45, 0.8)
    usual = AdherentSettings()
    return AdherentSettings(
        fewest_cells=1,
        most_cells=int(random.integers(2, 8)),
        smallest_across_um=size * usual.smallest_across_um,
        largest_across_um=size * usual.largest_across_um,
        shortest_nucleus_um=size * usual.shortest_nucleus_um,
        longest_nucleus_um=size * usual.longest_nucleus_um,
        smallest_mitotic_um=size * usual.smallest_mitotic_um,
        largest_mitotic_um=size * usual.largest_mitotic_um,
        lowest_peak_um=3.0,
        highest_peak_um=6.0,
        cytoplasm_index=random.uniform(1.362, 1.378),
    )
