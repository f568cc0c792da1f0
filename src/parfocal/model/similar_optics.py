"""The optics of one microscope, and how its images compare with those of another: Fresnel's similarity."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from parfocal.errors import ModelError
from parfocal.settings import Settings
from parfocal.zstack import depth_of_field_um

GREEN_UM = 0.55
"""Wavelength of light of which nothing is known: green."""
SHORTEST_UM, LONGEST_UM = 0.2, 2.0
"""Of light that goes through an objective."""
COARSEST = 1.25
"""Pixels, in wavelengths over apertures, may be coarser by so much than those that a model knows."""


class Optics(Settings):
    """What must be known of a microscope to read its images.

    Attributes
    ----------
    pixel_size_um : float
        Side of a camera pixel in the sample.
    numerical_aperture, immersion_index : float
        Of the objective; the index is 1 for air, 1.33 for water, 1.515 for oil.
    wavelength_um : float
        In the middle of the light's spectrum.
    """

    pixel_size_um: float = Field(gt=0)
    numerical_aperture: float = Field(gt=0)
    immersion_index: float = Field(ge=1, le=2)
    wavelength_um: float = Field(default=GREEN_UM, gt=0)

    @field_validator("wavelength_um")
    @classmethod
    def _is_light_in_um(cls, wavelength_um: float) -> float:
        if not SHORTEST_UM <= wavelength_um <= LONGEST_UM:
            raise ValueError(
                f"expected light of {SHORTEST_UM:g} to {LONGEST_UM:g} um, got {wavelength_um:g} um"
            )
        return wavelength_um

    @model_validator(mode="after")
    def _aperture_fits_immersion(self) -> Self:
        if self.numerical_aperture >= self.immersion_index:
            raise ValueError(
                f"expected a numerical aperture below the immersion index {self.immersion_index:g}, "
                f"got {self.numerical_aperture:g}"
            )
        return self

    @property
    def detail_um(self) -> float:
        """Wavelength over aperture: twice the finest detail that the objective resolves."""
        return self.wavelength_um / self.numerical_aperture

    @property
    def depth_um(self) -> float:
        """Depth of field, see `parfocal.zstack.depth_of_field_um`."""
        return depth_of_field_um(
            wavelength_um=self.wavelength_um,
            numerical_aperture=self.numerical_aperture,
            immersion_index=self.immersion_index,
            pixel_size_um=self.pixel_size_um,
        )


def similar_pixel_um(ours: Optics, theirs: Optics) -> float:
    """The pixel to which our images are averaged to look like theirs.

    Raises
    ------
    ModelError
        If our camera's pixels are too coarse for that.
    """
    alike_um = theirs.pixel_size_um * ours.detail_um / theirs.detail_um
    if ours.pixel_size_um > COARSEST * alike_um:
        raise ModelError(
            f"Expected pixels of at most {COARSEST * alike_um:.3g} um at NA {ours.numerical_aperture:g}, "
            f"got {ours.pixel_size_um:g} um: coarser ones lack the detail that this model reads."
        )
    return max(alike_um, ours.pixel_size_um)


def stretch_between(ours: tuple[float, float, float], theirs: tuple[float, float, float]) -> float:
    """How many um of our stage look like one um of theirs.

    Parameters
    ----------
    ours, theirs : tuple of float
        Pixel size in um, immersion index, wavelength in um.

    Notes
    -----
    Fringes keep their size in pixels as long as wavelength times distance over the pixel's area is the same,
    and light of one angle goes as far aside per um of the stage as in the immersion, see
    `parfocal.optics.similarity`.

    Examples
    --------
    >>> round(stretch_between((0.48, 1.0, 0.55), (0.24, 1.515, 0.55)), 2)
    2.64
    """
    (pixel, index, wavelength), (their_pixel, their_index, their_wavelength) = ours, theirs
    return (pixel / their_pixel) ** 2 * (index / their_index) * (their_wavelength / wavelength)
