"""Measurements that a focus surface did not expect: an outlier, another well, or a jump of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field
from scipy.special import ndtri

from parfocal.settings import Settings


class DoubtSettings(Settings):
    """When a measurement is doubted, and when it is believed after all.

    Attributes
    ----------
    gate_sds : float
        A measurement further off than this is not taken in at first; a position whose own height is so many
        times the usual one is odd, and says nothing about its neighbours any more.
    again_after_s : float
        What a position says again after so long is not the same wrong image.
    fewest_together : int
        So many positions in a row, all off to the same side, may be a jump of the whole stage.
    most_together : int
        So many at most are looked at.
    chance : float
        As rarely as this may chance bring them together.
    """

    gate_sds: float = Field(default=4.0, gt=0)
    again_after_s: float = Field(default=10.0, ge=0)
    fewest_together: int = Field(default=3, ge=2)
    most_together: int = Field(default=6, ge=2)
    chance: float = Field(default=1e-6, gt=0, lt=1)


@dataclass(frozen=True)
class Surprise:
    """How far a measurement was from what was expected.

    Attributes
    ----------
    t_s, x_um, y_um, focus_z_um, std_um : float
        The measurement.
    off_um : float
        Measured minus expected.
    sd_um : float
        Of `off_um`, as expected.
    """

    t_s: float
    x_um: float
    y_um: float
    focus_z_um: float
    std_um: float
    off_um: float
    sd_um: float

    @property
    def sds(self) -> float:
        """`off_um` in standard deviations."""
        return self.off_um / self.sd_um


def says_the_same(
    now: Surprise, before: Sequence[Surprise], *, near_um: float, settings: DoubtSettings
) -> bool:
    """Whether the same position was off by the same, long enough before."""
    return any(
        math.hypot(now.x_um - then.x_um, now.y_um - then.y_um) <= near_um
        and now.t_s - then.t_s >= settings.again_after_s
        and abs(now.off_um - then.off_um) <= settings.gate_sds * math.hypot(now.std_um, then.std_um)
        for then in before
    )


def moved_together(latest: Sequence[Surprise], *, settings: DoubtSettings) -> tuple[Surprise, ...]:
    """Those of the latest surprises that say that all positions moved together; none if it may be chance.

    Parameters
    ----------
    latest : sequence of Surprise
        Of different positions, newest last.
    settings : DoubtSettings

    Notes
    -----
    Of a surface that is right, surprises are independent and normal. That n in a row are all further than c
    standard deviations off to the same side has the chance ``2 Q(c)**n``.
    """
    for n in range(settings.fewest_together, min(settings.most_together, len(latest)) + 1):
        together = tuple(latest[-n:])
        sds = [surprise.sds for surprise in together]
        least = min(sds) if sds[-1] > 0 else -max(sds)
        if least > -ndtri((settings.chance / 2) ** (1 / n)):
            return together
    return ()


def common_move_um(together: Sequence[Surprise]) -> float:
    """By how much some positions are off on average, the surer ones counting more."""
    weights = [1 / surprise.sd_um**2 for surprise in together]
    offs_um = [surprise.off_um for surprise in together]
    return sum(weight * um for weight, um in zip(weights, offs_um, strict=True)) / sum(weights)
