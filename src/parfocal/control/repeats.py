"""Repeats: events that come again and again are written now and then, with how many were not."""

from __future__ import annotations

from parfocal.control.allowance import HOUR_S, Allowance

MOST_PER_H = 20
"""Events of one kind, at once and again in each hour."""


class Repeats:
    """Says of each event whether it is written.

    Examples
    --------
    >>> repeats = Repeats()
    >>> told = [repeats.told("uncertain", kind="uncertain", t_s=k) for k in range(500)]
    >>> sum(text != "" for text in told)
    22
    >>> told[180]
    'uncertain (160 more times before)'
    >>> repeats.untold()
    ['139 more times: uncertain']
    """

    def __init__(self) -> None:
        self._left: dict[str, Allowance] = {}
        self._untold: dict[str, int] = {}

    def told(self, text: str, *, kind: str, t_s: float) -> str:
        """What is written of an event at `t_s` on the lock's clock; empty if it only counts."""
        left = self._left.get(kind) or Allowance(MOST_PER_H, MOST_PER_H / HOUR_S, MOST_PER_H, t_s)
        if left.available(t_s=t_s) < 1:
            self._untold[kind] = self._untold.get(kind, 0) + 1
            return ""
        self._left[kind] = left.spend(1.0, t_s=t_s)
        n = self._untold.pop(kind, 0)
        return f"{text} ({n} more times before)" if n else text

    def untold(self) -> list[str]:
        """What was counted and not written up to now, for the end of a run."""
        return [f"{n} more times: {kind}" for kind, n in self._untold.items()]
