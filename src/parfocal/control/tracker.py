"""Tracker: the belief over a stage that moves, by the lock or by anybody."""

from __future__ import annotations

from dataclasses import replace

from parfocal.control.belief import Belief, BeliefSettings, predict, update
from parfocal.control.play import Play
from parfocal.estimate import FocusEstimate


class Tracker:
    """Takes in frame after frame what the model says and where the stage stands.

    Parameters
    ----------
    settings : BeliefSettings
    backlash_um : float
        Motion of the drive that a change of direction loses.
    z_um : float
        Where the stage stands at the beginning.
    """

    def __init__(self, settings: BeliefSettings, *, backlash_um: float, z_um: float) -> None:
        self._settings = settings
        self._belief = Belief.unknown()
        self._play = Play(backlash_um, z_um)
        self._before_s: float | None = None  # time of the last frame

    @property
    def belief(self) -> Belief:
        """What is believed of the defocus now."""
        return self._belief

    def follow(self, estimate: FocusEstimate, *, t_s: float, z_um: float) -> None:
        """One more frame, taken at `t_s` where the stage reads `z_um`: that counts anybody's moves alike."""
        dt_s, before_um = 0.0, self._play.objective_um
        self._play = self._play.after(z_um)
        if self._before_s is not None:
            dt_s, moved_um = t_s - self._before_s, self._play.objective_um - before_um
            self._belief = predict(self._belief, move_um=moved_um, dt_s=dt_s, settings=self._settings)
        self._before_s = t_s
        self._belief = update(self._belief, estimate, settings=self._settings, dt_s=dt_s)

    def pass_by(self, z_um: float) -> None:
        """The stage reads `z_um` on a known move, by which nothing is told of the focus."""
        self._play = self._play.after(z_um)

    def start_over(self) -> None:
        """Forget where the focus was believed to be; the drift that was learned goes on."""
        self._belief = replace(Belief.unknown(), drift_um_per_s=self._belief.drift_um_per_s)

    def move_for(self, move_um: float, *, z_um: float) -> float:
        """How far the drive must go from `z_um` to bring the objective `move_um` further."""
        return self._play.move_for(move_um, z_um=z_um)
