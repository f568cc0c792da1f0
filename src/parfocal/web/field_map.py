"""FieldMap: the defocus of each part of a frame, as numbers that any page can draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class FieldMap:
    """The defocus of each part of a frame, on a grid that covers all of it.

    Attributes
    ----------
    defocus_um : array, shape (y, x)
        NaN where nothing can be told.
    strength : array, shape (y, x)
        How much there is to tell it by, from 0 to 1.
    """

    defocus_um: NDArray[np.float64]
    strength: NDArray[np.float64]


MapOf = Callable[[NDArray[Any]], FieldMap | None]
"""The map of a frame of shape (Y, X), or None where the model refuses it. Slow: the loop never calls it."""
