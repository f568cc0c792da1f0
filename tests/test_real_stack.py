"""The lock on a real z-stack: fission yeast, one cell, 34 planes, its objective and pixel size supposed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from parfocal.control import (
    FocusLock,
    FrameWatchSettings,
    LimitSettings,
    LockSettings,
    LockSnapshot,
    SimulatedClock,
)
from parfocal.data import read_image
from parfocal.microscope import ReplayMicroscope
from parfocal.model import FocusEstimator
from parfocal.model.one_stack import fit_to_microscope
from parfocal.model.serving import ready_for
from parfocal.zstack import ZStack

DATA = Path(os.environ.get("PARFOCAL_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
STACK = DATA / "real" / "pombe-brightfield-34plane" / "seg_bf.gif"
PIXEL_UM, STEP_UM, FOCUS = 0.06, 0.3, 21
NEAR_UM = 0.6
OIL = 1.515

pytestmark = pytest.mark.skipif(not STACK.exists(), reason=f"{STACK} is not there")


@pytest.fixture(scope="module")
def stack() -> ZStack:
    frames = read_image(STACK).frames_zyx
    return ZStack(frames, STEP_UM * np.arange(len(frames)), PIXEL_UM)


@pytest.fixture(scope="module")
def mine(stack: ZStack, tmp_path_factory: pytest.TempPathFactory) -> FocusEstimator:
    """The shipped model, calibrated to that one stack."""
    out = tmp_path_factory.mktemp("real") / "mine.safetensors"
    fit_to_microscope(
        Path("bright-field"),
        stack,
        out=out,
        focus_z_um=STEP_UM * FOCUS,
        told=lambda header, pixel_um: ready_for(
            header, pixel_size_um=pixel_um, numerical_aperture=1.4, immersion_index=OIL
        ),
    )
    return FocusEstimator.load(out)


def test_a_calibrated_model_answers_the_planes_about_the_focus_of_its_stack(
    stack: ZStack, mine: FocusEstimator
) -> None:
    near = range(FOCUS - 9, FOCUS + 10)
    told = [mine.estimate(stack.frames_zyx[plane], pixel_size_um=PIXEL_UM) for plane in near]
    assert mine.header.accept_above < 0.5
    assert np.mean([one.accepted for one in told]) > 0.8


@pytest.mark.parametrize("start", [0, 6, 13, 17, FOCUS, 27, 33])
def test_from_any_plane_the_lock_goes_to_the_focus_and_stays(
    stack: ZStack, mine: FocusEstimator, start: int
) -> None:
    microscope = ReplayMicroscope(stack, start_z_um=float(stack.z_um[start]))
    settings = LockSettings(
        limits=LimitSettings(lowest_z_um=float(stack.z_um[0]), highest_z_um=float(stack.z_um[-1])),
        lost_after_s=1.0,
        watch=FrameWatchSettings(refuse_repeated=False),
    )
    seen: list[LockSnapshot] = []
    clock = SimulatedClock(paced=False)
    lock = FocusLock(microscope, microscope, mine, settings=settings, clock=clock, on_step=seen.append)
    lock.run(3.0)
    assert abs(microscope.position_um() - STEP_UM * FOCUS) <= NEAR_UM
    assert all(snapshot.move_um == 0 for snapshot in seen[-15:])
    assert sum(snapshot.move_um != 0 for snapshot in seen) <= 8
