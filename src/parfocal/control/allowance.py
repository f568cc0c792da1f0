"""Allowance: how much more may be spent now, where so much grows back in a second."""

from __future__ import annotations

from dataclasses import dataclass, replace

HOUR_S = 3600.0


@dataclass(frozen=True)
class Allowance:
    """Something that is spent and grows back (a token bucket).

    Attributes
    ----------
    most : float
        What there is after a long rest.
    per_s : float
        How fast it grows back.
    left : float
        What there was at `at_s`.
    at_s : float

    Examples
    --------
    >>> full = Allowance(most=5.0, per_s=1.0, left=5.0, at_s=0.0)
    >>> full.spend(4.0, t_s=0.0).available(t_s=2.0)
    3.0
    """

    most: float
    per_s: float
    left: float
    at_s: float

    def available(self, *, t_s: float) -> float:
        """What may be spent at a time; a clock that was set back takes nothing away."""
        return min(self.left + self.per_s * max(t_s - self.at_s, 0.0), self.most)

    def spend(self, amount: float, *, t_s: float) -> Allowance:
        """The allowance after something was spent."""
        return replace(self, left=max(self.available(t_s=t_s) - amount, 0.0), at_s=t_s)
