"""Where the focus was found at one position of the stage, and where it is expected."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parfocal.errors import InputError
from parfocal.estimate import FocusEstimate


@dataclass(frozen=True)
class FocusMeasurement:
    """Where the focus was found at one position and time.

    Attributes
    ----------
    t_s : float
    x_um, y_um : float
        Stage position.
    focus_z_um : float
        Stage z that would have been in focus.
    std_um : float
        Standard deviation of `focus_z_um`.
    """

    t_s: float
    x_um: float
    y_um: float
    focus_z_um: float
    std_um: float

    @classmethod
    def from_estimate(
        cls,
        estimate: FocusEstimate,
        *,
        t_s: float,
        x_um: float,
        y_um: float,
        z_um: float,
        target_um: float = 0.0,
    ) -> FocusMeasurement | None:
        """What an estimate at stage position x, y, z says of the focus; None where it abstains.

        Parameters
        ----------
        estimate : FocusEstimate
        t_s, x_um, y_um, z_um : float
            When and where the image was taken.
        target_um : float
            Lock target: the defocus that the user wants.
        """
        if not estimate.accepted:
            return None
        return cls(t_s, x_um, y_um, z_um - estimate.defocus_um + target_um, estimate.std_um)

    def check(self) -> None:
        """Refuse what no surface can learn from.

        Raises
        ------
        InputError
            If a number is not finite, or the standard deviation is not above 0.
        """
        if not all(math.isfinite(value) for value in vars(self).values()) or self.std_um <= 0:
            raise InputError(
                f"expected a measurement of finite numbers with std_um above 0, got {self}; "
                "leave out what an estimator does not answer"
            )


@dataclass(frozen=True)
class FocusPrediction:
    """Where the focus is expected.

    Attributes
    ----------
    focus_z_um : float
        Stage z.
    std_um : float
        Its standard deviation: that of the focus, without the error of an image taken there.
    """

    focus_z_um: float
    std_um: float
