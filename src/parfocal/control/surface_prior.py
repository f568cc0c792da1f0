"""SurfacePrior: what is known of a focus surface before the first measurement."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from parfocal.settings import Settings


class SurfacePrior(Settings):
    """How a sample lies under a stage, and how it drifts: standard deviations of what is not known yet.

    The defaults suit a multi-well plate, `for_device` is for what is scanned field by field. All are
    *assumed* but the least error, which the focus lock measured; `fit_prior` fits those that a plate's own
    measurements tell.

    Attributes
    ----------
    expected_z_um, level_um : float
        Stage z at which the focus is expected, and how far off that may be.
    tilt_um_per_mm : float
        Of the plate on the stage, along x and along y: 5 is half a millimetre over an insert of 100 mm.
    bow_um, bow_mm : float
        How far the surface bends away from a plane, and over which length: a Gaussian process with the
        squared exponential kernel. A length shorter than need be costs little; with a longer one, waves of
        the sample are taken for jumps of the stage.
    own_um : float
        How far a position's own height lies beside the bent plane: how wells differ from their neighbours.
    own_um_per_day : float
        How much a position's own height changes in a day, as cells grow (a random walk).
    drift_um_per_h, drift_h : float
        How fast all positions drift together, and for how long such a drift keeps its direction.
    least_std_um : float
        No measurement counts as more certain than that: what frames of one field err alike.
    near_um : float
        Positions closer than this are one and the same.
    most_positions : int
        Own heights that are remembered; beyond that, those that were seen longest ago are forgotten.
    knot_um : float
        How finely the bow is resolved: what is left of it between its knots.
    """

    expected_z_um: float = 0.0
    level_um: float = Field(default=1000.0, gt=0)
    tilt_um_per_mm: float = Field(default=5.0, gt=0)
    bow_um: float = Field(default=30.0, gt=0)
    bow_mm: float = Field(default=40.0, gt=0)
    own_um: float = Field(default=1.0, gt=0)
    own_um_per_day: float = Field(default=0.5, ge=0)
    drift_um_per_h: float = Field(default=3.0, gt=0)
    drift_h: float = Field(default=3.0, gt=0)
    least_std_um: float = Field(default=0.15, gt=0)
    near_um: float = Field(default=50.0, ge=0)
    most_positions: int = Field(default=1000, ge=1)
    knot_um: float = Field(default=0.05, gt=0)

    @classmethod
    def for_device(cls, width_mm: float) -> Self:
        """For a chip or slide so wide that is scanned field by field.

        Examples
        --------
        >>> SurfacePrior.for_device(20.0).bow_mm
        2.5
        """
        return cls(bow_mm=width_mm / 8, own_um=0.3, most_positions=100, knot_um=0.1)
