"""Settings of the virtual microscope: objective, condenser, spectrum, quality, scan, days.

Values marked *assumed* are not in the literature that this microscope follows; they are chosen to look like
real images and are settings for that reason.
"""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from parfocal.optics.camera import CameraSettings
from parfocal.optics.chamber import ChamberSettings
from parfocal.optics.specimens import SpecimenSettings, YeastSettings
from parfocal.settings import Settings

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Index = Annotated[float, Field(ge=1.0, le=2.0)]
WavefrontError = Annotated[float, Field(ge=-2, le=2)]


class PhaseRingSettings(Settings):
    """The ring in a phase-contrast objective: it dims direct light and shifts its phase (Zernike 1942).

    Attributes
    ----------
    inner_na, outer_na : float
        The ring's edges.
    transmission : float
        Of intensity.
    phase_rad : float
        Added to the direct light; ``-pi/2`` shows higher index dark (positive phase contrast).
    """

    inner_na: NotNegative = 0.143
    outer_na: Positive = 0.177
    transmission: Annotated[float, Field(gt=0, le=1)] = 0.25
    phase_rad: Annotated[float, Field(ge=-np.pi, le=np.pi)] = -np.pi / 2

    @model_validator(mode="after")
    def _is_a_ring(self) -> Self:
        if self.inner_na >= self.outer_na:
            raise ValueError(f"expected inner_na < outer_na, got {self.inner_na:g} and {self.outer_na:g}")
        return self


class CoverslipSettings(Settings):
    """The coverslip and immersion medium in place, and those the objective was designed for.

    Notes
    -----
    Where they differ, high angles come to focus elsewhere than low ones: spherical aberration (Gibson &
    Lanni 1992). A dry lens of NA 0.75 bears 10 um of glass, an oil lens none of the wrong oil.
    """

    thickness_um: Positive = 170.0
    index: Index = 1.5255
    designed_thickness_um: Positive = 170.0
    designed_index: Index = 1.5255
    designed_immersion_index: Index | None = None
    working_distance_um: Positive = 200.0


class AberrationSettings(Settings):
    """Errors of the wavefront in the objective's pupil, each the rms in um of optical path.

    Notes
    -----
    Zernike polynomials in Noll's norm (1976), in the order of his index 4 to 11. A positive value delays
    light where the polynomial is positive.
    """

    defocus_um: WavefrontError = 0.0
    oblique_astigmatism_um: WavefrontError = 0.0
    vertical_astigmatism_um: WavefrontError = 0.0
    vertical_coma_um: WavefrontError = 0.0
    horizontal_coma_um: WavefrontError = 0.0
    vertical_trefoil_um: WavefrontError = 0.0
    oblique_trefoil_um: WavefrontError = 0.0
    primary_spherical_um: WavefrontError = 0.0


class ObjectiveSettings(Settings):
    """The objective: a Fluar 40x/1.30 oil lens by default. Air, water and oil differ by their index."""

    numerical_aperture: Positive = 1.30
    magnification: Positive = 40.0
    immersion_index: Index = 1.515
    phase_ring: PhaseRingSettings | None = None
    coverslip: CoverslipSettings = CoverslipSettings()
    aberrations: AberrationSettings = AberrationSettings()

    @model_validator(mode="after")
    def _is_immersed(self) -> Self:
        if self.numerical_aperture >= self.immersion_index:
            raise ValueError(
                f"expected a numerical aperture below the immersion index, got {self.numerical_aperture:g} "
                f"in a medium of {self.immersion_index:g}"
            )
        if self.phase_ring and self.phase_ring.outer_na > self.numerical_aperture:
            raise ValueError(
                f"expected a phase ring within the numerical aperture {self.numerical_aperture:g}, "
                f"got an outer edge at {self.phase_ring.outer_na:g}"
            )
        return self


