"""Checking: makes the self-check of a lock look by look, and keeps what it vouches for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parfocal.control.controller import Decision
from parfocal.control.self_check import Look, SelfCheck, SelfCheckSettings, check_looks, planned_offset_um
from parfocal.estimate import FocusEstimate

CHECKS_PER_RANGE = 24
"""A known move is that part of what the model can tell, unless the settings say how long it is."""
DONE = "the self-check is done"
WAITING = "waiting for an image that can be told"
AGAIN_AFTER_S = 600.0
"""From one check that a warning led to, to the next: known moves must not go on for ever."""


@dataclass(frozen=True)
class CheckStep:
    """What follows from a look: where the stage goes next, and what the record is told, if anything.

    `is_over` says that the check has come to its verdict.
    """

    decision: Decision
    event: str = ""
    is_over: bool = False


class Checking:
    """The self-check of a lock.

    Parameters
    ----------
    settings : SelfCheckSettings, optional
        None: nothing is checked, and no strange image is vouched for.
    z_range_um : tuple of float
        Lowest and highest defocus that the model can tell.
    longest_um : float
        No known move is longer.
    """

    def __init__(
        self, settings: SelfCheckSettings | None, *, z_range_um: tuple[float, float], longest_um: float
    ) -> None:
        self._settings = settings
        lowest_um, highest_um = z_range_um
        given_um = settings.step_um if settings else None
        self._step_um = min(given_um or (highest_um - lowest_um) / CHECKS_PER_RANGE, longest_um)
        self._looks: list[Look] = []
        self._verdict: SelfCheck | None = None
        self._tries_strange = True
        self._n_tries = 0
        self._vouched_from = self._worth_from = math.inf  # what a check vouched for, now and ever
        self._is_anew, self._anew_s = False, -math.inf

    @property
    def verdict(self) -> SelfCheck | None:
        """What came of it; None if there was none, or not yet."""
        return self._verdict

    @property
    def is_wanted(self) -> bool:
        """Whether the model is still to be checked."""
        return self._settings is not None and (self._verdict is None or self._is_anew)

    @property
    def has_vouched(self) -> bool:
        """Whether strange images are trusted."""
        return math.isfinite(self._vouched_from)

    @property
    def is_under_way(self) -> bool:
        """Whether a first look was taken."""
        return bool(self._looks)

    def interrupt(self) -> None:
        """What was seen up to now does not count: it begins anew."""
        self._looks.clear()

    def vouches_for(self, estimate: FocusEstimate, *, is_verifying: bool) -> bool:
        """Whether an image looks strange, but the stage has shown that the model is right on this sample."""
        if not estimate.is_strange:
            return False
        if self.is_wanted:  # that is what the self-check is to find out
            return self._tries_strange and is_verifying
        return estimate.in_distribution >= self._vouched_from

    def begins_anew(self, estimate: FocusEstimate, *, t_s: float, is_warned: bool) -> bool:
        """Whether a new check begins with this image.

        One begins where strange images were trusted, and a warning says that the answers follow the stage no
        longer, or the last check said so: the stage decides whether they are trusted again.
        """
        is_worth_it = estimate.is_strange and estimate.in_distribution >= self._worth_from
        is_doubted = is_warned or not self.has_vouched
        if self.is_wanted or not (is_worth_it and is_doubted) or t_s < self._anew_s + AGAIN_AFTER_S:
            return False
        self._is_anew, self._anew_s, self._tries_strange = True, t_s, True
        return True

    def look(self, estimate: FocusEstimate, *, z_um: float) -> CheckStep:
        """One more look, and the known move to the next; after the last, the verdict."""
        assert self._settings
        self._looks.append(
            Look(z_um, estimate.defocus_um, estimate.accepted, estimate.in_distribution, estimate.is_strange)
        )
        done = len(self._looks)
        if done < self._settings.looks:
            there_um = self._looks[0].z_um + planned_offset_um(done, step_um=self._step_um)
            return CheckStep(Decision(there_um - z_um, "a known move, to check the model"))
        return self._conclude(self._settings)

    def _conclude(self, settings: SelfCheckSettings) -> CheckStep:
        check, is_strange = check_looks(self._looks, settings), any(look.is_strange for look in self._looks)
        self._looks.clear()
        if not check.is_proven and self._n_tries + 1 < settings.most_tries:
            self._n_tries += 1
            told = f"self-check: {check.refusal}; it is made again"
            return CheckStep(Decision(0.0, "the self-check proved nothing and is made again"), told)
        self._n_tries = 0
        if check.refusal and (is_strange or (self._is_anew and not check.is_proven)):
            return self._on_strange_images(check)
        self._verdict, self._is_anew = check, False
        self._vouched_from = check.vouched_from
        if check.vouches:
            self._worth_from = check.vouched_from
        return CheckStep(Decision(0.0, DONE), f"self-check: {check.in_words}", is_over=True)

    def _on_strange_images(self, check: SelfCheck) -> CheckStep:
        """A refusal that proves little: an image that looks familiar may be found."""
        told = f"self-check on images that look strange: {check.refusal}"
        self._tries_strange, self._vouched_from = False, math.inf
        if self._is_anew:  # familiar images are trusted as before
            self._is_anew = False
            return CheckStep(Decision(0.0, DONE), told, is_over=True)
        return CheckStep(Decision(0.0, WAITING), told)
