"""SampleTrust: whether a model is to be followed on the sample at hand, as the stage's own moves tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from parfocal.control.self_check import Look, SelfCheck, SelfCheckSettings, check_looks
from parfocal.estimate import FocusEstimate


class SampleTrust:
    """Remembers what a self-check found, for all places of one sample.

    Parameters
    ----------
    settings : SelfCheckSettings, optional
        None: the model is taken at its word, and no strange image is trusted.
    """

    def __init__(self, settings: SelfCheckSettings | None) -> None:
        self._settings = settings
        self._check: SelfCheck | None = None
        self._n_tries = 0

    @property
    def check(self) -> SelfCheck | None:
        """What the last check found; None if there was none yet."""
        return self._check

    @property
    def settings(self) -> SelfCheckSettings | None:
        """How the model is checked, where a check is still to be made."""
        settings = self._settings
        is_open = self._check is None or not self._check.is_proven
        return settings if settings is not None and is_open and self._n_tries < settings.most_tries else None

    @property
    def refusal(self) -> str:
        """Why the model must not be followed on this sample; empty if it may."""
        return self._check.refusal if self._check is not None and self._check.is_proven else ""

    def doubt(self) -> None:
        """Let the model be checked again before it is followed."""
        self._check, self._n_tries = None, 0

    def seen(self, looks: Sequence[Look]) -> None:
        """What known moves showed.

        Raises
        ------
        ValueError
            If no check is to be made.
        """
        if self._settings is None:
            raise ValueError("expected settings of a self-check, there are none")
        self._n_tries += 1
        self._check = check_looks(looks, self._settings)

    def of(self, estimate: FocusEstimate) -> FocusEstimate:
        """The estimate, accepted also where it is strange and nothing else, and the stage vouches for it."""
        vouched_from = math.inf if self._check is None else self._check.vouched_from
        is_vouched = estimate.is_strange and estimate.in_distribution >= vouched_from
        return replace(estimate, accepted=True) if is_vouched else estimate
