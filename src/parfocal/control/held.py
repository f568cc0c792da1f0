"""Held: notices when the drive is kept from going where the lock asks it to go."""

from __future__ import annotations

from parfocal.control.supervisor import CutBy, Move

HELD_BY = {
    CutBy.WINDOW: "at the limit of the window: the focus lies beyond it",
    CutBy.TRAVEL: "held still: the travel allowed in an hour is used up",
}
HARDLY = 0.1
"""Of a move that was asked for: no more, and the drive was held."""


class Held:
    """Looks at one move after the other."""

    def __init__(self) -> None:
        self._by = CutBy.NOTHING

    def news(self, move: Move, *, wanted_um: float) -> str:
        """What holds the drive, when that begins; empty at all other times.

        Examples
        --------
        >>> held, stopped = Held(), Move(0.0, CutBy.TRAVEL)
        >>> held.news(stopped, wanted_um=2.0)
        'held still: the travel allowed in an hour is used up'
        >>> held.news(stopped, wanted_um=2.0)
        ''
        """
        before, is_held = self._by, abs(move.um) <= HARDLY * abs(wanted_um)
        self._by = move.cut_by if is_held else CutBy.NOTHING
        return HELD_BY.get(self._by, "") if self._by is not before else ""
