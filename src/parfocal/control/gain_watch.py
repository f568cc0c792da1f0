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
BACK_FRAMES, BACK_S = 20, 20.0
"""From the frame that a move was decided in, back to the one that counts as before it. The errors of some
ten answers are in a belief, and a move is made because of them: with the frame just before, true gains of .4,
1 and 1.9 were told as 1.1, 1.7 and 2.4 at a frame a second and .2 um of noise; so far back, as .4, 1.0 and
1.6. Where frames are further apart, drift would count for more than those errors: there it is the frame just
before."""
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
    Least squares through 0, in which a move counts less the older it is. A move is made because of answers;
    their errors would count as part of its effect, so an earlier one is taken, from the same place. Where
    moves come every few frames, a belief takes part of a wrong gain for drift, which is then told nearer to
    1: at 5 um/h and 36 s from frame to frame, .4 as .58 and 1.9 as 1.52. To fit the drift jointly, or to
    scale it by the gain, mends that for steady drift (.39, .30) and tells .4 and .6 of a true 1 where the
    drift turns within the hour.
    """

    def __init__(self, settings: GainWatchSettings) -> None:
        self._settings = settings
        self._looks: deque[_Look] = deque(maxlen=BACK_FRAMES + 1)  # since the last move
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
        after = _Look(t_s, z_um, told_um)
        if self._looks and abs(after.z_um - self._looks[-1].z_um) > AT_REST_UM:
            self._compare(after, drift_um_per_s=drift_um_per_s)
            self._looks.clear()
        self._looks.append(after)

    def _compare(self, after: _Look, *, drift_um_per_s: float) -> None:
        """What a move did, from the looks at one place that came before it and the first one after."""
        *earlier, deciding = self._looks
        move_um = after.z_um - deciding.z_um
        if not earlier or abs(move_um) < LEAST_MOVE_UM:
            return
        before = next((look for look in earlier if deciding.t_s - look.t_s <= BACK_S), earlier[-1])
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
