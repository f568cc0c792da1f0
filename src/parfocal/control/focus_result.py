"""FocusResult: how the focusing of one field went, and what was seen on the way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a routine ended."""

    FOCUSED = "in focus"
    EMPTY = "nothing to be seen"
    NOT_TOLD = "no image could be told"
    NOT_REACHED = "the focus lies where the drive may not go"
    MISFIT = "the model does not fit this sample"
    NOT_SETTLED = "the answers did not settle"


@dataclass(frozen=True)
class FocusLook:
    """One frame of a routine, and the move that it led to.

    Attributes
    ----------
    t_s, z_um : float
        When, by the clock, and where the stage stood.
    defocus_um, std_um, interval90_um, in_distribution, accepted
        As the estimator told, see `FocusEstimate`.
    move_um : float
        How far the stage went then.
    """

    t_s: float
    z_um: float
    defocus_um: float
    std_um: float
    interval90_um: tuple[float, float]
    in_distribution: float
    accepted: bool
    move_um: float


@dataclass(frozen=True)
class FocusResult:
    """How a routine ended, and what it saw.

    Attributes
    ----------
    outcome : Outcome
    t_s : float
        When it ended.
    z_um, start_z_um : float
        Where the stage stands now, and stood at first. Where there is no focus to be had it stands where it
        stood.
    target_um : float
        The defocus that was asked for.
    defocus_um, std_um : float
        What is believed of the defocus now; nan where it is not known.
    looks : tuple of FocusLook
        Every frame.
    """

    outcome: Outcome
    t_s: float
    z_um: float
    start_z_um: float
    target_um: float
    defocus_um: float
    std_um: float
    looks: tuple[FocusLook, ...]

    @property
    def is_focused(self) -> bool:
        """Whether the field is in focus, as far as the model can tell."""
        return self.outcome is Outcome.FOCUSED

    @property
    def moved_um(self) -> float:
        """From where the stage stood at first to where it stands."""
        return self.z_um - self.start_z_um

    @property
    def in_words(self) -> str:
        """One line for a log."""
        frames = f"{len(self.looks)} frame{'s' * (len(self.looks) != 1)}"
        if not self.is_focused:
            return f"not focused: {self.outcome} ({frames}); the drive stands at {self.z_um:.2f} um"
        return f"in focus at {self.z_um:.2f} um, moved by {self.moved_um:+.2f} um ({frames})"
