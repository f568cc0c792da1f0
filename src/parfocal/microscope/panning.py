"""What a camera sees of a periodic field when the stage has moved across it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

LEAST_PX = 1e-3


def panned(image_yx: NDArray[np.float32], *, x_px: float, y_px: float) -> NDArray[np.float32]:
    """The image seen further along x and y by so many pixels; what leaves at one side enters at the other.

    Parts of a pixel are a turn of the phases of its Fourier coefficients.

    Examples
    --------
    >>> image = np.arange(4, dtype=np.float32)[None, :].repeat(2, axis=0)
    >>> panned(image, x_px=1.0, y_px=0.0)[0].tolist()
    [1.0, 2.0, 3.0, 0.0]
    """
    whole_x, whole_y = round(x_px), round(y_px)
    image_yx = np.roll(image_yx, (-whole_y, -whole_x), axis=(0, 1))
    x_px, y_px = x_px - whole_x, y_px - whole_y
    if max(abs(x_px), abs(y_px)) < LEAST_PX:
        return image_yx
    height, width = image_yx.shape
    turn_y = np.exp(2j * np.pi * y_px * fft.fftfreq(height)).astype(np.complex64)
    turn_x = np.exp(2j * np.pi * x_px * fft.rfftfreq(width)).astype(np.complex64)
    spectrum = fft.rfft2(image_yx)
    spectrum *= turn_y[:, None]
    spectrum *= turn_x
    moved: NDArray[np.float32] = fft.irfft2(spectrum, s=(height, width), overwrite_x=True)
    return moved