class CondenserSettings(Settings):
    """Koehler illumination through a disc, or through an annulus for phase contrast.

    The numerical aperture is *assumed*, and matters most of all.
    """

    numerical_aperture: Positive = 0.30
    inner_numerical_aperture: NotNegative = 0.0

    @model_validator(mode="after")
    def _is_open(self) -> Self:
        if self.inner_numerical_aperture >= self.numerical_aperture:
            raise ValueError(
                f"expected inner_numerical_aperture < numerical_aperture, got "
                f"{self.inner_numerical_aperture:g} and {self.numerical_aperture:g}"
            )
        return self


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


class FarSettings(Settings):
    """How light is computed for images far from the specimen: coarsely, from many source points.

    Attributes
    ----------
    grid_um : float
        Spacing of the grid.
    slices_joined : int
        Slices of the fine light that become one.
    n_source_points : int
        Beside those of the fine light.
    near_um : float
        Up to this distance beyond the specimen, images have all the detail of the fine light.
    """

    grid_um: Positive = 0.3
    slices_joined: Annotated[int, Field(ge=1)] = 2
    n_source_points: Annotated[int, Field(ge=1)] = 100
    near_um: Positive = 2.0


class QualitySettings(Settings):
    """How finely light is computed; see `QUALITIES`."""

    grid_um: Positive = 0.16
    slice_um: Positive = 0.3
    n_source_points: Annotated[int, Field(ge=1)] = 48
    far: FarSettings | None = None


class ScanSettings(Settings):
    """How z-stacks are taken: the 2018 paper's 31 planes 1 um apart, focus near the middle."""

    half_range_um: Positive = 15.0
    step_um: Annotated[float, Field(ge=0.01)] = 1.0
    focus_jitter_um: NotNegative = 1.0
    stage_jitter_um: NotNegative = 0.05


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
    specimens: tuple[SpecimenSettings, ...] = (YeastSettings(),)
    camera: CameraSettings = CameraSettings()
    quality: QualitySettings = QualitySettings()
    scan: ScanSettings = ScanSettings()
    days: DaySettings = DaySettings()

    @model_validator(mode="after")
    def _lights_the_objective(self) -> Self:
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
    def _annulus_falls_on_the_ring(self) -> Self:
        ring, condenser = self.objective.phase_ring, self.condenser
        if ring and not (
            ring.inner_na <= condenser.inner_numerical_aperture
            and condenser.numerical_aperture <= ring.outer_na
        ):
            raise ValueError(
                f"expected an annulus within the phase ring, NA {ring.inner_na:g} to {ring.outer_na:g}, got "
                f"{condenser.inner_numerical_aperture:g} to {condenser.numerical_aperture:g}"
            )
        return self

    @model_validator(mode="after")
    def _field_resolves_the_ring(self) -> Self:
        ring, condenser = self.objective.phase_ring, self.condenser
        if ring:
            margin_na = min(
                condenser.inner_numerical_aperture - ring.inner_na,
                ring.outer_na - condenser.numerical_aperture,
            )
            # Waves are rounded to whole periods in the field: along a diagonal by 0.71 of one.
            least_na = 0.71 * self.spectrum.longest_um / min(self.camera.field_yx_um)
            if margin_na < least_na:
                raise ValueError(
                    f"expected a phase ring wider than the annulus by NA {least_na:.4f} at either edge, "
                    f"which a field of {min(self.camera.field_yx_um):g} um needs, got {margin_na:.4f}"
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
        largest_um = max((specimen.largest_um for specimen in self.specimens), default=0.0)
        if self.chamber.pillars:
            largest_um = max(largest_um, self.chamber.pillar_diameter_um)
        narrowest_um = min(self.camera.field_yx_um)
        if narrowest_um <= largest_um:
            raise ValueError(
                f"expected a field wider than the largest body, {largest_um:g} um, "
                f"got {narrowest_um:g} um: raise height_px and width_px"
            )
        return self

    @property
    def finest_detail_per_um(self) -> float:
        """Grid points per um that hold all that the objective takes in: ``2 NA / wavelength``."""
        return 2 * self.objective.numerical_aperture / float(self.spectrum.lines_um.min())

    @property
    def modality(self) -> str:
        """``bright-field`` or ``phase-contrast``."""
        return "phase-contrast" if self.objective.phase_ring else "bright-field"
