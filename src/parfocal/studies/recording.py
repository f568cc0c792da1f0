"""A recorded stack of one cell: its planes, the pixels they are on, and what they say at first sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parfocal.data import read_image
from parfocal.errors import InputError

Array = NDArray[np.float64]

BORDER_PX = 3
"""Left out along each side, where edges of a crop or of a movie have marks of their own."""

FEWEST_FRAMES = 8
FEWEST_PX = 40

LEAST_SOLID = 0.8
"""Area of a cell's patch, over that of an ellipse of the same moments; a patch of noise is ragged."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Planes at even distances, on pixels that may be means of several of the camera's.

    Attributes
    ----------
    frames_zyx : array of float, shape (Z, Y, X)
    y_px, x_px : array
        Where the rows and columns lie, in the camera's pixels.
    step_um : float
        Stage travel from frame to frame.
    largest_pixel_um : float
        Largest size of a camera's pixel in the sample that is thought of.
    """

    frames_zyx: Array
    y_px: Array
    x_px: Array
    step_um: float
    largest_pixel_um: float = 0.1

    @property
    def shape_px(self) -> tuple[float, float]:
        """Height and width in the camera's pixels."""
        return float(np.ptp(self.y_px)), float(np.ptp(self.x_px))

    def binned(self, n: int) -> Recording:
        """Means over squares of n by n pixels; rows and columns left over are dropped."""
        rows, columns = (size // n * n for size in self.frames_zyx.shape[1:])
        blocks = self.frames_zyx[:, :rows, :columns].reshape(-1, rows // n, n, columns // n, n)
        y_px, x_px = (
            axis[:size].reshape(-1, n).mean(axis=1)
            for axis, size in ((self.y_px, rows), (self.x_px, columns))
        )
        return Recording(blocks.mean(axis=(2, 4)), y_px, x_px, self.step_um, self.largest_pixel_um)


def read_recording(path: Path, *, step_um: float) -> Recording:
    """The stack in an image file.

    Raises
    ------
    ImageFileError
        If the file is missing or no image.
    InputError
        If it has too few planes, or they are too small.
    """
    frames = read_image(path).frames_zyx.astype(np.float64)
    inside = frames[:, BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
    if len(frames) < FEWEST_FRAMES or min(inside.shape[1:]) < FEWEST_PX:
        raise InputError(
            f"{path}: expected a z-stack of at least {FEWEST_FRAMES} planes of "
            f"{FEWEST_PX + 2 * BORDER_PX} x {FEWEST_PX + 2 * BORDER_PX} pixels around one cell, got "
            f"{len(frames)} of {frames.shape[1]} x {frames.shape[2]}."
        )
    rows, columns = (BORDER_PX + np.arange(n, dtype=np.float64) for n in inside.shape[1:])
    return Recording(inside, rows, columns, step_um)


@dataclass(frozen=True)
class Outline:
    """The cell at first sight: place, length, width and turn; the calmest frame; 1 where z rises."""

    x_px: float
    y_px: float
    length_px: float
    width_px: float
    yaw_rad: float
    calmest_frame: int
    direction: int


def first_sight(recording: Recording) -> Outline:
    """Where the cell lies: the patch whose contrast turns at focus, by its moments.

    Raises
    ------
    InputError
        If nothing long stands out.
    """
    calmest = int(np.argmin(recording.frames_zyx.std(axis=(1, 2))))
    turn = _turn_of_contrast(recording, calmest)
    patches = {sign: _largest_patch(sign * turn > 0.25 * np.percentile(sign * turn, 99)) for sign in (1, -1)}
    # The cell lies within its halo: bright centre below focus, bright halo above.
    direction = min(patches, key=lambda sign: patches[sign].sum())
    rows, columns = np.nonzero(patches[direction])
    y, x = recording.y_px[rows], recording.x_px[columns]
    (short, long), axes = np.linalg.eigh(np.cov(x, y)) if len(x) > 2 else ((1.0, 1.0), np.eye(2))
    if long < 2 * short or len(x) < LEAST_SOLID * 4 * np.pi * np.sqrt(long * short):
        raise InputError(
            "Expected one long cell that stands out from an even background, found none. "
            "Crop the stack around a single rod-shaped cell."
        )
    ax, ay = axes[:, 1]
    # A stadium's variance across is close to that of an ellipse, width**2 / 16; along it spreads more evenly.
    return Outline(
        float(x.mean()),
        float(y.mean()),
        float(3.7 * np.sqrt(long)),
        float(4 * np.sqrt(short)),
        float(np.arctan(ay / ax)) if ax else float(np.pi / 2),
        calmest,
        direction,
    )


def _turn_of_contrast(recording: Recording, calmest: int) -> Array:
    """Planes below the calmest less those above: the cell's edge, where contrast turns, is at its zero."""
    reach = max(2, len(recording.frames_zyx) // 4)
    before = recording.frames_zyx[max(0, calmest - reach) : calmest]
    after = recording.frames_zyx[calmest + 1 : calmest + 1 + reach]
    if not (len(before) and len(after)):
        raise InputError(
            "Expected a z-stack with the cell's focus inside, got it at the first or last plane."
        )
    turn = before.mean(axis=0) - after.mean(axis=0)
    turn = ndimage.gaussian_filter(turn - np.median(turn), 1.0)
    return np.asarray(turn)


def _largest_patch(patch: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(ndimage.binary_fill_holes(patch))
    sizes = np.bincount(labels.ravel(), minlength=2)[1:]
    return np.asarray(labels == 1 + int(np.argmax(sizes)))


def correlations(recorded_zyx: Array, simulated_zyx: Array) -> Array:
    """Pearson correlation of each plane with its counterpart, shape (Z,).

    Examples
    --------
    >>> planes = np.arange(8.0).reshape(2, 2, 2)
    >>> correlations(planes, 3 - 2 * planes).round(6).tolist()
    [-1.0, -1.0]
    """
    pairs = zip(recorded_zyx, simulated_zyx, strict=True)
    return np.array([float((standardised(a) * standardised(b)).sum()) for a, b in pairs])


def standardised(plane: Array) -> Array:
    """A plane less its mean, of unit norm."""
    deviation = plane - plane.mean()
    unit: Array = deviation / max(float(np.linalg.norm(deviation)), 1e-12)
    return unit


def noise_ceiling(recording: Recording, outline: Outline, frames: Sequence[int]) -> Array:
    """Correlation that a perfect noiseless simulation would reach with each plane, shape (frames,).

    Notes
    -----
    Noise, grain and stripes of the camera are what varies in the calmest frame well away from the cell.
    """
    y, x = np.meshgrid(recording.y_px - outline.y_px, recording.x_px - outline.x_px, indexing="ij")
    c, s = np.cos(outline.yaw_rad), np.sin(outline.yaw_rad)
    far = (np.abs(c * y - s * x) > outline.width_px) | (np.abs(c * x + s * y) > 0.6 * outline.length_px)
    noise = recording.frames_zyx[outline.calmest_frame][far].var() if far.sum() > 100 else 0.0
    variance = recording.frames_zyx[list(frames)].var(axis=(1, 2))
    return np.asarray(np.sqrt(np.clip(1 - noise / variance, 0, 1)))
