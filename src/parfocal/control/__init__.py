"""The control loop: devices, belief, controller, supervisor, the focus lock and its record. Free of torch."""

from parfocal.control.belief import Belief, BeliefSettings, predict, update
from parfocal.control.clock import Clock, SimulatedClock, WallClock
from parfocal.control.controller import ControllerSettings, Decision, decide
from parfocal.control.devices import Camera, FocusDrive, Microscope
from parfocal.control.focus_lock import FocusLock
from parfocal.control.focus_result import FocusLook, FocusResult, Outcome
from parfocal.control.focus_routine import FocusRoutine, RoutineSettings
from parfocal.control.frame_watch import FrameWatch, FrameWatchSettings
from parfocal.control.gain_watch import GainWatch, GainWatchSettings
from parfocal.control.kept_image import KeptImage, RecordSettings
from parfocal.control.lock_settings import LockSettings
from parfocal.control.lock_snapshot import LockSnapshot
from parfocal.control.lock_state import TRANSITIONS, LockState
from parfocal.control.lock_summary import LockSummary, LockTally, summarise
from parfocal.control.onlooker import LockStart, Onlooker, Onlookers
from parfocal.control.recovery import SearchSettings
from parfocal.control.run_log import RunLog
from parfocal.control.run_record import RunEvent, RunRecord
from parfocal.control.run_replay import ControllerReplay, replay_controller
from parfocal.control.run_so_far import RunSoFar, run_so_far, settings_at_the_end
from parfocal.control.run_table import export_table
from parfocal.control.second_opinion import SecondOpinion, TwoAnswers, second_opinion
from parfocal.control.self_check import Look, SelfCheck, SelfCheckSettings, check_looks
from parfocal.control.supervisor import CutBy, LimitSettings, Move, Supervisor

__all__ = [
    "TRANSITIONS",
    "Belief",
    "BeliefSettings",
    "Camera",
    "Clock",
    "ControllerReplay",
    "ControllerSettings",
    "CutBy",
    "Decision",
    "FocusDrive",
    "FocusLock",
    "FocusLook",
    "FocusResult",
    "FocusRoutine",
    "FrameWatch",
    "FrameWatchSettings",
    "GainWatch",
    "GainWatchSettings",
    "KeptImage",
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
    "RecordSettings",
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
    "Supervisor",
    "TwoAnswers",
    "WallClock",
    "check_looks",
    "decide",
    "export_table",
    "predict",
    "replay_controller",
    "run_so_far",
    "second_opinion",
    "settings_at_the_end",
    "summarise",
    "update",
]
