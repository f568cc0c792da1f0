"""The rod model that correlates best with a recording, by least squares over planes of unit norm.

Two planes of zero mean and unit norm differ by the square ``2 (1 - r)``, r being their correlation: the sum
of squares over planes is least where the mean correlation is largest. No plane's brightness or contrast
counts, only its pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from parfocal.studies.recording import Recording, standardised
from parfocal.studies.rod_model import Fineness, RodModel, rendered

Array = NDArray[np.float64]

KNOWN_WIDTH_UM = 3.75
"""Of fission yeast, 3.5 to 4 um (Mitchison & Nurse 1985)."""


@dataclass(frozen=True)
class Search:
    """Of one unknown: a step that changes images visibly but little, and the range that it may take."""

    step: float
    low: float = -np.inf
    high: float = np.inf


_SEARCH: Mapping[str, Search] = MappingProxyType(
    {
        "x_px": Search(0.7),
        "y_px": Search(0.7),
        "length_px": Search(1.5, 10.0),
        "yaw_rad": Search(0.01),
        "girth_px": Search(0.7, 5.0),
        "radii_px": Search(0.7, 4.0),
        "focus_frame": Search(0.3),
        "bend_px": Search(1.0),
        "rise": Search(0.01, -0.3, 0.3),
        "height_over_width": Search(0.03, 0.4, 1.3),
        "drift_x_px": Search(0.03, -1.0, 1.0),
        "drift_y_px": Search(0.03, -1.0, 1.0),
        "pixel_size_um": Search(0.002, 0.03),
        # Source points move in steps of one period across the field: a smaller step sees few of them move.
        "condenser_na": Search(0.02, 0.05, 0.9),
        "cytoplasm_index": Search(0.003, 1.34, 1.46),
        "wavelength_um": Search(0.02, 0.45, 0.85),
    }
)

PLACE = ("x_px", "y_px", "length_px", "yaw_rad", "focus_frame")
OUTLINE = (*PLACE, "radii_px", "bend_px", "rise")
LIGHT = ("pixel_size_um", "condenser_na", "cytoplasm_index", "height_over_width")
DRIFT = ("drift_x_px", "drift_y_px")
GIRTH = "girth_px"
"""An even width, and the pixel size at which it is the known width of the species."""


def fitted(
    start: RodModel,
    recording: Recording,
    *,
    free: Sequence[str],
    frames: Sequence[int],
    fineness: Fineness,
    rounds: int,
    watch: Callable[[], None] = lambda: None,
) -> RodModel:
    """The model of best mean correlation, from a start.

    Parameters
    ----------
    start : RodModel
    recording : Recording
    free : sequence of str
        Names of the unknowns; all else stays.
    frames : sequence of int
        Those that are fitted to.
    fineness : Fineness
    rounds : int
        Steps of the search at most, each of one rendering per unknown.
    watch : callable, optional
        Is called after every rendering.
    """
    searches = [_search(name, recording) for name in free for _ in range(_size(start, name))]
    steps = np.array([search.step for search in searches])
    low, high = (np.array([getattr(s, end) for s in searches]) / steps for end in ("low", "high"))
    recorded = np.stack([standardised(recording.frames_zyx[frame]) for frame in frames])

    def residuals(values: Array) -> Array:
        model = _with_values(start, free, values * steps)
        simulated = rendered(model, recording, frames, fineness=fineness)
        watch()
        return (np.stack([standardised(plane) for plane in simulated]) - recorded).ravel()

    def slopes(values: Array) -> Array:
        here = residuals(values)
        moves = np.diag(np.where(values + 1 > high, -1.0, 1.0))
        return np.stack([move.sum() * (residuals(values + move) - here) for move in moves], axis=1)

    first = np.clip(_values(start, free) / steps, low + 1e-6, high - 1e-6)
    found: Any = least_squares(residuals, first, jac=slopes, bounds=(low, high), max_nfev=rounds, ftol=1e-4)
    return _with_values(start, free, found.x * steps)


def _search(name: str, recording: Recording) -> Search:
    if name == "pixel_size_um":
        return replace(_SEARCH[name], high=recording.largest_pixel_um)
    return _SEARCH[name]


def _size(model: RodModel, name: str) -> int:
    return len(model.radii_px) if name == "radii_px" else 1


def _values(model: RodModel, free: Sequence[str]) -> Array:
    values: list[float] = []
    for name in free:
        if name == "radii_px":
            values += model.radii_px
        else:
            values.append(float(np.mean(model.radii_px)) if name == GIRTH else getattr(model, name))
    return np.array(values)


def _with_values(model: RodModel, free: Sequence[str], values: Array) -> RodModel:
    left = [float(value) for value in values]
    changes: dict[str, Any] = {}
    for name in free:
        some, left = left[: _size(model, name)], left[_size(model, name) :]
        if name == GIRTH:
            changes["radii_px"] = (some[0],) * len(model.radii_px)
            changes["pixel_size_um"] = KNOWN_WIDTH_UM / (2 * some[0])
        else:
            changes[name] = tuple(some) if name == "radii_px" else some[0]
    return replace(model, **changes)
