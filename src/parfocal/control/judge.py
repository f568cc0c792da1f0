"""Judge: what the frames up to now say of a lock, as far as its state depends on it."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from parfocal.control.belief import Belief
from parfocal.control.lock_settings import LockSettings
from parfocal.control.lock_state import Standing
from parfocal.control.recovery import Recovery
from parfocal.estimate import FocusEstimate

TEXTURE_EVERY_S = 10.0
"""What there is to see in focus changes slowly, and looking at it takes a part of a millisecond."""
BLIND_EVERY_S = 1.0
"""Of the camera, when nothing can be told; each frame, where they come more slowly."""


class Judge:
    """Counts the frames that were no good, and notices empty fields and moves that do not help.

    Parameters
    ----------
    settings : LockSettings
    recovery : Recovery
        Is told where the focus is seen.
    pixel_size_um : float
        Side of a pixel in the sample, in um.
    """

    def __init__(self, settings: LockSettings, recovery: Recovery, *, pixel_size_um: float) -> None:
        self._settings, self._recovery, self._pixel_size_um = settings, recovery, pixel_size_um
        self._n_bad = self._n_blind = 0
        self._moves_help = True
        self._is_empty = self._is_trusted = self._is_seen_again = False
        self._textured_s = -math.inf

    @property
    def is_empty(self) -> bool:
        """Whether the field shows nothing that could be told."""
        return self._is_empty

    @property
    def is_trusted(self) -> bool:
        """Whether the last frame gave something to act on."""
        return self._is_trusted

    @property
    def moves_help(self) -> bool:
        """Whether moves did what the estimates promised."""
        return self._moves_help

    @property
    def is_blind_for_long(self) -> bool:
        """Whether nothing could be told for so long that the focus is looked for."""
        return self._settings.is_long(self._n_blind)

    @property
    def is_over(self) -> bool:
        """Whether there is no hope from here: nothing to be told for long, or moves that do not help."""
        return self.is_blind_for_long or not self._moves_help

    def start_over(self) -> None:
        """What was seen up to now is of another time."""
        self._n_bad = self._n_blind = 0

    def aim(self, settings: LockSettings) -> None:
        """Settings with another target: that it is not there yet is no failure."""
        self._settings, self._n_bad = settings, 0

    def saw(self) -> None:
        """A frame of the self-check: there is something to see."""
        self._n_blind = 0

    def saw_nothing(self, frame_yx: NDArray[Any], *, is_doubted: bool) -> None:
        """A frame before the self-check that cannot be told."""
        self._n_blind += 1
        self._notice_emptiness(frame_yx, is_doubted=is_doubted)

    def moves_are_useless(self, belief: Belief) -> bool:
        """Whether it is found now that moves again and again did not do what the estimates promised."""
        if not self._moves_help or belief.n_resets < self._settings.useless_moves:
            return False
        self._moves_help = False
        self._recovery.distrust()
        return True

    def standing(
        self,
        estimate: FocusEstimate,
        belief: Belief,
        frame_yx: NDArray[Any],
        *,
        t_s: float,
        z_um: float,
        is_doubted: bool,
    ) -> Standing:
        """How the lock stands after one more frame; one that is doubted is not of the present."""
        settings, recovery = self._settings, self._recovery
        error_um = belief.mean_um - settings.controller.target_um
        widest_um = max(estimate.std_um, belief.sd_um)
        self._is_trusted = estimate.accepted and not settings.controller.is_unsure(
            error_um=error_um, sd_um=widest_um
        )
        is_within = abs(error_um) <= settings.tolerance_um
        self._count(is_good=self._is_trusted and is_within and self._moves_help)
        is_good = self._n_bad == 0 and not belief.n_outliers
        if is_good:
            self._keep_texture(frame_yx, t_s=t_s)
        self._notice_emptiness(frame_yx, is_doubted=is_doubted)
        if self._is_trusted and self._moves_help:
            recovery.answered(z_um, error_um=error_um)
        if is_good:
            recovery.in_focus(z_um)
        waits = belief.half90_um <= settings.lost_um and (
            self._is_empty or recovery.is_where_an_answer_led(z_um, within_um=settings.tolerance_um)
        )
        return Standing(
            error_um=error_um,
            is_trusted=self._is_trusted,
            is_good=self._n_bad == 0,
            is_bad_for_long=settings.is_long(self._n_bad),
            is_blind_for_long=self.is_blind_for_long,
            waits=waits,
            is_empty=self._is_empty,
            may_search=recovery.is_due and not (waits or self._is_empty or is_doubted),
            moves_help=self._moves_help,
        )

    def _count(self, *, is_good: bool) -> None:
        self._n_bad = 0 if is_good else self._n_bad + 1
        self._n_blind = 0 if self._is_trusted else self._n_blind + 1

    def _keep_texture(self, frame_yx: NDArray[Any], *, t_s: float) -> None:
        """Keeps in mind what a field in focus shows."""
        if t_s - self._textured_s >= TEXTURE_EVERY_S:
            self._recovery.keep_texture(frame_yx, pixel_size_um=self._pixel_size_um)
            self._textured_s = t_s

    def _notice_emptiness(self, frame_yx: NDArray[Any], *, is_doubted: bool) -> None:
        """Whether a field that cannot be told shows much less; of a doubted frame nobody knows."""
        every = max(1, round(BLIND_EVERY_S * self._settings.frame_rate_hz))
        if is_doubted or not self._n_blind:
            self._is_empty = False
        elif self._is_seen_again or (self._n_blind - 1) % every == 0:
            self._is_empty = self._recovery.is_empty(frame_yx, pixel_size_um=self._pixel_size_um)
        self._is_seen_again = is_doubted
