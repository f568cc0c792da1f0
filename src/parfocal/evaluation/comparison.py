"""Two models on the same images: which errs less, by how much, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parfocal.errors import DatasetError
from parfocal.evaluation.bootstrap import ends95, resampled_means
from parfocal.evaluation.frames import FrameResult, column
from parfocal.evaluation.metrics import bin_edges_um, focus_metrics

_SAME_PLACE_UM = 1e-6
_MOST_TURNS = 4096
_ROUNDING_UM = 1e-9

Floats = NDArray[np.float64]
Pairs = list[tuple[FrameResult, FrameResult]]


def paired_difference(
    error_a_um: ArrayLike, error_b_um: ArrayLike, *, stacks: ArrayLike, seed: int = 0
) -> dict[str, Any]:
    """How much less or more B errs than A on the same images, with a bootstrap over stacks.

    Parameters
    ----------
    error_a_um, error_b_um : array, shape (N,)
        Error of each model on each image, in um; the sign does not count. N > 0.
    stacks : array, shape (N,)
        Which stack each image belongs to: any labels.
    seed : int
        Of the draws.

    Returns
    -------
    dict
        ``n_images, n_stacks``; ``mae_um`` and ``within_1um``, B minus A, with ``mae_um_ci95`` and
        ``within_1um_ci95``; ``probability_b_better`` (share of the draws where B's mean absolute error is the
        smaller; 0.5 where both are the same); ``p_value`` (two-sided, of a difference as large by chance);
        ``stacks_a_better`` and ``stacks_b_better``, shares of stacks; and ``by_stack`` (``stack, n_images,
        a_mae_um, b_mae_um``). The intervals, the probability and p are None for a single stack.

    Notes
    -----
    Both models are drawn with the same stacks, so what makes a stack hard for both cancels. One hit is added
    to each side of the probability, so that it is never quite 0 or 1 (Davison & Hinkley 1997, section 4.2).
    The p-value turns the sign of the difference of whole stacks, every way or `_MOST_TURNS` at random: from
    n stacks it is never below 2 / 2**n, where a bootstrap would promise too much.

    Examples
    --------
    >>> found = paired_difference([0.5, -0.5, 0.25], [0.25, 0.25, 0.0], stacks=["s", "s", "t"])
    >>> found["mae_um"], found["mae_um_ci95"], found["stacks_b_better"]
    (-0.25, [-0.25, -0.25], 1.0)
    """
    a_um, b_um = (np.abs(np.asarray(error, np.float64)) for error in (error_a_um, error_b_um))
    names = np.asarray(stacks)
    by_stack = _by_stack(a_um, b_um, names)
    gain_um = np.asarray(by_stack["b_mae_um"]) - np.asarray(by_stack["a_mae_um"])
    within = (b_um <= 1.0).astype(np.float64) - (a_um <= 1.0)
    drawn_um, drawn_within = (resampled_means(values, names, seed=seed) for values in (b_um - a_um, within))
    return {
        "n_images": len(a_um),
        "n_stacks": len(gain_um),
        "mae_um": float(np.mean(b_um - a_um)),
        "mae_um_ci95": None if drawn_um is None else ends95(drawn_um),
        "within_1um": float(np.mean(within)),
        "within_1um_ci95": None if drawn_within is None else ends95(drawn_within),
        "probability_b_better": None if drawn_um is None else _probability_below_zero(drawn_um),
        "p_value": _p_value(b_um - a_um, names, seed=seed) if len(gain_um) > 1 else None,
        "stacks_a_better": float(np.mean(gain_um > 0)),
        "stacks_b_better": float(np.mean(gain_um < 0)),
        "by_stack": by_stack,
    }


def compare_frames(
    a: Sequence[FrameResult], b: Sequence[FrameResult], *, dof_um: float | None
) -> dict[str, Any]:
    """Errors of two models on the images that both answered.

    Parameters
    ----------
    a, b : sequence of FrameResult
        What each said, of the same stacks.
    dof_um : float or None
        Depth of field, in um.

    Returns
    -------
    dict
        ``a`` and ``b``, blocks of `focus_metrics`; ``difference``, see `paired_difference`; ``accepted``, the
        same over the images where both stand by their answers, None where there are none; and ``unanswered``,
        how many images ``a``, ``b`` and ``either`` gave no number for.

    Raises
    ------
    DatasetError
        If no image was answered by both, or what is in focus is not the same in both.
    """
    pairs = _pairs(a, b)
    silent = [(math.isnan(of_a.inferred_um), math.isnan(of_b.inferred_um)) for of_a, of_b in pairs]
    told = [pair for pair, (by_a, by_b) in zip(pairs, silent, strict=True) if not (by_a or by_b)]
    if not told:
        raise DatasetError("Expected images that both models answered; there are none to compare on.")
    trusted = [pair for pair in told if pair[0].accepted and pair[1].accepted]
    edges_um = bin_edges_um(*_ends([of_a.actual_um for of_a, _ in told]))
    return {
        "a": _block([of_a for of_a, _ in told], edges_um=edges_um, dof_um=dof_um),
        "b": _block([of_b for _, of_b in told], edges_um=edges_um, dof_um=dof_um),
        "difference": _difference(told),
        "accepted": _difference(trusted) if trusted else None,
        "unanswered": {
            "a": sum(by_a for by_a, _ in silent),
            "b": sum(by_b for _, by_b in silent),
            "either": len(pairs) - len(told),
        },
    }


def _pairs(a: Sequence[FrameResult], b: Sequence[FrameResult]) -> Pairs:
    of_b = {(frame.stack, frame.plane): frame for frame in b}
    keys = [(frame.stack, frame.plane) for frame in a]
    pairs = [(frame, of_b[key]) for frame, key in zip(a, keys, strict=True) if key in of_b]
    for of_a, other in pairs:
        if abs(of_a.actual_um - other.actual_um) > _SAME_PLACE_UM:
            raise DatasetError(
                f"Expected the same focus in both evaluations; plane {of_a.plane} of stack '{of_a.stack}' is "
                f"{of_a.actual_um:g} um from focus in one and {other.actual_um:g} um in the other. "
                "Evaluate both again."
            )
    return pairs


def _block(frames: Sequence[FrameResult], *, edges_um: Floats, dof_um: float | None) -> dict[str, Any]:
    return focus_metrics(
        column(frames, "actual_um"),
        column(frames, "inferred_um"),
        stack_index=column(frames, "stack"),
        bin_edges_um=edges_um,
        dof_um=dof_um,
        interval_low_um=column(frames, "low_um"),
        interval_high_um=column(frames, "high_um"),
        accepted=column(frames, "accepted"),
    )


def _difference(pairs: Pairs) -> dict[str, Any]:
    error_a, error_b = ([pair[side].inferred_um - pair[side].actual_um for pair in pairs] for side in (0, 1))
    return paired_difference(error_a, error_b, stacks=[of_a.stack for of_a, _ in pairs])


def _by_stack(a_um: Floats, b_um: Floats, stacks: NDArray[Any]) -> dict[str, list[Any]]:
    names, of_stack, counts = np.unique(stacks, return_inverse=True, return_counts=True)
    means: Mapping[str, Floats] = {
        f"{side}_mae_um": np.bincount(of_stack, weights=error_um) / counts
        for side, error_um in (("a", a_um), ("b", b_um))
    }
    return {
        "stack": [str(name) for name in names],
        "n_images": counts.tolist(),
        **{key: values.tolist() for key, values in means.items()},
    }


def _probability_below_zero(drawn: Floats) -> float:
    hits = np.sum(drawn < 0) + np.sum(drawn == 0) / 2
    return float((hits + 1) / (len(drawn) + 2))


def _p_value(difference_um: Floats, stacks: NDArray[Any], *, seed: int) -> float:
    of_stack = np.bincount(np.unique(stacks, return_inverse=True)[1], weights=difference_um)
    n_stacks = len(of_stack)
    is_exact = 2**n_stacks <= _MOST_TURNS
    if is_exact:
        turned = (np.arange(2**n_stacks)[:, None] >> np.arange(n_stacks)) & 1  # (turns, stacks)
    else:
        turned = np.random.default_rng(seed).integers(2, size=(_MOST_TURNS, n_stacks))
    totals = np.abs((1 - 2 * turned) @ of_stack)
    hits = int(np.sum(totals >= abs(of_stack.sum()) - _ROUNDING_UM))
    return hits / len(totals) if is_exact else (hits + 1) / (len(totals) + 1)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)
