"""What another controller would have made of the estimates of a run."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.control.checking import WAITING
from parfocal.control.clock import SimulatedClock
from parfocal.control.fallback import LOOKING, NOT_ACCEPTED
from parfocal.control.focus_lock import FocusLock
from parfocal.control.frame_watch import DOUBTS
from parfocal.control.lock_settings import LockSettings
from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_state import LockState
from parfocal.control.lock_summary import LockSummary, LockTally
from parfocal.control.run_record import RunRecord
from parfocal.errors import InputError
from parfocal.estimate import NORMAL_90, FocusEstimate

ANY_RANGE_UM = (-math.inf, math.inf)
_CELLS = np.tile(np.repeat([1000, 1500], 4), 4).astype(np.uint16)[None]
_EMPTY = np.full_like(_CELLS, 1000)
_BLACK = np.zeros_like(_CELLS)


@dataclass(frozen=True)
class ControllerReplay:
    """A run, and what another controller would have made of it.

    Attributes
    ----------
    run, replay : LockSummary
        Both judged by the target and the tolerance of the replay.
    """

    run: LockSummary
    replay: LockSummary


class RecordedFocus:
    """The focus of one recorded frame after the other, as a `Microscope` and as an `Estimator`.

    The focus is where the recorded estimate has it: what the estimate erred by, it errs by again, wherever
    the stage stands now. The stage goes exactly where it is sent.

    Parameters
    ----------
    z_um : float
        Where the stage stands at first.
    fingerprint : str
        Of the model that gave the estimates.
    z_range_um : tuple of float
        What that model can tell.
    """

    pixel_size_um = 1.0

    def __init__(self, z_um: float, *, fingerprint: str, z_range_um: tuple[float, float]) -> None:
        self._z_um = z_um
        self._fingerprint = fingerprint
        self._z_range_um = z_range_um
        self._recorded: LockSnapshot | None = None

    @property
    def fingerprint(self) -> str:
        """Of the model that gave the estimates."""
        return self._fingerprint

    @property
    def z_range_um(self) -> tuple[float, float]:
        """What that model can tell, in um."""
        return self._z_range_um

    def show(self, recorded: LockSnapshot) -> None:
        """Go on to a frame of the run."""
        self._recorded = recorded

    def snap(self) -> NDArray[Any]:
        """A frame with something to see in it, or not: what it tells of the focus is recorded.

        A black one for any that the run did not trust the camera with.
        """
        recorded = self._now()
        if recorded.reason.startswith(DOUBTS):
            return _BLACK
        is_seen = recorded.accepted or recorded.reason.startswith((NOT_ACCEPTED, LOOKING, WAITING))
        return _CELLS if is_seen else _EMPTY

    def position_um(self) -> float:
        """Position of the stage in um."""
        return self._z_um

    def move_to(self, z_um: float) -> None:
        """Go to a position in um."""
        self._z_um = z_um

    def stop(self) -> None:
        """Nothing to do: the stage never moves by itself."""

    def estimate(self, frame_yx: NDArray[Any], *, pixel_size_um: float) -> FocusEstimate:
        """The recorded estimate, as it would be where the stage stands now."""
        recorded = self._now()
        defocus_um = recorded.defocus_um + self._away_um(recorded)
        half_um = NORMAL_90 * recorded.std_um
        return FocusEstimate(
            defocus_um=defocus_um,
            std_um=recorded.std_um,
            interval90_um=(defocus_um - half_um, defocus_um + half_um),
            probabilities=np.ones(1),
            bin_centres_um=np.array([defocus_um]),
            in_distribution=recorded.in_distribution,
            accepted=recorded.accepted,
            layers_um=(defocus_um,),
            latency_ms=recorded.latency_ms,
        )

    def true_defocus_um(self) -> float | None:
        """The true defocus where the stage stands now, in um; None where the record does not know it."""
        recorded = self._now()
        true_um = recorded.true_defocus_um
        return None if true_um is None else true_um + self._away_um(recorded)

    def _away_um(self, recorded: LockSnapshot) -> float:
        """How far the stage stands from where it stood in the run."""
        return self._z_um - recorded.z_um

    def _now(self) -> LockSnapshot:
        assert self._recorded is not None
        return self._recorded


def replay_controller(
    record: RunRecord,
    settings: LockSettings | None = None,
    *,
    watch: Callable[[float], None] | None = None,
) -> ControllerReplay:
    """Lets another controller act on the recorded estimates of a run.

    Parameters
    ----------
    record : RunRecord
    settings : LockSettings, optional
        Of the other controller; those of the run if not given.
    watch : callable, optional
        Is told of every frame, by the fraction that is done.

    Returns
    -------
    ControllerReplay

    Raises
    ------
    InputError
        If the record holds no frames.
    LimitError
        If the run began outside the window of the settings.

    Notes
    -----
    `FocusLock` itself runs, on `RecordedFocus`, at the recorded times, pauses where the run paused, waits
    where the run saw an empty field, and begins anew where it was resumed. Estimates err as they did
    in the run although the stage stands elsewhere: true for small distances, as between dead bands, and less
    and less so for larger ones. Backlash, rounding of the drive and moves by hand are not replayed.
    """
    settings = settings or LockSettings.parse(record.settings()["lock"], source=str(record.path))
    begun = next(record.snapshots(), None)
    if begun is None:
        raise InputError(f"{record.path}: holds no frames, so there is nothing to replay.")
    target_um, tolerance_um = settings.controller.target_um, settings.tolerance_um
    run, replay = (LockTally(target_um=target_um, tolerance_um=tolerance_um) for _ in range(2))
    n_frames = record.n_frames
    for done, (recorded, replayed) in enumerate(_replayed(record, begun, settings), start=1):
        run.add(recorded)
        replay.add(replayed)
        if watch is not None:
            watch(min(done / n_frames, 1.0))
    return ControllerReplay(run.summary(), replay.summary())


def _replayed(
    record: RunRecord, begun: LockSnapshot, settings: LockSettings
) -> Iterator[tuple[LockSnapshot, LockSnapshot]]:
    """Each frame as it was recorded, and as it would have been."""
    clock = SimulatedClock(paced=False, start_s=begun.t_s)
    lowest_um, highest_um = record.settings().get("z_range_um", ANY_RANGE_UM)
    focus = RecordedFocus(
        begun.z_um, fingerprint=record.model_fingerprint, z_range_um=(lowest_um, highest_um)
    )
    watch = settings.watch.replace(refuse_repeated=False)  # every frame is the same here
    settings = settings.replace(watch=watch.model_dump())
    resumptions_s = deque(event.t_s for event in record.events() if event.is_resumption)
    lock = FocusLock(focus, focus, focus, settings=settings, clock=clock)
    for recorded in record.snapshots():
        focus.show(recorded)
        clock.wait_until(recorded.t_s)
        while resumptions_s and recorded.t_s >= resumptions_s[0]:
            resumptions_s.popleft()
            lock = FocusLock(focus, focus, focus, settings=settings, clock=clock)
        if recorded.state is LockState.PAUSED:
            lock.request_pause()
        else:
            lock.request_resume()
        true_um = focus.true_defocus_um()
        yield recorded, replace(lock.step(), true_defocus_um=true_um)
