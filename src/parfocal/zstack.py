"""ZStack, one field of view scanned through focus: the noun that flows through parfocal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parfocal.errors import InputError


@dataclass(frozen=True, eq=False)
class ZStack:
    """Frames of one field of view with their stage positions.

    Parameters
    ----------
    frames_zyx : array, shape (Z, Y, X)
        Grey values: unsigned 8 or 16 bit integers, or 32 bit floats.
    z_um : array, shape (Z,)
        Stage position of each frame in um, strictly increasing. Positive z moves the focal plane deeper
        into the sample, away from the coverslip.
    pixel_size_um : float
        Side of one pixel in the sample, in um.
    metadata : mapping
        Anything else worth keeping: plain values only.

    Raises
    ------
    InputError
        If shapes, types or values do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> stack = ZStack(np.zeros((3, 4, 5), np.uint16), z_um=[-1.0, 0.0, 1.0], pixel_size_um=0.24)
    >>> stack.n_planes, stack.frame_shape_yx
    (3, (4, 5))
    >>> stack.defocus_um(focus_z_um=0.5)
    array([-1.5, -0.5,  0.5])
    """

    frames_zyx: NDArray[Any]
    z_um: NDArray[np.float64]
    pixel_size_um: float
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __init__(
        self,
        frames_zyx: NDArray[Any],
        z_um: ArrayLike,
        pixel_size_um: float,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        frames = np.asarray(frames_zyx).view()
        frames.flags.writeable = False
        positions = np.array(z_um, dtype=np.float64)
        positions.flags.writeable = False
        _check_frames(frames)
        _check_positions(positions, n_planes=len(frames))
        if not (np.isfinite(pixel_size_um) and pixel_size_um > 0):
            raise InputError(f"Expected a pixel size above 0 um, got {pixel_size_um!r}.")
        object.__setattr__(self, "frames_zyx", frames)
        object.__setattr__(self, "z_um", positions)
        object.__setattr__(self, "pixel_size_um", float(pixel_size_um))
        object.__setattr__(self, "metadata", MappingProxyType(dict(metadata or {})))

    def __reduce__(self) -> tuple[Any, ...]:
        return (ZStack, (np.asarray(self.frames_zyx), self.z_um, self.pixel_size_um, dict(self.metadata)))

    @property
    def n_planes(self) -> int:
        """Number of frames."""
        return len(self.frames_zyx)

    @property
    def frame_shape_yx(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.frames_zyx.shape[1], self.frames_zyx.shape[2]

    def defocus_um(self, focus_z_um: float) -> NDArray[np.float64]:
        """Defocus of each frame, ``z_um - focus_z_um``, shape (Z,), in um."""
        return self.z_um - focus_z_um


def depth_of_field_um(
    *, wavelength_um: float, numerical_aperture: float, immersion_index: float, pixel_size_um: float
) -> float:
    """Depth of field on the object side, in um: ``wavelength n / NA**2 + n pixel / NA``.

    Notes
    -----
    The diffraction term and the term for the pixel, as microscope makers give it. The pixel is the
    camera's, measured in the sample.

    Examples
    --------
    >>> round(depth_of_field_um(
    ...     wavelength_um=0.56, numerical_aperture=1.3, immersion_index=1.515, pixel_size_um=0.06), 3)
    0.572
    """
    return wavelength_um * immersion_index / numerical_aperture**2 + (
        immersion_index * pixel_size_um / numerical_aperture
    )


def _check_frames(frames: NDArray[Any]) -> None:
    if frames.ndim != 3 or frames.size == 0:
        raise InputError(f"Expected frames of shape (Z, Y, X) with at least one pixel, got {frames.shape}.")
    if frames.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(
            f"Expected frames of type uint8, uint16 or float32, got {frames.dtype}. Convert them first."
        )


def _check_positions(z_um: NDArray[np.float64], *, n_planes: int) -> None:
    if z_um.shape != (n_planes,):
        raise InputError(f"Expected one z position for each of {n_planes} frames, got shape {z_um.shape}.")
    if not np.all(np.isfinite(z_um)):
        raise InputError("Expected finite z positions in um; at least one is missing or not a number.")
    if np.any(np.diff(z_um) <= 0):
        raise InputError("Expected z positions that increase from frame to frame. Sort the frames by z.")
