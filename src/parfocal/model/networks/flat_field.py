"""Takes uneven light out of a frame: a lamp off centre, vignetting, a tilted mirror."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

_COARSE = 32
"""Places along each side that the light is fitted to."""
_ROUNDS = 3
_FARTHEST = 2.0
"""Places further than so many standard deviations from the light count less and less: cells are there."""
_DARKEST = 0.1
"""Of the mean light; where a frame is darker than that it stays as it is."""
_TINY = 1e-6


def flattened(frame_yx: Tensor) -> Tensor:
    """A frame as it would look in even light of the same mean.

    Parameters
    ----------
    frame_yx : Tensor, shape (Y, X)
        Grey values, 32-bit floats.

    Notes
    -----
    See `light_of`. Slow waves are all that is lost of the specimen.
    """
    y_px, x_px = frame_yx.shape
    gain = _gain(light_of(frame_yx), _terms(y_px, x_px, frame_yx.device), mean=frame_yx.mean())
    return frame_yx * gain.view(y_px, x_px)


def light_of(frame_yx: Tensor) -> Tensor:
    """The light of a frame (Y, X) as a polynomial of second degree, shape (6,).

    Notes
    -----
    Fitted to means of parts of the frame by least squares, reweighted so that what differs from it, cells and
    not light, counts less (Cauchy's weights).
    """
    rows, columns = (min(_COARSE, side) for side in frame_yx.shape)
    parts = functional.adaptive_avg_pool2d(frame_yx[None, None], (rows, columns)).flatten()
    terms = _terms(rows, columns, frame_yx.device)
    weights = torch.ones_like(parts)
    light = torch.zeros(terms.shape[1], device=frame_yx.device)
    for _ in range(_ROUNDS):
        weighted = terms * weights[:, None]
        light = torch.linalg.solve(weighted.T @ terms, weighted.T @ parts)
        left = (parts - terms @ light).abs()
        sd = 1.4826 * left.median() + _TINY
        weights = 1 / (1 + (left / (_FARTHEST * sd)).square())
    return light


def gains_at(
    light: Tensor, rows: Tensor, columns: Tensor, *, shape_yx: tuple[int, int], mean: float
) -> Tensor:
    """What to multiply some pixels of a frame by, to see them in even light.

    Parameters
    ----------
    light : Tensor, shape (6,)
        Of the frame, see `light_of`.
    rows, columns : Tensor, shape (y,) and (x,)
        Of the pixels.
    shape_yx : tuple of int
        Of the frame.
    mean : float
        Of the frame as it is.

    Returns
    -------
    Tensor, shape (y, x)
    """
    y, x = ((2 * at + 1) / side - 1 for at, side in zip((rows, columns), shape_yx, strict=True))
    gain = _gain(light, _powers(y, x), mean=torch.tensor(mean))
    return gain.view(len(rows), len(columns))


def _gain(light: Tensor, terms: Tensor, *, mean: Tensor) -> Tensor:
    return mean / (terms @ light).clamp_min(_DARKEST * mean.clamp_min(_TINY))


@lru_cache(maxsize=32)
def _terms(y_px: int, x_px: int, device: torch.device) -> Tensor:
    """Of all pixels of a frame, see `_powers`."""
    y, x = (torch.linspace(-1 + 1 / n, 1 - 1 / n, n, device=device) for n in (y_px, x_px))
    return _powers(y, x)


def _powers(y: Tensor, x: Tensor) -> Tensor:
    """Powers up to the second of places from -1 to 1, shape (len(y) * len(x), 6)."""
    down, across = (part.flatten() for part in torch.meshgrid(y, x, indexing="ij"))
    powers = [torch.ones_like(down), across, down, across * across, across * down, down * down]
    return torch.stack(powers, dim=1)
