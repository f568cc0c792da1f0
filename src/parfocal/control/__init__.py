"""The control loop: devices, belief, controller, supervisor, the focus lock and its record. Free of torch."""

from parfocal.control.acquisition_focus import AcquisitionFocus, Spot
from parfocal.control.acquisition_record import AcquisitionRecord
from parfocal.control.belief import Belief, BeliefSettings, predict, update
from parfocal.control.clock import Clock, SimulatedClock, WallClock
from parfocal.control.controller import ControllerSettings, Decision, decide
from parfocal.control.devices import Camera, FocusDrive, Microscope
from parfocal.control.focus_lock import FocusLock
from parfocal.control.focus_measurement import FocusMeasurement, FocusPrediction
from parfocal.control.focus_result import FocusLook, FocusResult, Outcome
from parfocal.control.focus_routine import FocusRoutine, RoutineSettings
from parfocal.control.frame_focus import FocusState, FrameFocus
from parfocal.control.frame_watch import FrameWatch, FrameWatchSettings
from parfocal.control.gain_watch import GainWatch, GainWatchSettings
from parfocal.control.kept_image import KeptImage, RecordSettings
from parfocal.control.learned_surface import (
    LearnedSurface,
    SurfaceGrid,
    Verdict,
)
from parfocal.control.lock_settings import LockSettings
from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_state import TRANSITIONS, LockState
from parfocal.control.lock_summary import LockSummary, LockTally, summarise
from parfocal.control.onlooker import LockStart, Onlooker, Onlookers
from parfocal.control.own_rig import OwnRig, RigMicroscope
from parfocal.control.recovery import SearchSettings
from parfocal.control.run_log import RunLog
from parfocal.control.run_record import RunEvent, RunRecord
from parfocal.control.run_replay import ControllerReplay, replay_controller
from parfocal.control.run_so_far import RunSoFar, run_so_far, settings_at_the_end
from parfocal.control.run_table import export_table
from parfocal.control.second_opinion import SecondOpinion, TwoAnswers, second_opinion
from parfocal.control.self_check import Look, SelfCheck, SelfCheckSettings, check_looks
from parfocal.control.supervisor import CutBy, LimitSettings, Move, Supervisor
from parfocal.control.surface_doubt import DoubtSettings, Surprise
from parfocal.control.surface_file import surface_from_json, surface_json
from parfocal.control.surface_fit import fit_prior
from parfocal.control.surface_prior import SurfacePrior
from parfocal.control.visiting import propose, serpentine, well_positions_um

__all__ = [
    "TRANSITIONS",
    "AcquisitionFocus",
    "AcquisitionRecord",
    "Belief",
    "BeliefSettings",
    "Camera",
    "Clock",
    "ControllerReplay",
    "ControllerSettings",
    "CutBy",
    "Decision",
    "DoubtSettings",
    "FocusDrive",
    "FocusLock",
    "FocusLook",
    "FocusMeasurement",
    "FocusPrediction",
    "FocusResult",
    "FocusRoutine",
    "FocusState",
    "FrameFocus",
    "FrameWatch",
    "FrameWatchSettings",
    "GainWatch",
    "GainWatchSettings",
    "KeptImage",
    "LearnedSurface",
    "LimitSettings",
    "LockSettings",
    "LockSnapshot",
    "LockStart",
    "LockState",
    "LockSummary",
    "LockTally",
    "Look",
    "Microscope",
    "Move",
    "Onlooker",
    "Onlookers",
    "Outcome",
    "OwnRig",
    "RecordSettings",
    "RigMicroscope",
    "RoutineSettings",
    "RunEvent",
    "RunLog",
    "RunRecord",
    "RunSoFar",
    "SearchSettings",
    "SecondOpinion",
    "SelfCheck",
    "SelfCheckSettings",
    "SimulatedClock",
    "Spot",
    "Supervisor",
    "SurfaceGrid",
    "SurfacePrior",
    "Surprise",
    "TwoAnswers",
    "Verdict",
    "WallClock",
    "check_looks",
    "decide",
    "export_table",
    "fit_prior",
    "predict",
    "propose",
    "replay_controller",
    "run_so_far",
    "second_opinion",
    "serpentine",
    "settings_at_the_end",
    "summarise",
    "surface_from_json",
    "surface_json",
    "update",
    "well_positions_um",
]
