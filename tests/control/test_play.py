"""Lost motion that is known is made up for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lock_fakes import TinyMicroscope, TruthfulEstimator

from parfocal.control import FocusLock, LimitSettings, LockSettings, SimulatedClock
from parfocal.control.play import Play

BACKLASH_UM = 0.8


class LooseMicroscope(TinyMicroscope):
    """The objective follows its drive only once the gap is run through."""

    play = Play(BACKLASH_UM, 0.0)

    def move_to(self, z_um: float) -> None:
        super().move_to(z_um)
        self.play = self.play.after(z_um)

    def true_defocus_um(self) -> float:
        return self.play.objective_um - self._focus_um(self._clock.now_s())


def held(backlash_um: float) -> tuple[float, int]:
    """Largest defocus, and moves, in half a day that turns round every few minutes, on a loose drive."""
    clock = SimulatedClock(200, paced=False)
    microscope = LooseMicroscope(clock, focus_um=lambda t_s: np.sin(t_s / 300))
    told = TruthfulEstimator(microscope, noise_um=0.03, bias_um=0.0)
    limits = LimitSettings(lowest_z_um=-60, highest_z_um=60)
    settings = LockSettings(limits=limits, backlash_um=backlash_um)
    lock = FocusLock(
        microscope, microscope, told, settings=settings, clock=clock, truth=microscope.true_defocus_um
    )
    summary = lock.run(12 * 3600)
    assert summary.residual_largest_um is not None
    return summary.residual_largest_um, summary.n_moves


def test_a_lock_that_knows_the_backlash_strays_less_and_moves_less() -> None:
    (aware_um, n_aware), (unaware_um, n_unaware) = held(BACKLASH_UM), held(0.0)
    assert aware_um < 0.75 * unaware_um
    assert n_aware < 0.85 * n_unaware


@given(
    moves=st.lists(st.floats(-5, 5), max_size=20),
    width_um=st.floats(0, 1),
    start_um=st.floats(-50, 50),
)
def test_the_objective_goes_as_far_as_it_is_to_go(moves, width_um, start_um):
    play, z_um = Play(width_um, start_um), start_um
    for move_um in moves:
        before_um = play.objective_um
        z_um += play.move_for(move_um, z_um=z_um)
        play = play.after(z_um)
        assert play.objective_um - before_um == pytest.approx(move_um, abs=1e-9)
        assert abs(play.objective_um - z_um) <= width_um / 2 + 1e-9
