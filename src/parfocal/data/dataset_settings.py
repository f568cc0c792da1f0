"""What holds for every stack of a dataset: objective, pixel size, light."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from parfocal.settings import Settings
from parfocal.zstack import depth_of_field_um


class ObjectiveRecord(Settings):
    """The objective that the stacks were taken with."""

    numerical_aperture: float = Field(gt=0)
    magnification: float = Field(gt=0)
    immersion_index: float = Field(ge=1)

    @model_validator(mode="after")
    def _aperture_fits_immersion(self) -> Self:
        if self.numerical_aperture >= self.immersion_index:
            raise ValueError(
                f"expected a numerical aperture below the immersion index {self.immersion_index}, "
                f"got {self.numerical_aperture}"
            )
        return self


class DatasetSettings(Settings):
    """What holds for every stack of a dataset.

    Attributes
    ----------
    name : str
        What to call it in reports.
    objective : ObjectiveRecord or None
        The objective, if known.
    pixel_size_um : float
        Side of a camera pixel in the sample, in um.
    wavelength_um : float or None
        Central wavelength of the light, if known.
    modality : str
        ``bright-field``, ``phase-contrast``, or the like.
    z_step_um : float or None
        Step between planes, if it is the same in all stacks.
    experiments : tuple of str
        Names of the experiments that the stacks come from.
    apertures : tuple of float, optional
        Lowest and highest numerical aperture, where stacks of many microscopes are written as if that
        objective had taken all of them.
    """

    name: str = Field(min_length=1)
    objective: ObjectiveRecord | None = None
    pixel_size_um: float = Field(gt=0)
    wavelength_um: float | None = Field(default=None, gt=0)
    modality: str = "bright-field"
    z_step_um: float | None = Field(default=None, gt=0)
    experiments: tuple[str, ...] = ()
    apertures: tuple[float, float] | None = None

    @property
    def dof_um(self) -> float | None:
        """Depth of field in um, where objective and wavelength are known."""
        if self.objective is None or self.wavelength_um is None:
            return None
        return depth_of_field_um(
            wavelength_um=self.wavelength_um,
            numerical_aperture=self.objective.numerical_aperture,
            immersion_index=self.objective.immersion_index,
            pixel_size_um=self.pixel_size_um,
        )
