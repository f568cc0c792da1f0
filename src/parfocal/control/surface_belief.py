"""SurfaceBelief: the Gaussian over plane, bow, own heights and drift, and what a measurement does to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular
from scipy.spatial.distance import cdist

from parfocal.control.surface_drift import drift_step
from parfocal.control.surface_prior import SurfacePrior

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

LEVEL, RATE, TILT = 0, 1, slice(2, 4)
LEAST_KNOWN = 0.999
"""Of the variance of an own height at first: there, hardly anything was learned of it."""
DAY_S = 24 * 3600.0
ODD_UM = 100.0
"""How far off an odd position may be: its own height says nothing about its neighbours'."""


@dataclass(frozen=True, eq=False)
class SurfaceBelief:
    """A Gaussian over everything that the surface is made of. Its arrays are never written into.

    Attributes
    ----------
    prior : SurfacePrior
    t_s : float
        Time for which it holds.
    origin_um : tuple of float
        Stage x, y about which the plane tilts.
    mean : array, shape (S,)
        Level in um, its rate in um/s, tilt along x and y in um/mm; then knots of the bow and own heights in
        um, in the order in which they came.
    covariance : array, shape (S, S)
    knots_mm : array, shape (K, 2)
        Where the bow is held, from the origin.
    knot_factor : array, shape (K, K)
        Cholesky factor of the knots' prior covariance.
    knot_at : array of int, shape (K,)
        Where the knots stand in `mean`.
    places_mm : array, shape (P, 2)
        Positions that have an own height, from the origin.
    place_at : array of int, shape (P,)
        Where their own heights stand in `mean`.
    own_um : array, shape (P,)
        What was believed of the own height at first; much for a position that was found to be odd.
    seen_s : array, shape (P,)
        When each was last measured.
    """

    prior: SurfacePrior
    t_s: float
    origin_um: tuple[float, float]
    mean: Array
    covariance: Array
    knots_mm: Array
    knot_factor: Array
    knot_at: Indices
    places_mm: Array
    place_at: Indices
    own_um: Array
    seen_s: Array

    @classmethod
    def at_first(cls, prior: SurfacePrior, *, t_s: float, origin_um: tuple[float, float]) -> SurfaceBelief:
        """The belief before the first measurement."""
        tilt = prior.tilt_um_per_mm
        variances = [prior.level_um**2, (prior.drift_um_per_h / 3600) ** 2, tilt**2, tilt**2]
        none, nowhere = np.zeros(0), np.zeros((0, 2))
        return cls(
            prior=prior,
            t_s=t_s,
            origin_um=origin_um,
            mean=np.array([prior.expected_z_um, 0.0, 0.0, 0.0]),
            covariance=np.diag(variances),
            knots_mm=nowhere,
            knot_factor=np.zeros((0, 0)),
            knot_at=np.zeros(0, np.int64),
            places_mm=nowhere,
            place_at=np.zeros(0, np.int64),
            own_um=none,
            seen_s=none,
        )

    def later(self, t_s: float) -> SurfaceBelief:
        """The belief at a later time; at an earlier one, the same as it is."""
        dt_s = t_s - self.t_s
        if dt_s <= 0:
            return self
        rate_um_per_s, keeps_s = self.prior.drift_um_per_h / 3600, 3600 * self.prior.drift_h
        factors, added = drift_step(dt_s, rate_um_per_s=rate_um_per_s, keeps_s=keeps_s)
        mean, covariance = self.mean.copy(), self.covariance.copy()
        mean[:2] = factors @ mean[:2]
        covariance[:2, 2:] = factors @ covariance[:2, 2:]
        covariance[2:, :2] = covariance[:2, 2:].T
        covariance[:2, :2] = _symmetric(factors @ covariance[:2, :2] @ factors.T + added)
        covariance[self.place_at, self.place_at] += self.prior.own_um_per_day**2 * dt_s / DAY_S
        return replace(self, t_s=t_s, mean=mean, covariance=covariance)

    def place_of(self, x_um: float, y_um: float) -> int | None:
        """Which of the positions is there; None if none of them was measured."""
        [place] = self._places_of(self._mm([[x_um, y_um]]))
        return int(place) if place >= 0 else None

    def rows(self, xy_um: ArrayLike) -> tuple[Array, Array]:
        """What the heights at some positions are made of.

        Parameters
        ----------
        xy_um : array, shape (M, 2)

        Returns
        -------
        rows : array, shape (M, S)
            ``rows @ mean`` are the focus heights in um.
        apart_um2 : array, shape (M,)
            Variance of what no part of `mean` tells: bow between the knots, own height of a new position.
        """
        xy_mm = self._mm(np.asarray(xy_um, float).reshape(-1, 2))
        rows = np.zeros((len(xy_mm), len(self.mean)))
        rows[:, LEVEL] = 1
        rows[:, TILT] = xy_mm
        weights, apart_um2 = self._on_knots(xy_mm)
        rows[:, self.knot_at] = weights
        places = self._places_of(xy_mm)
        [known] = np.nonzero(places >= 0)
        rows[known, self.place_at[places[known]]] = 1
        apart_um2[places < 0] += self.prior.own_um**2
        return rows, apart_um2

    def heights(self, xy_um: ArrayLike) -> tuple[Array, Array]:
        """Focus z and its variance at some positions (M, 2): two arrays (M,), in um and um2."""
        rows, apart_um2 = self.rows(xy_um)
        return rows @ self.mean, ((rows @ self.covariance) * rows).sum(axis=1) + apart_um2

    def with_knots(self, xy_um: ArrayLike) -> SurfaceBelief:
        """The same belief, with knots of the bow where some positions (M, 2) need them."""
        belief = self
        for at_mm in self._mm(np.asarray(xy_um, float).reshape(-1, 2)):
            belief = belief._with_knot(at_mm[None])
        return belief

    def with_place(self, x_um: float, y_um: float) -> SurfaceBelief:
        """The same belief, with an own height for this position and a knot of the bow where one is needed."""
        belief = self.with_knots([[x_um, y_um]])
        at_mm = self._mm([[x_um, y_um]])
        if belief.place_of(x_um, y_um) is not None:
            return belief
        if len(belief.place_at) >= belief.prior.most_positions:
            belief = belief._without_place(int(np.argmin(belief.seen_s)))
        own_um, n = belief.prior.own_um, len(belief.mean)
        grown = belief._with_part(np.zeros(n), 0.0, own_um**2)
        return replace(
            grown,
            places_mm=np.concatenate([belief.places_mm, at_mm]),
            place_at=np.append(belief.place_at, n),
            own_um=np.append(belief.own_um, own_um),
            seen_s=np.append(belief.seen_s, belief.t_s),
        )

    def take_in(self, x_um: float, y_um: float, *, focus_z_um: float, std_um: float) -> SurfaceBelief:
        """The belief after a measurement, by a Kalman filter's exact step."""
        belief = self.with_place(x_um, y_um)
        [row], [apart_um2] = belief.rows([[x_um, y_um]])
        place = belief.place_of(x_um, y_um)
        seen_s = belief.seen_s.copy()
        seen_s[place] = belief.t_s
        noise_um2 = max(std_um, belief.prior.least_std_um) ** 2 + apart_um2
        return replace(belief._told(row, focus_z_um, noise_um2), seen_s=seen_s)

    def with_open_level(self, variance: float) -> SurfaceBelief:
        """The belief after all positions together may have moved so far."""
        covariance = self.covariance.copy()
        covariance[LEVEL, LEVEL] += variance
        return replace(self, covariance=covariance)

    def with_open_place(self, x_um: float, y_um: float, variance: float) -> SurfaceBelief:
        """The belief after one position may have moved so far: what is usual does not hold for it."""
        belief = self.with_place(x_um, y_um)
        place = belief.place_of(x_um, y_um)
        covariance, own_um = belief.covariance.copy(), belief.own_um.copy()
        part = belief.place_at[place]
        covariance[part, part] += variance
        own_um[place] = ODD_UM
        return replace(belief, covariance=covariance, own_um=own_um)

    def log_density(self, x_um: float, y_um: float, *, focus_z_um: float, std_um: float) -> float:
        """How likely a measurement is: the logarithm of its density, but for a constant."""
        [expected_um], [variance] = self.heights([[x_um, y_um]])
        noisy_um2 = float(variance) + max(std_um, self.prior.least_std_um) ** 2
        return -((focus_z_um - float(expected_um)) ** 2 / noisy_um2 + math.log(noisy_um2)) / 2

    def oddness(self) -> Array:
        """Each position's own height over what is usual: shape (P,)."""
        return self.mean[self.place_at] / self.own_um

    def made_odd(self, place: int) -> SurfaceBelief:
        """As if from the beginning nothing had been known of a position's own height.

        Notes
        -----
        What was known of it at first counts like a measurement of 0 with that variance. Here it is taken out
        again and replaced by a wide one, which is a measurement with a negative variance. Exact where own
        heights do not change; one that is hardly known any more is left as it is.
        """
        was_um, part = float(self.own_um[place]), int(self.place_at[place])
        if was_um >= ODD_UM or self.covariance[part, part] >= LEAST_KNOWN * was_um**2:
            return self
        own_um = self.own_um.copy()
        own_um[place] = ODD_UM
        row = np.zeros(len(self.mean))
        row[part] = 1
        taken_out_um2 = -1 / (1 / was_um**2 - 1 / ODD_UM**2)
        return replace(self._told(row, 0.0, taken_out_um2), own_um=own_um)

    def _told(self, row: Array, value: float, noise: float) -> SurfaceBelief:
        common = self.covariance @ row
        variance = float(row @ common) + noise
        mean = self.mean + common * ((value - float(row @ self.mean)) / variance)
        share = common / math.sqrt(abs(variance))
        covariance = np.outer(share, share)
        (np.subtract if variance > 0 else np.add)(self.covariance, covariance, out=covariance)
        return replace(self, mean=mean, covariance=covariance)

    def _mm(self, xy_um: ArrayLike) -> Array:
        return 1e-3 * (np.asarray(xy_um, float) - self.origin_um)

    def _places_of(self, xy_mm: Array) -> Indices:
        """The known position at each of some (M, 2), shape (M,); -1 where there is none."""
        if not len(self.places_mm):
            return np.full(len(xy_mm), -1)
        apart_mm = cdist(xy_mm, self.places_mm)
        nearest = apart_mm.argmin(axis=1)
        is_there = apart_mm[np.arange(len(xy_mm)), nearest] <= 1e-3 * self.prior.near_um
        return np.where(is_there, nearest, -1)

    def _on_knots(self, xy_mm: Array) -> tuple[Array, Array]:
        """Weights of the knots (M, K), and the variance of the bow (M,) that they do not tell."""
        common = self._bow(xy_mm, self.knots_mm)
        white = solve_triangular(self.knot_factor, common.T, lower=True, check_finite=False)
        weights = solve_triangular(self.knot_factor.T, white, lower=False, check_finite=False).T
        return weights, np.maximum(self.prior.bow_um**2 - (white**2).sum(axis=0), 0.0)

    def _bow(self, one_mm: Array, other_mm: Array) -> Array:
        covariance: Array = np.exp(-0.5 * cdist(one_mm, other_mm, "sqeuclidean") / self.prior.bow_mm**2)
        return self.prior.bow_um**2 * covariance

    def _with_knot(self, at_mm: Array) -> SurfaceBelief:
        [weights], [apart_um2] = self._on_knots(at_mm)
        if apart_um2 <= self.prior.knot_um**2:
            return self
        n, [common] = len(self.mean), self._bow(at_mm, self.knots_mm)
        row = np.zeros(n)
        row[self.knot_at] = weights
        white = solve_triangular(self.knot_factor, common, lower=True, check_finite=False)
        k = len(white)
        factor = np.zeros((k + 1, k + 1))
        factor[:k, :k], factor[k, :k], factor[k, k] = self.knot_factor, white, math.sqrt(apart_um2)
        return replace(
            self._with_part(row, float(row @ self.mean), float(apart_um2)),
            knots_mm=np.concatenate([self.knots_mm, at_mm]),
            knot_factor=factor,
            knot_at=np.append(self.knot_at, n),
        )

    def _with_part(self, row: Array, mean: float, apart: float) -> SurfaceBelief:
        """One more part, which is a combination of the others and something of its own."""
        common = self.covariance @ row
        n = len(self.mean)
        covariance = np.empty((n + 1, n + 1))
        covariance[:n, :n], covariance[n, :n], covariance[:n, n] = self.covariance, common, common
        covariance[n, n] = float(row @ common) + apart
        return replace(self, mean=np.append(self.mean, mean), covariance=covariance)

    def _without_place(self, place: int) -> SurfaceBelief:
        part = self.place_at[place]
        place_at = np.delete(self.place_at, place)
        return replace(
            self,
            mean=np.delete(self.mean, part),
            covariance=np.delete(np.delete(self.covariance, part, axis=0), part, axis=1),
            knot_at=self.knot_at - (self.knot_at > part),
            places_mm=np.delete(self.places_mm, place, axis=0),
            place_at=place_at - (place_at > part),
            own_um=np.delete(self.own_um, place),
            seen_s=np.delete(self.seen_s, place),
        )


def _symmetric(square: Array) -> Array:
    return (square + square.T) / 2
