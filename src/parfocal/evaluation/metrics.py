"""Accuracy of inferred defocus against the truth: arrays in, plain JSON-safe values out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parfocal.evaluation.bootstrap import ci95_of_mean

Block = dict[str, Any]
"""The numbers of one set of frames, as metrics.json holds them."""

BANDS_UM: tuple[tuple[str, float, float], ...] = (
    ("0-3", -math.inf, 3.0),
    ("3-10", 3.0, 10.0),
    ("10-15", 10.0, 15.0),
    ("above 15", 15.0, math.inf),
)
"""Bands of distance from focus: name, and the ends of ``low < |z| <= high`` in um."""

_MOST_BINS = 41  # the paper's finest map: 1 um over +-20 um


def focus_metrics(
    actual_um: ArrayLike,
    inferred_um: ArrayLike,
    *,
    stack_index: ArrayLike,
    bin_edges_um: ArrayLike,
    dof_um: float | None = None,
    interval_low_um: ArrayLike | None = None,
    interval_high_um: ArrayLike | None = None,
    accepted: ArrayLike | None = None,
    seed: int = 0,
) -> Block:
    """Errors of `inferred_um` against `actual_um`, as numbers that JSON can hold.

    Parameters
    ----------
    actual_um : array, shape (N,)
        True defocus of each frame, in um.
    inferred_um : array, shape (N,)
        Inferred defocus, in um; NaN where the estimator gave no number. Errors are over the frames that
        have one.
    stack_index : array, shape (N,)
        Which stack each frame belongs to: any labels.
    bin_edges_um : array, shape (bins + 1,)
        Edges of the bins of `mae_by_z` and `confusion`, increasing, in um. Values outside count in the
        first or last bin.
    dof_um : float, optional
        Depth of field, in um.
    interval_low_um, interval_high_um : array, shape (N,), optional
        Ends of the 90 % interval of each frame, in um.
    accepted : array of bool, shape (N,), optional
        Where the estimator stands by its answer; by default wherever it gave a number.
    seed : int
        Seed of the bootstrap over stacks.

    Returns
    -------
    dict
        ``n_stacks, n_images``; ``answered_rate`` (a number was given) and ``accepted_rate`` (the estimator
        stands by it); ``mae_um`` with ``mae_um_ci95`` (bootstrap over stacks, None for one stack),
        ``median_abs_um, rmse_um, mse_um2, bias_um, std_um`` with error = inferred - actual; the fractions
        ``within_1um`` with ``within_1um_ci95``, ``within_half_dof, wrong_sign_rate, interval90_coverage``;
        ``dof_um``; ``mae_by_z``
        (``bin_centres_um, mae_um, bias_um, n_images``) and ``confusion`` (``bin_edges_um, probability``:
        rows are actual bins, columns inferred ones, a row sums to 1). None where there is nothing to say.

    Notes
    -----
    A wrong sign is a move away from focus: actual and inferred lie on opposite sides of 0. It is counted
    among the answered frames more than one depth of field from focus (1 um where that is unknown).

    Examples
    --------
    >>> block = focus_metrics([-2, 0, 2], [-2.5, 0, 2.5], stack_index=[0, 0, 1], bin_edges_um=[-3, 0, 3])
    >>> block["n_images"], round(block["mae_um"], 3), block["bias_um"], block["within_1um"]
    (3, 0.333, 0.0, 1.0)
    """
    actual, inferred = np.asarray(actual_um, np.float64), np.asarray(inferred_um, np.float64)
    answered = np.isfinite(inferred)
    trusted = answered if accepted is None else answered & np.asarray(accepted, bool)
    stacks, edges = np.asarray(stack_index), np.asarray(bin_edges_um, np.float64)
    truth, answer = actual[answered], inferred[answered]
    error = answer - truth
    return {
        "n_stacks": len(np.unique(stacks)),
        "n_images": len(actual),
        "answered_rate": _mean(answered),
        "accepted_rate": _mean(trusted),
        "mae_um": _mean(np.abs(error)),
        "mae_um_ci95": ci95_of_mean(np.abs(error), stacks[answered], seed=seed),
        **_error_moments(error),
        "within_1um": _mean(np.abs(error) <= 1.0),
        "within_1um_ci95": ci95_of_mean(np.abs(error) <= 1.0, stacks[answered], seed=seed),
        "within_half_dof": None if dof_um is None else _mean(np.abs(error) <= dof_um / 2),
        "wrong_sign_rate": wrong_sign_rate(truth, answer, dof_um=dof_um),
        "interval90_coverage": _coverage(actual, interval_low_um, interval_high_um),
        "dof_um": dof_um,
        "mae_by_z": _error_by_bin(truth, error, edges),
        "confusion": _confusion(truth, answer, edges),
    }


def metrics_by_band(actual_um: ArrayLike, inferred_um: ArrayLike, **others: Any) -> dict[str, Block]:
    """Blocks of `focus_metrics`, one for each band of distance from focus that has frames.

    Parameters
    ----------
    actual_um, inferred_um : array, shape (N,)
        As in `focus_metrics`.
    **others
        The keywords of `focus_metrics`.

    Returns
    -------
    dict
        Blocks under the names of `BANDS_UM`.

    Examples
    --------
    >>> list(metrics_by_band([-2, 4], [-2, 4], stack_index=[0, 0], bin_edges_um=[-5, 5]))
    ['0-3', '3-10']
    """
    distance = np.abs(np.asarray(actual_um, np.float64))
    inside = {name: (distance > low) & (distance <= high) for name, low, high in BANDS_UM}
    return {
        name: metrics_where(chosen, actual_um, inferred_um, **others)
        for name, chosen in inside.items()
        if chosen.any()
    }


def metrics_where(
    chosen: NDArray[np.bool_], actual_um: ArrayLike, inferred_um: ArrayLike, **others: Any
) -> Block:
    """Block of `focus_metrics` over some frames.

    Parameters
    ----------
    chosen : array of bool, shape (N,)
        Which.
    actual_um, inferred_um, **others
        As in `focus_metrics`, of all N frames.
    """
    actual, inferred = np.asarray(actual_um, np.float64), np.asarray(inferred_um, np.float64)
    of_chosen = {key: _only(value, chosen, per_frame=key in _PER_FRAME) for key, value in others.items()}
    return focus_metrics(actual[chosen], inferred[chosen], **of_chosen)


_PER_FRAME = ("stack_index", "interval_low_um", "interval_high_um", "accepted")


def bin_edges_um(low_um: float, high_um: float) -> NDArray[np.float64]:
    """Edges of round bins that cover a z range, with a bin centred on 0.

    Parameters
    ----------
    low_um, high_um : float
        Lowest and highest defocus to cover, in um.

    Returns
    -------
    array, shape (bins + 1,)
        Edges in um. The width is the finest of 0.1, 0.2, 0.5, 1, 2, 5, ... um that needs at most 41 bins.

    Examples
    --------
    >>> edges = bin_edges_um(-15.0, 15.0)
    >>> float(edges[0]), float(edges[1]), len(edges)
    (-15.5, -14.5, 32)
    """
    width = next(w for w in _round_widths() if _last(high_um, w) - _first(low_um, w) < _MOST_BINS)
    centres = np.arange(_first(low_um, width), _last(high_um, width) + 1)
    return np.append(centres - 0.5, centres[-1] + 0.5) * width


def _round_widths() -> list[float]:
    return [digit * 10.0**power for power in range(-1, 7) for digit in (1, 2, 5)]


def _first(low_um: float, width: float) -> int:
    return math.floor(low_um / width + 0.5)


def _last(high_um: float, width: float) -> int:
    return math.ceil(high_um / width - 0.5)


def _only(value: Any, inside: NDArray[np.bool_], *, per_frame: bool) -> Any:
    return np.asarray(value)[inside] if per_frame and value is not None else value


def _mean(values: NDArray[Any]) -> float | None:
    return float(np.mean(values)) if values.size else None


def _error_moments(error_um: NDArray[np.float64]) -> dict[str, float | None]:
    if not error_um.size:
        return dict.fromkeys(("median_abs_um", "rmse_um", "mse_um2", "bias_um", "std_um"))
    mse_um2 = float(np.mean(error_um**2))
    return {
        "median_abs_um": float(np.median(np.abs(error_um))),
        "rmse_um": math.sqrt(mse_um2),
        "mse_um2": mse_um2,
        "bias_um": float(np.mean(error_um)),
        "std_um": float(np.std(error_um)),
    }


def wrong_sign_rate(
    actual_um: NDArray[np.float64], inferred_um: NDArray[np.float64], *, dof_um: float | None
) -> float | None:
    """Share of answers on the wrong side of focus, see `focus_metrics`; None where there is no frame."""
    far = np.abs(actual_um) > (1.0 if dof_um is None else dof_um)
    return _mean(actual_um[far] * inferred_um[far] < 0)


def _coverage(
    actual_um: NDArray[np.float64], low_um: ArrayLike | None, high_um: ArrayLike | None
) -> float | None:
    if low_um is None or high_um is None:
        return None
    low, high = np.asarray(low_um, np.float64), np.asarray(high_um, np.float64)
    known = np.isfinite(low) & np.isfinite(high)
    return _mean((low[known] <= actual_um[known]) & (actual_um[known] <= high[known]))


def _bin_of(z_um: NDArray[np.float64], edges_um: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.clip(np.searchsorted(edges_um, z_um, side="right") - 1, 0, len(edges_um) - 2)


def _error_by_bin(
    actual_um: NDArray[np.float64], error_um: NDArray[np.float64], edges_um: NDArray[np.float64]
) -> dict[str, list[Any]]:
    bins = _bin_of(actual_um, edges_um)
    groups = [error_um[bins == index] for index in range(len(edges_um) - 1)]
    return {
        "bin_centres_um": _rounded((edges_um[1:] + edges_um[:-1]) / 2),
        "mae_um": [_mean(np.abs(group)) for group in groups],
        "bias_um": [_mean(group) for group in groups],
        "n_images": [len(group) for group in groups],
    }


def _confusion(
    actual_um: NDArray[np.float64], inferred_um: NDArray[np.float64], edges_um: NDArray[np.float64]
) -> dict[str, list[Any]]:
    n_bins = len(edges_um) - 1
    counts = np.zeros((n_bins, n_bins))
    np.add.at(counts, (_bin_of(actual_um, edges_um), _bin_of(inferred_um, edges_um)), 1)
    rows = [_rounded(row / row.sum()) if row.sum() else [None] * n_bins for row in counts]
    return {"bin_edges_um": _rounded(edges_um), "probability": rows}


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 6) for value in values]
