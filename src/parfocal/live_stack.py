"""A few planes of whatever a live microscope shows, by small moves within limits."""

from __future__ import annotations

from functools import partial

import numpy as np

from parfocal.control import CutBy, LimitSettings, Supervisor
from parfocal.errors import DeviceError, InputError, LimitError
from parfocal.rigs import Rig
from parfocal.zstack import ZStack

PLANES = 9
THERE_UM, REST_S, MOST_IDLE = 1e-3, 0.05, 40


def live_stack(rig: Rig, *, limits: LimitSettings, step_um: float) -> ZStack:
    """`PLANES` planes about where the drive stands, taken from below to above; then it goes back.

    Parameters
    ----------
    rig : Rig
    limits : LimitSettings
        Where the drive may go; near an end of it the planes lie to one side.
    step_um : float
        From plane to plane.

    Returns
    -------
    ZStack
        At the positions that the drive read.

    Raises
    ------
    InputError
        If so many planes have no room within the limits.
    LimitError, DeviceError
        See `parfocal.control.Supervisor`. The drive is stopped before an error is raised.
    """
    reach_um = (PLANES - 1) * step_um
    room_um = limits.highest_z_um - limits.lowest_z_um
    if reach_um > room_um:
        raise InputError(
            f"Expected room for {PLANES} planes {step_um:.3g} um apart within the limits, {reach_um:.3g} um; "
            f"got {room_um:.3g} um. Nothing was moved."
        )
    began_um = rig.drive.position_um()
    supervisor = Supervisor(rig.drive, limits, clock=rig.clock)
    go_to = partial(_go_to, rig=rig, supervisor=supervisor)
    lowest_um = max(limits.lowest_z_um, min(began_um - reach_um / 2, limits.highest_z_um - reach_um))
    frames, z_um = [], []
    try:
        for plane in range(PLANES):
            go_to(lowest_um + plane * step_um)
            frames.append(rig.camera.snap())
            z_um.append(rig.drive.position_um())
        go_to(began_um)
    except BaseException:
        supervisor.stop()
        raise
    return ZStack(np.stack(frames), np.array(z_um), rig.camera.pixel_size_um)


def _go_to(z_um: float, rig: Rig, supervisor: Supervisor) -> None:
    """In as many moves as the limits ask for, with rests where they ask for those."""
    n_idle = 0
    while abs(left_um := z_um - supervisor.position_um()) > THERE_UM:
        move = supervisor.move_by(left_um)
        n_idle = 0 if abs(move.um) > THERE_UM else n_idle + 1
        if n_idle > MOST_IDLE:
            raise DeviceError(
                f"Expected the focus drive to go from {z_um - left_um:.3f} to {z_um:.3f} um, it does not "
                "move: its steps may be coarser than the largest one that is allowed."
            )
        if move.cut_by in (CutBy.NOTHING, CutBy.WINDOW):
            return
        if move.cut_by is CutBy.TRAVEL:
            raise LimitError("Expected travel enough for the planes, but that of this hour is used up.")
        if abs(move.um) <= THERE_UM:
            rig.clock.wait_until(rig.clock.now_s() + REST_S)
