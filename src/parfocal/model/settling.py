"""When a training has settled, and how the rest of it is shortened then."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

WORTHWHILE = 0.02
"""Relative improvement below which going on at the same pace is not worth its time."""


def has_settled(errors_um: Sequence[float], *, patience: int) -> bool:
    """Whether the last validation errors are no better than those before them.

    Parameters
    ----------
    errors_um : sequence of float
        Mean absolute errors on the validation stacks, oldest first.
    patience : int
        How many errors are compared with how many before them.

    Notes
    -----
    Medians of the two windows: at a high learning rate single errors go up and down by a third, and the
    lowest of many says more of luck than of progress.

    Examples
    --------
    >>> has_settled([0.9, 0.5, 0.3, 0.2], patience=2), has_settled([0.9, 0.2, 0.3, 0.2, 0.3], patience=2)
    (False, True)
    """
    last, before = errors_um[-patience:], errors_um[-2 * patience : -patience]
    return len(before) == patience and median(last) > (1 - WORTHWHILE) * median(before)


def shortened(done: float, *, settled_at: float, cool_down: float) -> tuple[float, float]:
    """A run that goes on, once settled, for a part of the time that it has taken so far.

    Parameters
    ----------
    done : float
        How much of the plan is done, from `settled_at` to 1.
    settled_at : float
        How much of it was done when the run had settled.
    cool_down : float
        Length of the rest of the run, as a part of what was done. It never goes beyond the plan.

    Returns
    -------
    fraction : float
        How much of the shortened run is done; 1 is all of it.
    position : float
        Where in the schedule of learning rates it is: the whole rest of the schedule, only faster.

    Examples
    --------
    >>> [round(x, 3) for x in shortened(0.46, settled_at=0.4, cool_down=0.3)]
    [0.885, 0.7]
    """
    end = min(1.0, settled_at * (1 + cool_down))
    rest = (done - settled_at) / (end - settled_at) if end > settled_at else 1.0
    return done / end, settled_at + min(rest, 1.0) * (1 - settled_at)
