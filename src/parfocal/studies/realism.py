"""How well the virtual microscope shows a real fission-yeast cell, plane by plane.

One rod is fitted to a recorded z-stack in steps, each with more of it free: first only placed, with the light
and the indices of the preset ``pombe-60x``; then with an outline of its own; then with pixel size, condenser
NA, index and height. Every second plane is kept out of the fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.data.whole_file import write_whole_text
from parfocal.errors import InputError, OutputError
from parfocal.evaluation.figures import save_figure
from parfocal.optics import RodSettings, preset
from parfocal.studies.fitting import (
    DRIFT,
    GIRTH,
    KNOWN_WIDTH_UM,
    LIGHT,
    OUTLINE,
    PLACE,
    fitted,
)
from parfocal.studies.realism_figure import side_by_side
from parfocal.studies.recording import (
    Outline,
    Recording,
    correlations,
    first_sight,
    noise_ceiling,
    read_recording,
)
from parfocal.studies.rod_model import Fineness, RodModel, rendered

Array = NDArray[np.float64]
Progress = Callable[[float, str], None]

PLACED, OUTLINED, WALLED, BARE = (
    "preset, placed",
    "own outline",
    "own light and index",
    "own light and index, no wall",
)
WIDTH_GIVEN = (*(name for name in LIGHT if name != "pixel_size_um"), "wavelength_um", "focus_frame")

ROOM = 1.2
"""Largest pixel size that is tried, over that at which the cell has the known width at first sight."""

LEAST_CORRELATION = 0.7
"""Of the whole stack, below which the fit has not found the cell."""

WIDTHS_UM = (3.25, 3.5, 3.75, 4.0)
"""That the cell may have: at each, pixel size follows, and the light is fitted again with its wavelength."""


@dataclass(frozen=True)
class Thoroughness:
    """How much work goes into the fit.

    Attributes
    ----------
    bin_px : int
        Of the recording, while fitting.
    every : int
        The fit sees every so many planes; an even number, so that odd planes are kept out.
    fit, last : Fineness
        While fitting, and for the correlations that are told.
    rounds : tuple of int
        Steps of the search: to place, to outline, to fit the light.
    with_wall : bool
        Whether the light is also fitted with the preset's wall.
    width_rounds : int
        At each width that the cell may have; 0 leaves them out.
    """

    bin_px: int
    every: int
    fit: Fineness
    last: Fineness
    rounds: tuple[int, int, int]
    with_wall: bool
    width_rounds: int


QUICK = Thoroughness(3, 4, Fineness(10, 0.17, 0.5), Fineness(40, 0.16, 0.4), (3, 3, 4), False, 0)
THOROUGH = Thoroughness(2, 2, Fineness(40, 0.16, 0.3), Fineness(200, 0.13, 0.2), (5, 6, 8), True, 3)


def run_realism(
    stack: Path,
    out: Path,
    *,
    step_um: float = 0.3,
    thoroughness: Thoroughness = THOROUGH,
    progress: Progress = lambda fraction, words: None,
) -> dict[str, Any]:
    """Fit a rod to a recorded stack; write realism.json, realism.csv and realism.png.

    Parameters
    ----------
    stack : Path
        An image file with the planes of one rod-shaped cell, such as a GIF or TIFF.
    out : Path
        Folder for the results; made if missing, and those of an earlier study in it are replaced.
    step_um : float
        Stage travel between planes.
    thoroughness : Thoroughness
    progress : callable, optional
        Is told the fraction done, and a few words.

    Returns
    -------
    dict
        What realism.json holds: ``fitted`` and ``assumed`` values, ``steps`` of the fit with their mean
        correlations, ``planes`` with the correlation of each, and ``if_as_wide``: pixel size and wavelength
        trade with each other, and for each width that the cell may have these are the best. Where
        ``found_cell`` is false, the fitted values mean nothing; ``verdict`` says it in words.

    Raises
    ------
    InputError
        If the file is missing, is no stack, or shows no long cell.
    OutputError
        If the folder cannot be written.
    """
    if not step_um > 0:
        raise InputError(f"Expected a step above 0 um, got {step_um:g}.")
    recording = read_recording(stack, step_um=step_um)
    study = _Study.of(recording, thoroughness, progress)
    _make_folder(out)  # first: a folder that cannot be made should not cost a fit
    models = dict(study.models())
    simulated = {name: study.rendered(model) for name, model in models.items()}
    best = max(models, key=lambda name: study.means(simulated[name])["fitted_planes"])
    whole_stack = study.whole_stack(simulated[best])
    report: dict[str, Any] = {
        "stack": str(stack),
        "step_um": step_um,
        **_verdict(whole_stack["correlation"]),
        "fitted": _fitted_values(models[best]),
        "assumed": _assumed(models[best]),
        "best_step": best,
        "steps": [study.step(name, simulated[name]) for name in models],
        "whole_stack": whole_stack,
        "planes": list(study.planes(models[best], simulated[best], simulated[PLACED])),
        "if_as_wide": list(study.if_as_wide(models[best])),
    }
    progress(1.0, "done")
    _write(report, out)
    gain, offset = whole_stack["gain"], whole_stack["offset"]
    figure = side_by_side(recording.frames_zyx, offset + gain * simulated[best], report["planes"])
    save_figure(figure, out / "realism.png")
    return report


@dataclass(frozen=True, eq=False)
class _Study:
    """One recording, what it shows at first sight, and how much work may go into it."""

    recording: Recording
    outline: Outline
    thoroughness: Thoroughness
    counted: Callable[[str], Callable[[], None]]

    @classmethod
    def of(cls, recording: Recording, thoroughness: Thoroughness, progress: Progress) -> _Study:
        outline = first_sight(recording)
        roomy = replace(recording, largest_pixel_um=ROOM * KNOWN_WIDTH_UM / outline.width_px)
        return cls(roomy, outline, thoroughness, _counter(_n_renderings(thoroughness), progress))

    @property
    def fitted_frames(self) -> range:
        return range(0, len(self.recording.frames_zyx), self.thoroughness.every)

    @property
    def every_frame(self) -> range:
        return range(len(self.recording.frames_zyx))

    def models(self) -> Iterator[tuple[str, RodModel]]:
        """The rod after each step of the fit."""
        place, outline, light = self.thoroughness.rounds
        placed = self._fit(PLACED, self._start(), free=(*PLACE, GIRTH), rounds=place)
        yield PLACED, placed
        outlined = self._fit(OUTLINED, placed, free=OUTLINE, rounds=outline)
        yield OUTLINED, outlined
        everything = (*OUTLINE, *LIGHT, *DRIFT)
        if self.thoroughness.with_wall:
            yield WALLED, self._fit(WALLED, outlined, free=everything, rounds=light)
        bare = replace(outlined, wall_um=0.0)
        yield BARE, self._fit(BARE, bare, free=everything, rounds=light)

    def _start(self) -> RodModel:
        seen, rods = self.outline, RodSettings()
        return RodModel(
            *(seen.x_px, seen.y_px, seen.length_px, seen.yaw_rad),
            radii_px=(seen.width_px / 2,) * 5,
            focus_frame=float(seen.calmest_frame),
            direction=seen.direction,
            pixel_size_um=KNOWN_WIDTH_UM / seen.width_px,
            condenser_na=preset("pombe-60x").condenser.numerical_aperture,
            cytoplasm_index=rods.cytoplasm_index,
            wall_index=rods.wall_index,
            wall_um=rods.wall_um,
            wavelength_um=preset("pombe-60x").spectrum.centre_um,
        )

    def _fit(self, name: str, start: RodModel, *, free: Sequence[str], rounds: int) -> RodModel:
        return fitted(
            start,
            self.recording.binned(self.thoroughness.bin_px),
            free=free,
            frames=self.fitted_frames,
            fineness=self.thoroughness.fit,
            rounds=rounds,
            watch=self.counted(name),
        )

    def rendered(self, model: RodModel) -> Array:
        """All planes on the camera's own pixels."""
        return rendered(model, self.recording, self.every_frame, fineness=self.thoroughness.last)

    def means(self, simulated: Array) -> dict[str, float]:
        r = correlations(self.recording.frames_zyx, simulated)
        return {
            "fitted_planes": float(r[self.fitted_frames].mean()),
            "held_out_planes": float(r[1::2].mean()),
        }

    def step(self, name: str, simulated: Array) -> dict[str, Any]:
        return {"name": name, **self.means(simulated)}

    def whole_stack(self, simulated: Array) -> dict[str, float]:
        """One gain and offset for all planes: what a movie that was stretched as a whole allows."""
        recorded = self.recording.frames_zyx
        gain, offset = np.polyfit(simulated.ravel(), recorded.ravel(), 1)
        r = correlations(recorded.reshape(1, -1), simulated.reshape(1, -1))[0]
        return {"correlation": float(r), "gain": float(gain), "offset": float(offset)}

    def planes(self, model: RodModel, simulated: Array, at_first: Array) -> Iterator[dict[str, Any]]:
        recorded = self.recording.frames_zyx
        gain = self.whole_stack(simulated)["gain"]
        ceiling = noise_ceiling(self.recording, self.outline, self.every_frame)
        now, before = correlations(recorded, simulated), correlations(recorded, at_first)
        for k in self.every_frame:
            yield {
                "frame": k,
                "z_um": model.z_um(k, step_um=self.recording.step_um),
                "correlation": float(now[k]),
                "correlation_preset": float(before[k]),
                "noise_ceiling": float(ceiling[k]),
                "fitted_to": k in self.fitted_frames,
                "contrast_recorded": float(ceiling[k] * recorded[k].std()),
                "contrast_simulated": float(gain * simulated[k].std()),
            }

    def if_as_wide(self, best: RodModel) -> Iterator[dict[str, float]]:
        """The light that fits best for each width that the cell may have."""
        rounds = self.thoroughness.width_rounds
        for width_um in WIDTHS_UM if rounds else ():
            start = replace(best, pixel_size_um=best.pixel_size_um * width_um / best.width_um)
            model = self._fit("widths", start, free=WIDTH_GIVEN, rounds=rounds)
            values = {"width_um": width_um, "pixel_size_um": model.pixel_size_um}
            values |= {name: getattr(model, name) for name in WIDTH_GIVEN}
            yield {**values, **self.means(self.rendered(model))}


