"""Bins of defocus: what a network's answers stand for."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from parfocal.errors import InputError
from parfocal.settings import Settings


class BinSettings(Settings):
    """Bins of equal width whose centres run from `lowest_um` to `highest_um`.

    Examples
    --------
    >>> BinSettings(lowest_um=-20, highest_um=20, width_um=1).count
    41
    """

    lowest_um: float = -20.0
    highest_um: float = 20.0
    width_um: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _has_two_bins(self) -> BinSettings:
        if self.highest_um - self.lowest_um < self.width_um:
            raise ValueError("expected room for at least two bins between lowest_um and highest_um")
        return self

    @property
    def count(self) -> int:
        """Number of bins."""
        return round((self.highest_um - self.lowest_um) / self.width_um) + 1

    @property
    def centres_um(self) -> NDArray[np.float64]:
        """Centre of each bin, shape (count,), in um."""
        return np.linspace(self.lowest_um, self.lowest_um + (self.count - 1) * self.width_um, self.count)

    def index_of(self, defocus_um: Tensor) -> Tensor:
        """The bin of each defocus, shape (N,); beyond the last bin is the last bin."""
        index = torch.round((defocus_um - self.lowest_um) / self.width_um).long()
        return index.clamp(0, self.count - 1)

    def soft_labels(self, defocus_um: Tensor, *, sigma_um: float) -> Tensor:
        """A Gaussian over the bins around each defocus, shape (N, count); one-hot where sigma is 0."""
        if sigma_um == 0:
            return torch.nn.functional.one_hot(self.index_of(defocus_um), self.count).float()
        centres = torch.as_tensor(self.centres_um, dtype=torch.float32, device=defocus_um.device)
        distance = (defocus_um[:, None] - centres[None, :]) / sigma_um
        return torch.softmax(-0.5 * distance**2, dim=1)


def bins_for_range(lowest_um: float, highest_um: float, *, about: int = 40) -> BinSettings:
    """Bins that cover a range, symmetric about focus, with a width of 1, 2, 2.5 or 5 times a power of ten.

    Parameters
    ----------
    lowest_um, highest_um : float
        The range of defocus, in um.
    about : int
        How many bins to have, roughly: between 0.4 and 1 times as many, and three more.

    Raises
    ------
    InputError
        If the range holds nothing but focus.

    Examples
    --------
    >>> bins_for_range(-15.9, 15.2).width_um, bins_for_range(-48, 49).width_um
    (1.0, 2.5)
    """
    reach_um = max(abs(lowest_um), abs(highest_um))
    if not reach_um > 0:
        raise InputError(
            f"Expected frames out of focus too, got a range of {lowest_um:g} to {highest_um:g} um."
        )
    raw = 2 * reach_um / about
    power = 10.0 ** np.floor(np.log10(raw))
    width = next(w * power for w in (1.0, 2.0, 2.5, 5.0, 10.0) if w * power >= raw * 0.999)
    half = np.ceil(reach_um / width) + 1  # a bin beyond the range, so that the expectation can reach its end
    return BinSettings(lowest_um=float(-half * width), highest_um=float(half * width), width_um=float(width))
