"""Settings of the virtual microscope: objective, condenser, spectrum, chamber, yeast, camera, quality.

Values marked *assumed* are not in the literature that this microscope follows; they are chosen to look like
real images and are settings for that reason.
"""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from parfocal.settings import Settings

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[float, Field(ge=1.0, le=2.0)]


class ObjectiveSettings(Settings):
    """The objective: a Fluar 40x/1.30 oil lens by default."""

    numerical_aperture: Positive = 1.30
    magnification: Positive = 40.0
    immersion_index: Index = 1.515

    @model_validator(mode="after")
    def _is_immersed(self) -> Self:
        if self.numerical_aperture >= self.immersion_index:
            raise ValueError(
                f"expected a numerical aperture below the immersion index, got {self.numerical_aperture:g} "
                f"in a medium of {self.immersion_index:g}"
            )
        return self


class CondenserSettings(Settings):
    """Koehler illumination with a round aperture (numerical aperture *assumed*; it matters most of all)."""

    numerical_aperture: Positive = 0.30


class SpectrumSettings(Settings):
    """Light of equally bright lines between two wavelengths (*assumed*: a green-yellow lamp)."""

    shortest_um: Positive = 0.49
    longest_um: Positive = 0.63
    n_lines: Annotated[int, Field(ge=1)] = 5

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.shortest_um > self.longest_um:
            raise ValueError(
                f"expected shortest_um <= longest_um, got {self.shortest_um:g} and {self.longest_um:g}"
            )
        return self

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
    smallest_diameter_um: Positive = 3.0
    largest_diameter_um: Positive = 6.0
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

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.fewest_cells > self.most_cells:
            raise ValueError(
                f"expected fewest_cells <= most_cells, got {self.fewest_cells} and {self.most_cells}"
            )
        if self.on_floor + self.under_ceiling > 1:
            raise ValueError(
                f"expected on_floor + under_ceiling <= 1, got {self.on_floor:g} and {self.under_ceiling:g}"
            )
        if not self.smallest_diameter_um <= self.diameter_um <= self.largest_diameter_um:
            raise ValueError(
                "expected smallest_diameter_um <= diameter_um <= largest_diameter_um, got "
                f"{self.smallest_diameter_um:g}, {self.diameter_um:g} and {self.largest_diameter_um:g}"
            )
        if self.wall_um > self.smallest_diameter_um / 8:  # the smallest bud still has an inside
            raise ValueError(
                f"expected a wall of at most an eighth of smallest_diameter_um, got {self.wall_um:g} um "
                f"of {self.smallest_diameter_um:g} um"
            )
        return self


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
    step_um: Annotated[float, Field(ge=0.01)] = 1.0
    focus_jitter_um: Annotated[float, Field(ge=0)] = 1.0
    stage_jitter_um: Annotated[float, Field(ge=0)] = 0.05


class DaySettings(Settings):
    """How much the microscope differs from experiment to experiment: relative sd, or sd in index units."""

    condenser_na: Annotated[float, Field(ge=0, le=0.2)] = 0.015
    cytoplasm_index: Annotated[float, Field(ge=0, le=0.02)] = 0.002
    light: Annotated[float, Field(ge=0, le=0.9)] = 0.1


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

    @model_validator(mode="after")
    def _is_bright_field(self) -> Self:
        condenser_na, objective_na = self.condenser.numerical_aperture, self.objective.numerical_aperture
        if condenser_na > objective_na:
            raise ValueError(
                f"expected a condenser NA of at most the objective's {objective_na:g}, got {condenser_na:g}: "
                "more would be dark field"
            )
        if condenser_na >= self.chamber.medium_index:
            raise ValueError(
                f"expected a condenser NA below the medium's index {self.chamber.medium_index:g}, "
                f"got {condenser_na:g}"
            )
        return self

    @model_validator(mode="after")
    def _is_resolved(self) -> Self:
        spacing_um = min(self.quality.grid_um, self.camera.pixel_size_um)
        if spacing_um * self.finest_detail_per_um > 1:
            raise ValueError(
                f"expected a grid of at most {1 / self.finest_detail_per_um:.3f} um, which the objective "
                f"resolves, got {spacing_um:g} um"
            )
        return self

    @model_validator(mode="after")
    def _fits_the_field(self) -> Self:
        largest_um = 1.2 * self.yeast.largest_diameter_um
        if self.chamber.pillars:
            largest_um = max(largest_um, self.chamber.pillar_diameter_um)
        if self.camera.field_um <= largest_um:
            raise ValueError(
                f"expected a field wider than the largest body, {largest_um:g} um, "
                f"got {self.camera.field_um:g} um: raise frame_px"
            )
        return self

    @property
    def finest_detail_per_um(self) -> float:
        """Grid points per um that hold all that the objective takes in: ``2 NA / wavelength``."""
        return 2 * self.objective.numerical_aperture / float(self.spectrum.lines_um.min())