def _n_renderings(thoroughness: Thoroughness) -> int:
    place, outline, light = thoroughness.rounds
    sizes = (len(PLACE) + 1, len(OUTLINE) + 4, len(OUTLINE) + 4 + len(LIGHT) + len(DRIFT))
    lights = 1 + thoroughness.with_wall
    fits = zip(sizes, (place, outline, lights * light), strict=True)
    widths = len(WIDTHS_UM) * thoroughness.width_rounds * (2 + len(WIDTH_GIVEN))
    return sum((size + 2) * rounds for size, rounds in fits) + widths


def _counter(total: int, progress: Progress) -> Callable[[str], Callable[[], None]]:
    done = 0

    def counted(words: str) -> Callable[[], None]:
        def count() -> None:
            nonlocal done
            done += 1
            progress(min(done / total, 0.99), words)

        return count

    return counted


def _fitted_values(model: RodModel) -> dict[str, Any]:
    values = {**asdict(model), "radii_px": list(model.radii_px)}
    if not model.wall_um:
        del values["wall_index"]
    return {**values, "width_um": model.width_um, "length_um": model.length_um}


def _assumed(model: RodModel) -> dict[str, Any]:
    standard = preset("pombe-60x")
    return {
        "objective_na": standard.objective.numerical_aperture,
        "immersion_index": standard.objective.immersion_index,
        "wavelengths_um": [float(line) for line in standard.spectrum.lines_um],
        "medium_index": standard.chamber.medium_index,
        "known_width_um": KNOWN_WIDTH_UM,
        "wall_um": model.wall_um,
    }


def _verdict(correlation: float) -> dict[str, Any]:
    if correlation >= LEAST_CORRELATION:
        return {"found_cell": True, "verdict": "The fit found the cell."}
    verdict = (
        "The fit did not find the cell, and its values mean nothing: expected a correlation of the whole "
        f"stack of at least {LEAST_CORRELATION:g}, got {correlation:.3f}. Check the step between planes, and "
        "that the stack shows one fission-yeast cell in bright field."
    )
    return {"found_cell": False, "verdict": verdict}


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror}). Expected a folder.") from error


def _write(report: dict[str, Any], out: Path) -> None:
    write_whole_text(out / "realism.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    columns = list(report["planes"][0])
    rows = [",".join(f"{plane[name]:.6g}" for name in columns) for plane in report["planes"]]
    write_whole_text(out / "realism.csv", "\n".join([",".join(columns), *rows]) + "\n")
