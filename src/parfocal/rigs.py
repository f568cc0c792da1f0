"""Rigs: a camera, a focus drive and a clock put together, real, virtual or recorded."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from parfocal.control import (
    Camera,
    Clock,
    FocusDrive,
    LimitSettings,
    RunSoFar,
    SimulatedClock,
    WallClock,
)
from parfocal.data.stack_io import read_stack
from parfocal.errors import InputError
from parfocal.microscope import (
    ExperimentSettings,
    MicroManagerCamera,
    MicroManagerFocusDrive,
    ReplayMicroscope,
    SimulatedMicroscope,
    open_micromanager,
    virtual_core,
)
from parfocal.optics import VirtualMicroscope, settings_of_day

NEW_DAY = 1000
"""A simulated lock runs on a day of its own, of which no training stack is."""


@dataclass(frozen=True)
class Rig:
    """A microscope that is ready to be locked.

    Attributes
    ----------
    camera, drive
        The two devices.
    clock : Clock
        Wall time for hardware, simulated time for a simulation.
    about : str
        What it is, for the record.
    travel_um : tuple of float or None
        Ends of the drive's travel where nothing can be hit on the way: None for real hardware, where only
        the user knows.
    truth : callable or None
        True defocus in um, where the microscope is simulated.
    repeats_frames : bool
        Whether the camera may give the same frame twice, as a recorded one does.
    fingerprint : str
        Changes with whatever it is made of, as far as that is known: a run is not resumed on another rig.
    """

    camera: Camera
    drive: FocusDrive
    clock: Clock
    about: str
    travel_um: tuple[float, float] | None = None
    truth: Callable[[], float] | None = None
    repeats_frames: bool = False
    fingerprint: str = ""


def simulated_rig(
    settings: VirtualMicroscope,
    *,
    seed: int,
    speed: float = 1.0,
    paced: bool = True,
    experiment: ExperimentSettings | None = None,
    after: RunSoFar | None = None,
) -> Rig:
    """The virtual microscope, driven through a real Micro-Manager core like any other.

    Parameters
    ----------
    settings : VirtualMicroscope
        As `parfocal.optics.preset` gives them.
    seed : int
        Of the specimen, the drift and the camera's noise.
    speed, paced
        See `parfocal.control.SimulatedClock`.
    experiment : ExperimentSettings, optional
        How the focus drifts and the cells grow.
    after : RunSoFar, optional
        A run to go on with: time goes on from its last frame, and the drive stands where it left it.

    Raises
    ------
    InputError
        If the speed is not above 0.
    """
    if not (math.isfinite(speed) and speed > 0):
        raise InputError(f"Expected a speed above 0, got {speed:g}.")
    experiment = experiment or ExperimentSettings()
    clock = SimulatedClock(speed, paced=paced, start_s=after.next_s if after else 0.0)
    today = settings_of_day(settings, seed=seed, experiment=NEW_DAY)
    microscope = SimulatedMicroscope(
        today,
        seed=seed,
        clock=clock,
        experiment=experiment,
        start_z_um=after.left_at_um if after else None,
        first_frame=after.n_frames if after else 0,
    )
    core = virtual_core(microscope)
    return Rig(
        MicroManagerCamera(core),
        MicroManagerFocusDrive(core),
        clock,
        about=f"virtual microscope {settings.name}",
        travel_um=(experiment.stage_lowest_um, experiment.stage_highest_um),
        truth=microscope.true_defocus_um,
        fingerprint=_fingerprint(settings.model_dump_json(), experiment.model_dump_json(), str(seed)),
    )


def micromanager_rig(
    config: Path, *, pixel_size_um: float | None = None, after: RunSoFar | None = None
) -> Rig:
    """A real microscope, by its Micro-Manager configuration.

    Parameters
    ----------
    config : Path
    pixel_size_um : float, optional
        Side of one pixel in the sample; by default what the configuration says.
    after : RunSoFar, optional
        A run to go on with: its clock went on with the wall's.

    Raises
    ------
    InputError, DeviceError
        See `parfocal.microscope.open_micromanager`.
    """
    camera, drive = open_micromanager(config, pixel_size_um=pixel_size_um)
    clock = WallClock(start_s=after.now_s(time.time()) if after else 0.0)
    return Rig(camera, drive, clock, about=f"Micro-Manager {config.name}")


def replay_rig(stack: Path, *, start_z_um: float | None = None, after: RunSoFar | None = None) -> Rig:
    """A recorded z-stack as a microscope.

    Parameters
    ----------
    stack : Path
    start_z_um : float, optional
        Where the stage starts; by default in the middle of the stack.
    after : RunSoFar, optional
        A run to go on with: time goes on from its last frame, and the stage stands where it left it.

    Raises
    ------
    ImageFileError
        If the file is no z-stack.
    """
    recorded = read_stack(stack)
    microscope = ReplayMicroscope(recorded, start_z_um=after.left_at_um if after else start_z_um)
    return Rig(
        microscope,
        microscope,
        SimulatedClock(paced=False, start_s=after.next_s if after else 0.0),
        about=f"replay of {stack.name}",
        travel_um=(float(recorded.z_um[0]), float(recorded.z_um[-1])),
        repeats_frames=True,
        fingerprint=_fingerprint(str(recorded.z_um.tolist()), str(recorded.frame_shape_yx)),
    )


def window_around(rig: Rig, *, reach_um: float, largest_step_um: float) -> LimitSettings:
    """Limits that let the drive go `reach_um` to both sides of where it stands."""
    return LimitSettings.around(rig.drive.position_um(), reach_um=reach_um, largest_step_um=largest_step_um)


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
