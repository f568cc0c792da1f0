"""In which order to visit positions, and where to measure next to know the surface soon."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parfocal.control.learned_surface import LearnedSurface
from parfocal.errors import InputError

PLATES = {6: (2, 3, 39.12), 12: (3, 4, 26.01), 24: (4, 6, 19.3), 48: (6, 8, 13.08), 96: (8, 12, 9.0)}
PLATES |= {384: (16, 24, 4.5), 1536: (32, 48, 2.25)}
"""Rows, columns and pitch in mm: 96 wells and more by ANSI SLAS 4-2004, fewer as Corning has them."""


def well_positions_um(n_wells: int) -> NDArray[np.float64]:
    """Middles of the wells of a usual plate from the first well, row by row: shape (wells, 2), x and y in um.

    Raises
    ------
    InputError
        If there is no usual plate of so many wells.

    Examples
    --------
    >>> well_positions_um(96)[[0, 1, 12]].tolist()
    [[0.0, 0.0], [9000.0, 0.0], [0.0, 9000.0]]
    """
    if n_wells not in PLATES:
        raise InputError(f"expected a plate of {', '.join(map(str, PLATES))} wells, got {n_wells}")
    rows, columns, pitch_mm = PLATES[n_wells]
    y, x = np.mgrid[:rows, :columns]
    return 1000 * pitch_mm * np.stack([x, y], axis=-1).reshape(-1, 2)


def serpentine(xy_um: ArrayLike, *, row_um: float = 100.0) -> list[int]:
    """Positions row by row, every other row backward, so that no move is long.

    Parameters
    ----------
    xy_um : array, shape (M, 2)
    row_um : float
        Positions that differ less than this in y are of one row.

    Returns
    -------
    order : list of int
        Which position comes when: each of them once.

    Examples
    --------
    >>> serpentine([[0, 0], [9, 0], [0, 900], [9, 900]])
    [0, 1, 3, 2]
    """
    xy_um = np.asarray(xy_um, float).reshape(-1, 2)
    by_y = np.argsort(xy_um[:, 1], kind="stable")
    starts = np.nonzero(np.diff(xy_um[by_y, 1]) > row_um)[0] + 1
    order: list[int] = []
    for k, row in enumerate(np.split(by_y, starts)):
        along = row[np.argsort(xy_um[row, 0], kind="stable")]
        order += (along[::-1] if k % 2 else along).tolist()
    return order


def propose(
    surface: LearnedSurface,
    xy_um: ArrayLike,
    *,
    t_s: float,
    n: int = 1,
    std_um: float = 0.2,
    aim: Literal["total", "worst"] = "total",
) -> list[int]:
    """Where among some candidates to measure next, best first.

    Parameters
    ----------
    surface : LearnedSurface
    xy_um : array, shape (M, 2)
        Candidates.
    t_s : float
        When.
    n : int
        How many, each chosen as if those before had been measured.
    std_um : float
        Error of a measurement.
    aim : str
        ``total``: what makes the variance of all candidates together smallest; ``worst``: the least certain.

    Returns
    -------
    chosen : list of int
        Which of the candidates, each at most once.

    Notes
    -----
    What is known before the first measurement tells where to begin with a new plate. That a measurement
    lessens the variance by so much does not depend on what it says.

    Examples
    --------
    >>> wells_um = well_positions_um(96)
    >>> wells_um[propose(LearnedSurface(), wells_um, t_s=0.0, n=3)].tolist()
    [[54000.0, 36000.0], [18000.0, 36000.0], [54000.0, 9000.0]]
    """
    xy_um = np.asarray(xy_um, float).reshape(-1, 2)
    if not len(xy_um):
        return []
    belief = surface.belief_at(t_s, near_um=xy_um).with_knots(xy_um)
    rows, apart_um2 = belief.rows(xy_um)
    covariance = rows @ belief.covariance @ rows.T + np.diag(apart_um2)
    chosen: list[int] = []
    for _ in range(min(n, len(xy_um))):
        variances = covariance.diagonal()
        measured = np.maximum(variances, 0) + std_um**2
        gains = (covariance**2).sum(axis=0) / measured if aim == "total" else variances.copy()
        gains[chosen] = -np.inf
        best = int(np.argmax(gains))
        chosen.append(best)
        column = covariance[:, best]
        covariance = covariance - np.outer(column, column / measured[best])
    return chosen
