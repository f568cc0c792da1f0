"""A model of simulated light on real images that no training and no choice ever saw.

``real.py FOLDER`` asks the shipped model for every plane of fission yeast (34 planes, 0.3 um apart, focus
near plane 21; its pixel, 0.06 um, and its objective, 100x/1.40 oil, are supposed), for the five planes of
each stack of budding yeast in traps, and for patterns on a wafer in reflected light, which it must not
answer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from real_figure import real_figure
from scipy.stats import spearmanr

from parfocal.control import (
    FocusLock,
    FrameWatchSettings,
    LimitSettings,
    LockSettings,
    LockSnapshot,
    SimulatedClock,
)
from parfocal.data import read_image
from parfocal.data.whole_file import write_whole_text
from parfocal.estimate import FocusEstimate
from parfocal.evaluation.evaluate import json_text
from parfocal.evaluation.figures import save_figure
from parfocal.microscope import ReplayMicroscope
from parfocal.model import FocusEstimator
from parfocal.model.serving import ready_for
from parfocal.zstack import ZStack

POMBE, POMBE_STEP_UM, POMBE_FOCUS, POMBE_PIXEL_UM = "pombe-brightfield-34plane", 0.3, 21, 0.060
WITHIN_UM = 5.0
TRAPS, TRAP_PLANES = "yeast-brightfield-5plane", 5
TRAP_PIXEL_UM = {"prime95b": 0.182, "evolve": 0.24}
"""That of ``evolve`` is supposed."""
WAFER, WAFER_PIXEL_UM = "wafer-reflected-signed", 0.286
THERE_UM, FRAMES = 0.3, 60
OIL = 1.515


def estimator_for(model: str, *, pixel_um: float, aperture: float, index: float) -> FocusEstimator:
    """The model, told what a user would tell it."""
    estimator = FocusEstimator.load(model)
    ready = ready_for(
        estimator.header, pixel_size_um=pixel_um, numerical_aperture=aperture, immersion_index=index
    )
    return estimator.with_header(ready)


def pombe_frames(folder: Path) -> NDArray[Any]:
    """The planes of fission yeast, shape (Z, Y, X)."""
    return read_image(next((folder / POMBE).glob("*.gif"))).frames_zyx


def pombe(model: str, folder: Path, *, pixel_um: float) -> dict[str, Any]:
    """Order, slope, errors after a constant offset, intervals, and the loop on the recorded stack."""
    frames = pombe_frames(folder)
    z_um = POMBE_STEP_UM * np.arange(len(frames))
    stack, focus_z_um = ZStack(frames, z_um, pixel_um), float(z_um[POMBE_FOCUS])
    estimator = estimator_for(model, pixel_um=pixel_um, aperture=1.4, index=OIL)
    told = [estimator.estimate(frame, pixel_size_um=pixel_um) for frame in frames]
    actual_um = z_um - focus_z_um
    near = np.abs(actual_um) <= WITHIN_UM
    accepted = near & np.array([one.accepted for one in told])
    return {
        "pixel_um": pixel_um,
        "actual_um": [round(float(z), 2) for z in actual_um],
        "told_um": [round(one.defocus_um, 2) for one in told],
        "interval90_um": [[round(end, 2) for end in one.interval90_um] for one in told],
        "accepted": [bool(one.accepted) for one in told],
        "all": _line(actual_um, told, near),
        "accepted only": _line(actual_um, told, accepted),
        "loop": loop(estimator, stack, focus_z_um),
    }


def _line(
    actual_um: NDArray[np.float64], told: list[FocusEstimate], chosen: NDArray[np.bool_]
) -> dict[str, float]:
    inferred = np.array([one.defocus_um for one in told])[chosen]
    low, high = np.array([one.interval90_um for one in told])[chosen].T
    actual = actual_um[chosen]
    if len(actual) < 3:
        return {"planes": len(actual)}
    offset_um = float(np.median(inferred - actual))
    error = inferred - actual - offset_um
    return {
        "planes": len(actual),
        "rank_correlation": float(spearmanr(actual, inferred).statistic),
        "slope": float(np.polyfit(actual, inferred, 1)[0]),
        "offset_um": offset_um,
        "rmse_um": float(np.sqrt(np.mean(error**2))),
        "interval90_holds": float(np.mean((low <= actual) & (actual <= high))),
        "interval90_holds_after_offset": float(
            np.mean((low - offset_um <= actual) & (actual <= high - offset_um))
        ),
    }


def loop(estimator: FocusEstimator, stack: ZStack, focus_z_um: float) -> dict[str, float]:
    """The lock itself on the recorded stack, from each plane: where it ends, in how many moves, and how."""
    ends, moves, away = [], [], 0
    limits = LimitSettings(lowest_z_um=float(stack.z_um[0]), highest_z_um=float(stack.z_um[-1]))
    for start in range(stack.n_planes):
        seen: list[LockSnapshot] = []
        microscope = ReplayMicroscope(stack, start_z_um=float(stack.z_um[start]))
        lock = FocusLock(
            microscope,
            microscope,
            estimator,
            settings=LockSettings(limits=limits, watch=FrameWatchSettings(refuse_repeated=False)),
            clock=SimulatedClock(paced=False),
            on_step=seen.append,
        )
        lock.run(FRAMES / 20)
        ends.append(microscope.position_um() - focus_z_um)
        made = [(one.z_um - focus_z_um, one.move_um) for one in seen if one.move_um]
        moves.append(len(made))
        away += sum(abs(at + by) > abs(at) + THERE_UM for at, by in made)
    settled_um = float(np.median(ends))
    there = np.abs(np.array(ends) - settled_um) <= THERE_UM + POMBE_STEP_UM
    return {
        "ends_at_um": settled_um,
        "starts": len(ends),
        "starts_that_end_there": int(there.sum()),
        "moves_at_most": int(max(moves)),
        "moves_on_average": float(np.mean(moves)),
        "moves_away": away,
    }


def traps(model: str, folder: Path) -> dict[str, Any]:
    """Whether inferred defocus runs one way through the planes of each stack, and where contrast is least."""
    rows: dict[str, list[Any]] = {}
    for picture in sorted((folder / TRAPS).glob("*.png")):
        camera = picture.name.split("_")[0]
        pixel_um = TRAP_PIXEL_UM[camera]
        estimator = estimator_for(model, pixel_um=pixel_um, aperture=1.4, index=OIL)
        planes = np.split(read_image(picture).frames_zyx[0], TRAP_PLANES, axis=1)
        told = [estimator.estimate(plane, pixel_size_um=pixel_um) for plane in planes]
        inferred = [one.defocus_um for one in told]
        least = int(np.argmin([plane.std() / plane.mean() for plane in planes]))
        rows[picture.stem] = [
            float(spearmanr(np.arange(TRAP_PLANES), inferred).statistic),
            [round(z, 2) for z in inferred],
            [bool(one.accepted) for one in told],
            least,
        ]
    correlations = np.array([row[0] for row in rows.values()])
    signs = [_turns(row[1], row[3]) for row in rows.values()]
    return {
        "stacks": len(rows),
        "mean_rank_correlation": float(correlations.mean()),
        "in_order": int((np.abs(correlations) > 0.999).sum()),
        "same_way": int(max((correlations > 0).sum(), (correlations < 0).sum())),
        "accepted": float(np.mean([told for row in rows.values() for told in row[2]])),
        "signs_differ_about_least_contrast": float(np.mean([sign for sign in signs if sign is not None])),
        "of_each": rows,
    }


def _turns(inferred_um: list[float], least: int) -> bool | None:
    """Whether the planes beside that of least contrast are told on either side of it; None at an end."""
    if not 0 < least < TRAP_PLANES - 1:
        return None
    below, here, above = inferred_um[least - 1 : least + 2]
    return (below - here) * (above - here) < 0


def wafer(model: str, folder: Path) -> dict[str, float]:
    """How many images in reflected light are answered: they should not be."""
    estimator = estimator_for(model, pixel_um=WAFER_PIXEL_UM, aperture=0.45, index=1.0)
    told = [
        estimator.estimate(_grey(path), pixel_size_um=WAFER_PIXEL_UM)
        for path in sorted((folder / WAFER).glob("*.jpeg"))
    ]
    return {"images": len(told), "refused": float(np.mean([not one.accepted for one in told]))}


def _grey(path: Path) -> NDArray[Any]:
    frame = read_image(path).frames_zyx
    return frame[0]


PARTS: dict[str, Callable[[str, Path], dict[str, Any]]] = {
    "fission yeast": lambda model, folder: pombe(model, folder, pixel_um=POMBE_PIXEL_UM),
    "yeast in traps": traps,
    "wafer": wafer,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="bright-field")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    result = {name: part(given.model, given.folder) for name, part in PARTS.items()}
    print(json_text(result))
    if given.out:
        write_whole_text(given.out, json_text(result))
    if given.figure:
        save_figure(real_figure(result, pombe_frames(given.folder)), given.figure)
