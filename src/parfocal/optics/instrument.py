"""Settings of the virtual microscope: objective, condenser, spectrum, chamber, yeast, camera, quality.

Values marked *assumed* are not in the literature that this microscope follows; they are chosen to look like
real images and are settings for that reason.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from parfocal.settings import Settings

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[float, Field(ge=1.0, le=2.0)]


class ObjectiveSettings(Settings):
    """The objective: a Fluar 40x/1.30 oil lens by default."""

    numerical_aperture: Positive = 1.30
    magnification: Positive = 40.0
    immersion_index: Index = 1.515


class CondenserSettings(Settings):
    """Koehler illumination with a round aperture (numerical aperture *assumed*; it matters most of all)."""

    numerical_aperture: Positive = 0.30


class SpectrumSettings(Settings):
    """Light of equally bright lines between two wavelengths (*assumed*: a green-yellow lamp)."""

    shortest_um: Positive = 0.49
    longest_um: Positive = 0.63
    n_lines: Annotated[int, Field(ge=1)] = 5

    @property
    def lines_um(self) -> NDArray[np.float64]:
        """Wavelengths in vacuum, shape (n_lines,), in um."""
        if self.n_lines == 1:
            return np.array([self.centre_um])
        return np.linspace(self.shortest_um, self.longest_um, self.n_lines)

    @property
    def centre_um(self) -> float:
        """Mean wavelength in um."""
        return 0.5 * (self.shortest_um + self.longest_um)


class ChamberSettings(Settings):
    """A microfluidic growth chamber: coverslip below, ceiling above, pillars between."""

    height_um: Positive = 6.0
    medium_index: Index = 1.337
    pillar_diameter_um: Annotated[float, Field(ge=0)] = 10.0
    pillar_index: Index = 1.41
    pillars: bool = True


class YeastSettings(Settings):
    """Budding yeast (organelle sizes and indices *assumed* within the published ranges)."""

    fewest_cells: Annotated[int, Field(ge=0)] = 15
    most_cells: Annotated[int, Field(ge=1)] = 110
    diameter_um: Positive = 4.6
    diameter_std_um: Annotated[float, Field(ge=0)] = 0.6
    budded: Fraction = 0.5
    on_floor: Fraction = 0.6
    under_ceiling: Fraction = 0.2
    clustered: Fraction = 0.7
    wall_um: Positive = 0.12
    wall_index: Index = 1.42
    cytoplasm_index: Index = 1.390
    nucleus_index: Index = 1.378
    vacuole_index: Index = 1.355
    lipid_index: Index = 1.46


class CameraSettings(Settings):
    """A 12-bit camera whose pixels are binned to the working pixel (noise values *assumed*).

    `background_electrons` counts one binned pixel of an empty field.
    """

    pixel_size_um: Positive = 0.24
    frame_px: Annotated[int, Field(ge=16)] = 256
    bit_depth: Annotated[int, Field(ge=8, le=16)] = 12
    background_electrons: Positive = 16_000.0
    electrons_per_count: Positive = 8.9
    offset_counts: Annotated[float, Field(ge=0)] = 20.0
    read_noise_electrons: Annotated[float, Field(ge=0)] = 32.0
    prnu: Annotated[float, Field(ge=0)] = 0.01
    vignetting: Fraction = 0.12
    light_tilt: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.05
    dust_spots: Annotated[int, Field(ge=0)] = 4
    pattern_seed: int = 0

    @property
    def field_um(self) -> float:
        """Side of the square field of view in um."""
        return self.pixel_size_um * self.frame_px


class QualitySettings(Settings):
    """How finely light is computed; see `QUALITIES`."""

    grid_um: Positive = 0.16
    slice_um: Positive = 0.375
    n_source_points: Annotated[int, Field(ge=1)] = 56


class ScanSettings(Settings):
    """How z-stacks are taken: the 2018 paper's 31 planes 1 um apart, focus near the middle."""

    half_range_um: Positive = 15.0
    step_um: Positive = 1.0
    focus_jitter_um: Annotated[float, Field(ge=0)] = 1.0
    stage_jitter_um: Annotated[float, Field(ge=0)] = 0.05


class DaySettings(Settings):
    """How much the microscope differs from experiment to experiment: relative sd, or sd in index units."""

    condenser_na: Annotated[float, Field(ge=0)] = 0.015
    cytoplasm_index: Annotated[float, Field(ge=0)] = 0.002
    light: Annotated[float, Field(ge=0)] = 0.1


class VirtualMicroscope(Settings):
    """Everything that the virtual microscope needs to make an image."""

    name: str = "yeast-40x"
    objective: ObjectiveSettings = ObjectiveSettings()
    condenser: CondenserSettings = CondenserSettings()
    spectrum: SpectrumSettings = SpectrumSettings()
    chamber: ChamberSettings = ChamberSettings()
    yeast: YeastSettings = YeastSettings()
    camera: CameraSettings = CameraSettings()
    quality: QualitySettings = QualitySettings()
    scan: ScanSettings = ScanSettings()
    days: DaySettings = DaySettings()

    @property
    def stage_um_per_sample_um(self) -> float:
        """Objective travel that moves the focal plane by 1 um in the sample: n_immersion / n_medium."""
        return self.objective.immersion_index / self.chamber.medium_index
