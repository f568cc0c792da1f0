"""Microscopes of lower aperture, 10x/0.25 to 40x/0.85, drawn at random with what people look at with them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from parfocal.optics.chamber import ChamberSettings
from parfocal.optics.instrument import FarSettings, QualitySettings, VirtualMicroscope
from parfocal.optics.specimens import (
    AdherentSettings,
    BeadSettings,
    DebrisSettings,
    EuglenaSettings,
    RodSettings,
    SpecimenSettings,
    YeastSettings,
)
from parfocal.optics.variety import (
    EACH_SAID_IN_FULL,
    REFERENCE,
    Lens,
    draw_camera,
    draw_objective,
    draw_spectrum,
    draw_yeast,
    with_similar_scan,
)

_LENSES: tuple[Lens, ...] = (
    (0.25, 1.0),
    (0.30, 1.0),
    (0.40, 1.0),
    (0.50, 1.0),
    (0.60, 1.0),
    (0.75, 1.0),
    (0.85, 1.0),
    (0.80, 1.333),
)
_KINDS = ("yeast", "round", "rods", "adherent", "beads", "euglena", "round and rods")
_SHARE_OF_KINDS = (0.15, 0.22, 0.15, 0.22, 0.08, 0.10, 0.08)
_FEWEST_DETAILS_ACROSS = 4.0
"""Of a yeast cell, in wavelengths over apertures; smaller ones are dots."""
_PIXEL = (
    REFERENCE.camera.pixel_size_um * REFERENCE.objective.numerical_aperture / REFERENCE.spectrum.centre_um
)
"""Of `REFERENCE`, in wavelengths over apertures."""


def draw_low_aperture(
    generator: np.random.Generator, *, lenses: Sequence[Lens] = _LENSES
) -> VirtualMicroscope:
    """A bright-field microscope of NA 0.25 to 0.85 with its specimen, and a scan of +-16 um at `REFERENCE`.

    Parameters
    ----------
    generator : numpy.random.Generator
        Condenser apertures are drawn from 0.12 to 0.9 of the objective's, pixels about as many to the
        wavelength over the aperture as at `REFERENCE`, cells from 3 to 90 um, some of them stained.
    lenses : sequence of (float, float)
        Numerical apertures, and the indices of their immersions, to draw from.
    """
    random = generator
    aperture, immersion = lenses[int(random.integers(len(lenses)))]
    spectrum = draw_spectrum(random)
    detail_um = spectrum.centre_um / aperture
    pixel_um = _PIXEL * detail_um * math.exp(random.uniform(-0.22, 0.22))
    field_um = 256 * pixel_um
    specimens, thickest_um = _draw_specimens(detail_um, field_um, random)
    drawn = REFERENCE.replace(
        name="variety",
        objective=draw_objective(aperture, immersion, random),
        condenser=REFERENCE.condenser.replace(
            numerical_aperture=aperture * math.exp(random.uniform(math.log(0.12), math.log(0.9)))
        ),
        spectrum=spectrum,
        chamber=_draw_chamber(thickest_um, detail_um, random),
        specimens=(*specimens, _draw_debris(detail_um, field_um, random)),
        camera=draw_camera(pixel_um, random),
        quality=_quality(aperture, finest_um=0.46 * spectrum.shortest_um / aperture, pixel_um=pixel_um),
        days=EACH_SAID_IN_FULL,
    )
    return with_similar_scan(drawn)


def _quality(aperture: float, *, finest_um: float, pixel_um: float) -> QualitySettings:
    """As fine, for this aperture, as the presets are for theirs."""
    return QualitySettings(
        grid_um=min(0.2 / aperture, finest_um, 0.99 * pixel_um),
        slice_um=0.3 / aperture,
        n_source_points=28,
        far=FarSettings(
            grid_um=0.4 / aperture, slices_joined=4, n_source_points=120, near_um=2.7 / aperture**2
        ),
    )


def _draw_chamber(thickest_um: float, detail_um: float, random: np.random.Generator) -> ChamberSettings:
    return REFERENCE.chamber.replace(
        height_um=max(thickest_um, 4.0) * random.uniform(1.15, 2.5),
        pillars=bool(random.random() < 0.1),
        pillar_diameter_um=min(24 * detail_um, 25.0),
        medium_index=random.uniform(1.333, 1.345),
        tilt_mrad=random.uniform(0, 5),
        tilt_towards_deg=random.uniform(0, 360),
    )


def _draw_debris(detail_um: float, field_um: float, random: np.random.Generator) -> DebrisSettings:
    return DebrisSettings(
        fewest_grains=0,
        most_grains=int(random.integers(1, 11)),
        largest_grain_um=min(14 * detail_um, 20.0),
        most_scratches=2,
        longest_scratch_um=min(80 * detail_um, 0.7 * field_um),
        widest_scratch_um=3.5 * detail_um,
    )


def _draw_specimens(
    detail_um: float, field_um: float, random: np.random.Generator
) -> tuple[tuple[SpecimenSettings, ...], float]:
    """Specimens, and how high the highest of them is."""
    kind = str(random.choice(_KINDS, p=_SHARE_OF_KINDS))
    crowd = (field_um / 61) ** 2  # presets count cells in a field of 61 um
    match kind:
        case "yeast":
            yeast = draw_yeast(random)
            if yeast.diameter_um < _FEWEST_DETAILS_ACROSS * detail_um:
                return (_draw_round(crowd, random),), 20.0
            most = min(round(yeast.most_cells * crowd), 350)
            return (yeast.replace(most_cells=most),), yeast.largest_diameter_um
        case "round":
            return (_draw_round(crowd, random),), 20.0
        case "rods":
            rods = _draw_rods(crowd, detail_um, random)
            return (rods,), rods.widest_um
        case "adherent":
            adherent = _draw_adherent(field_um, random)
            return (adherent,), adherent.largest_mitotic_um
        case "beads":
            beads = _draw_beads(detail_um, random)
            return (beads,), beads.largest_diameter_um
        case "euglena":
            return (_draw_euglena(field_um, random),), 14.0
        case _:
            return (_draw_round(0.5 * crowd, random), _draw_rods(0.5 * crowd, detail_um, random)), 20.0


def _draw_round(crowd: float, random: np.random.Generator) -> YeastSettings:
    """Cells in suspension, 6 to 16 um wide: yeast in shape, larger, softer and hardly budding."""
    diameter_um = random.uniform(6.0, 16.0)
    fewest = int(random.integers(2, 10))
    most = fewest + round(random.uniform(3, 110) * crowd * (4.6 / diameter_um) ** 2)
    return YeastSettings(
        fewest_cells=fewest,
        most_cells=min(most, 250),
        diameter_um=diameter_um,
        diameter_std_um=0.12 * diameter_um,
        smallest_diameter_um=0.7 * diameter_um,
        largest_diameter_um=1.25 * diameter_um,
        budded=random.uniform(0, 0.15),
        on_floor=0.9,
        under_ceiling=random.uniform(0, 0.08),
        clustered=random.uniform(0.1, 0.9),
        wall_um=0.12,
        wall_index=random.uniform(1.36, 1.42),
        cytoplasm_index=random.uniform(1.358, 1.39),
        nucleus_index=random.uniform(1.352, 1.378),
        lipid_index=random.uniform(1.42, 1.46),
    )


def _draw_rods(crowd: float, detail_um: float, random: np.random.Generator) -> RodSettings:
    """Rods that the objective resolves: bacteria, fission yeast, spores, filaments."""
    thinnest_um = max(1.2 * detail_um, 1.0)
    width_um = math.exp(random.uniform(math.log(thinnest_um), math.log(max(8.0, 2 * thinnest_um))))
    length_um = width_um * math.exp(random.uniform(math.log(1.6), math.log(6)))
    n_cells = min(60 * crowd * (3.5 / width_um) ** 1.5 * random.uniform(0.1, 1), 300)
    has_organelles = width_um > 2.2
    return RodSettings(
        fewest_cells=max(2, round(n_cells / 4)),
        most_cells=max(4, round(n_cells)),
        narrowest_um=width_um,
        widest_um=1.12 * width_um,
        shortest_um=max(0.6 * length_um, 1.15 * width_um),
        longest_um=max(length_um, 1.4 * width_um),
        largest_tilt_deg=random.uniform(0, 8),
        on_floor=0.9,
        under_ceiling=0.05,
        dividing=0.15 if has_organelles else 0.0,
        septum_um=0.3 if has_organelles else 0.0,
        wall_um=0.15 if has_organelles else 0.0,
        nucleus_um=0.5 * width_um if has_organelles else 0.0,
        most_lipids=6 if has_organelles else 0,
        cytoplasm_index=random.uniform(1.365, 1.405),
    )


def _draw_adherent(field_um: float, random: np.random.Generator) -> AdherentSettings:
    usual = AdherentSettings()
    size = min(random.uniform(0.7, 1.5), 0.8 * field_um / usual.largest_across_um)
    peak_um = random.uniform(3.0, 8.0)
    most = max(3, round(14 * (field_um / 166) ** 2 / size**2 * random.uniform(0.3, 1.5)))
    return AdherentSettings(
        fewest_cells=most // 3,
        most_cells=most,
        smallest_across_um=size * usual.smallest_across_um,
        largest_across_um=size * usual.largest_across_um,
        shortest_nucleus_um=size * usual.shortest_nucleus_um,
        longest_nucleus_um=size * usual.longest_nucleus_um,
        smallest_mitotic_um=size * usual.smallest_mitotic_um,
        largest_mitotic_um=size * usual.largest_mitotic_um,
        mitotic=random.uniform(0, 0.3),
        lowest_peak_um=0.8 * peak_um,
        highest_peak_um=1.3 * peak_um,
        cytoplasm_index=random.uniform(1.358, 1.378),
    )


def _draw_beads(detail_um: float, random: np.random.Generator) -> BeadSettings:
    largest_um = min(random.uniform(2, 10) * detail_um, 15.0)
    return BeadSettings(
        fewest_beads=3,
        most_beads=int(random.integers(8, 80)),
        smallest_diameter_um=0.4 * largest_um,
        largest_diameter_um=largest_um,
        index=random.uniform(1.40, 1.60),
    )


def _draw_euglena(field_um: float, random: np.random.Generator) -> EuglenaSettings:
    size = min(random.uniform(0.6, 1.1), field_um / 100)
    is_stained = bool(random.random() < 0.6)
    return EuglenaSettings(
        fewest_cells=2,
        most_cells=max(4, round(60 * (field_um / 330) ** 2 / size**2 * random.uniform(0.2, 1))),
        shortest_um=30 * size,
        longest_um=50 * size,
        narrowest_um=8 * size,
        widest_um=12 * size,
        least_transmission=random.uniform(0.3, 0.8) if is_stained else 1.0,
        most_transmission=0.9 if is_stained else 1.0,
        cytoplasm_index=random.uniform(1.355, 1.375),
    )
