"""The room's temperature over a day, and how far it takes the focus."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from parfocal.settings import Settings

DAY_S = 24 * 3600.0
_TREND_PER_DAY = 0.3
_SHARES = (0.5, 0.06, 0.03)
"""Of the trend in a day, of day and night, of a slow wander, and of the thermostat (assumed)."""


class RoomSettings(Settings):
    """How the temperature of the room goes, and how the stand follows it.

    Attributes
    ----------
    temperature_range_degc : float
        Warmest minus coolest over the experiment: 3, of which the 2018 paper tells.
    wander_h : float
        Period of a slow wander, of people and doors (assumed).
    thermostat_min : float
        Period of the air conditioning's switching (assumed; tens of minutes in most rooms).
    stand_h : float
        Time in which the stand follows the air but for 1/e (assumed: tens of kilograms of metal). It is why
        the focus drifts by um an hour and never jumps.
    """

    temperature_range_degc: float = Field(default=3.0, ge=0)
    wander_h: float = Field(default=7.0, gt=0)
    thermostat_min: float = Field(default=25.0, gt=0)
    stand_h: float = Field(default=1.0, ge=0)


@dataclass(frozen=True)
class _Course:
    """A trend and some waves, as a function of the time in s."""

    trend_per_s: float
    waves: tuple[tuple[float, float, float], ...]  # amplitude, radians a second, phase in rad

    def at(self, t_s: float) -> float:
        """The value, counted from that at the start."""
        rise = sum(a * (math.sin(w * t_s + phase) - math.sin(phase)) for a, w, phase in self.waves)
        return float(self.trend_per_s * t_s + rise)

    def range_over(self, hours: float) -> float:
        """Highest value minus lowest, looked at every minute or more often."""
        times_s = np.linspace(0, 3600 * hours, max(2001, round(60 * hours) + 1))
        return float(np.ptp([self.at(t_s) for t_s in times_s.tolist()]))

    def times(self, factor: float) -> _Course:
        waves = tuple((factor * a, w, phase) for a, w, phase in self.waves)
        return _Course(factor * self.trend_per_s, waves)

    def followed_in(self, time_constant_s: float) -> _Course:
        """What follows this in first order: each wave smaller and later, the trend as steep."""
        lags = [(a, w, phase, math.atan(w * time_constant_s)) for a, w, phase in self.waves]
        waves = tuple((a * math.cos(lag), w, phase - lag) for a, w, phase, lag in lags)
        return _Course(self.trend_per_s, waves)


def room_temperature(
    *, hours: float, seed: int, settings: RoomSettings | None = None
) -> Callable[[float], float]:
    """How much warmer the room is than at the start, in degC, as a function of the time in s.

    Examples
    --------
    >>> warmer_degc = room_temperature(hours=24.0, seed=1)
    >>> degc = [warmer_degc(t_s) for t_s in np.linspace(0, DAY_S, 1441)]
    >>> degc[0], round(max(degc) - min(degc), 2)
    (0.0, 3.0)
    """
    settings = settings or RoomSettings()
    return _air(settings, hours=hours, seed=seed).at


def thermal_drift(
    *, range_um: float, hours: float, seed: int, settings: RoomSettings | None = None
) -> Callable[[float], float]:
    """How far the focus has wandered since the start, in um, as a function of the time in s.

    Parameters
    ----------
    range_um : float
        Highest focus minus lowest over the run, in um.
    hours : float
        Length of the run.
    seed : int
        Turns the waves of the temperature.
    settings : RoomSettings, optional

    Notes
    -----
    The focus is proportional to the temperature of the stand, which follows the air in first order.

    Examples
    --------
    >>> drift_um = thermal_drift(range_um=40.0, hours=24.0, seed=1)
    >>> focus_um = [drift_um(t_s) for t_s in np.linspace(0, 24 * 3600, 1441)]
    >>> focus_um[0], round(max(focus_um) - min(focus_um), 1)
    (0.0, 40.0)
    """
    settings = settings or RoomSettings()
    stand = _shape(settings, seed=seed).followed_in(3600 * settings.stand_h)
    return stand.times(range_um / stand.range_over(hours)).at


def _air(settings: RoomSettings, *, hours: float, seed: int) -> _Course:
    shape = _shape(settings, seed=seed)
    return shape.times(settings.temperature_range_degc / shape.range_over(hours))


def _shape(settings: RoomSettings, *, seed: int) -> _Course:
    periods_s = (DAY_S, 3600 * settings.wander_h, 60 * settings.thermostat_min)
    phases_rad = np.random.default_rng([seed, 3]).uniform(0, 2 * np.pi, len(periods_s))
    waves = zip(_SHARES, (2 * math.pi / period_s for period_s in periods_s), phases_rad.tolist(), strict=True)
    return _Course(_TREND_PER_DAY / DAY_S, tuple(waves))
