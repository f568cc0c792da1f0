"""GainWatch: whether the answers still change as the stage moves, told from the moves of the lock itself."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from parfocal.settings import Settings

FORGOTTEN = 0.99
"""Of the weight of earlier moves, what is left after one more: some hundred count."""
LEAST_MOVE_UM = 0.1
"""Shorter moves say nothing over the noise of the drive."""
AT_REST_UM = 0.02
CERTAIN = 3.0
"""Standard errors by which a gain must be wrong for a warning: it is looked at after every move."""


class GainWatchSettings(Settings):
    """When the answers are said to follow the stage no longer.

    Attributes
    ----------
    lowest, highest : float
        Change of the answer over change of the stage, between which nothing is said.
    fewest_moves : int
        Before anything is said.
    """

    lowest: float = Field(default=0.6, gt=0)
    highest: float = Field(default=1.6, gt=0)
    fewest_moves: int = Field(default=10, ge=3)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError(f"expected lowest below highest, got {self.lowest}, {self.highest}")
        return self


@dataclass(frozen=True)
class _Look:
    t_s: float
    z_um: float
    told_um: float


class GainWatch:
    """Compares the change of the answer with that of the stage, over the lock's own moves.

    Parameters
    ----------
    settings : GainWatchSettings

    Notes
    -----
    Least squares through 0, in which a move counts less the older it is. A move is made because of an answer;
    the error of that answer would count as part of its effect, so the one before it is taken. Where moves
    come every few frames, a belief takes part of a wrong gain for drift, which is then told nearer to 1.
    """

    def __init__(self, settings: GainWatchSettings) -> None:
        self._settings = settings
        self._looks: deque[_Look] = deque(maxlen=3)
        self.start_over()

    def start_over(self) -> None:
        """Whatever was seen up to now does not count, and no warning holds."""
        self._looks.clear()
        self._is_warned = False
        self._moves2 = self._moves_changes = self._changes2 = self._weight = 0.0
        self._n_moves = 0

    @property
    def is_warned(self) -> bool:
        """Whether a warning was told that holds still."""
        return self._is_warned

    @property
    def n_moves(self) -> int:
        """Moves that were compared so far."""
        return self._n_moves

    @property
    def gain(self) -> float:
        """Change of the answer over change of the stage, 1 where all is well; NaN before the first move."""
        return self._moves_changes / self._moves2 if self._moves2 else math.nan

    @property
    def gain_sd(self) -> float:
        """Standard error of the gain; infinite before the third move."""
        if self._n_moves < 3:
            return math.inf
        left2 = max(self._changes2 - self._moves_changes**2 / self._moves2, 0.0)
        return math.sqrt(left2 / (self._weight - 1) / self._moves2)

    def forget_looks(self) -> None:
        """What comes next is not to be compared with what was seen before."""
        self._looks.clear()

    def look(self, *, t_s: float, z_um: float, told_um: float, drift_um_per_s: float) -> None:
        """One more frame that could be told.

        Parameters
        ----------
        t_s, z_um : float
            Time of the frame, and where the stage stood.
        told_um : float
            The defocus that the model told.
        drift_um_per_s : float
            Change of the defocus that no move made.
        """
        self._looks.append(_Look(t_s, z_um, told_um))
        if len(self._looks) < 3:
            return
        before, deciding, after = self._looks
        move_um = after.z_um - deciding.z_um
        if abs(deciding.z_um - before.z_um) > AT_REST_UM or abs(move_um) < LEAST_MOVE_UM:
            return
        change_um = after.told_um - before.told_um - drift_um_per_s * (after.t_s - before.t_s)
        self._moves2 = FORGOTTEN * self._moves2 + move_um**2
        self._moves_changes = FORGOTTEN * self._moves_changes + move_um * change_um
        self._changes2 = FORGOTTEN * self._changes2 + change_um**2
        self._weight = FORGOTTEN * self._weight + 1
        self._n_moves += 1

    @property
    def is_fine(self) -> bool:
        """Whether the gain surely lies where nothing is to be said."""
        margin = CERTAIN * self.gain_sd
        return self._settings.lowest <= self.gain - margin and self.gain + margin <= self._settings.highest

    @property
    def warning(self) -> str:
        """What is wrong with the answers; empty if nothing is known to be."""
        settings, margin = self._settings, CERTAIN * self.gain_sd
        if self._n_moves < settings.fewest_moves:
            return ""
        if self.gain + margin < settings.lowest or self.gain - margin > settings.highest:
            return (
                f"the answers change {self.gain:.2f} +- {self.gain_sd:.2f} times as much as the stage moves"
            )
        return ""

    def news(self) -> str:
        """What the record is told: a warning when it begins, and its end; empty at all other times."""
        if not self._is_warned and self.warning:
            self._is_warned = True
            return f"warning: {self.warning}"
        if self._is_warned and self.is_fine:
            self._is_warned = False
            return "the answers follow the stage again"
        return ""
