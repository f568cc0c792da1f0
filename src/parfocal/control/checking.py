"""Checking: makes the self-check of a lock look by look, and keeps what it vouches for."""

from __future__ import annotations

from dataclasses import dataclass

from parfocal.control.controller import Decision
from parfocal.control.self_check import Look, SelfCheck, SelfCheckSettings, check_looks, planned_offset_um
from parfocal.estimate import FocusEstimate

CHECKS_PER_RANGE = 24
"""A known move is that part of what the model can tell, unless the settings say how long it is."""
WAITING = "waiting for an image that can be told"


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

    @property
    def verdict(self) -> SelfCheck | None:
        """What came of it; None if there was none, or not yet."""
        return self._verdict

    @property
    def is_wanted(self) -> bool:
        """Whether the model is still to be checked."""
        return self._settings is not None and self._verdict is None

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
        return self._verdict is not None and estimate.in_distribution >= self._verdict.vouched_from

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
        if check.refusal and is_strange:
            # Of strange images that proves little: one that looks familiar may be found.
            self._tries_strange = False
            told = f"self-check on images that look strange: {check.refusal}"
            return CheckStep(Decision(0.0, WAITING), told)
        self._verdict = check
        return CheckStep(
            Decision(0.0, "the self-check is done"), f"self-check: {check.in_words}", is_over=True
        )
