"""CellReader: convolutions that tell the defocus of what lies at each place of a frame, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from parfocal.model.bins import BinSettings

PATCH_PX = 72
"""Side of what is seen of each place."""
STRIDE_PX = 8
"""Places are that far apart."""
_CHANNELS = (24, 48, 64, 96)
_FARTHEST_SD = 6.0
_FARTHEST_CONTRAST = 8.0
_LEAST_SD = 1e-3
_TINY = 1e-6


class Places(NamedTuple):
    """What lies at each place of frames, one every `STRIDE_PX` pixels from their first one on.

    Attributes
    ----------
    logits : Tensor, shape (N, y, x, bins)
    presence : Tensor, shape (N, y, x)
        Logits of there being something whose defocus can be told.
    """

    logits: Tensor
    presence: Tensor


class CellReader(nn.Module):
    """Convolutions over a frame's contrast, and two layers that read them at each place.

    Parameters
    ----------
    n_bins : int
        Number of z bins.
    n_numbers : int
        That describe a frame as a whole, see `parfocal.model.networks.bands.numbers_of`.
    width : int
        Of the two hidden layers.

    Notes
    -----
    Labels of whole frames do not teach it: it needs to know the height of each cell, as a simulation does.
    The bins are those of the stacks that it learned from; `bins_um`, lowest, highest and width, says how far
    they are apart on the microscope at hand. `spread_scale` makes the spread of a distribution a standard
    deviation.
    """

    numbers_mean: Tensor
    numbers_sd: Tensor
    bins_um: Tensor
    spread_scale: Tensor

    def __init__(self, *, n_bins: int, n_numbers: int, width: int = 256) -> None:
        super().__init__()
        first, second, third, last = _CHANNELS
        self.register_buffer("numbers_mean", torch.zeros(n_numbers))
        self.register_buffer("numbers_sd", torch.ones(n_numbers))
        self.register_buffer("bins_um", torch.tensor([-0.5 * (n_bins - 1), 0.5 * (n_bins - 1), 1.0]))
        self.register_buffer("spread_scale", torch.ones(()))
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, first, 7, stride=2),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(second, third, 3),
            nn.ReLU(),
            nn.Conv2d(third, last, 3, stride=2),
            nn.ReLU(),
        )
        self.of_frame = nn.Linear(n_numbers, width)
        self.of_place = nn.Linear(5 * last, width, bias=False)
        self.dropout = nn.Dropout(0.1)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, n_bins + 1)

    @property
    def n_bins(self) -> int:
        """Number of z bins."""
        return self.head.out_features - 1

    @property
    def bins(self) -> BinSettings:
        """What its answers stand for."""
        lowest_um, highest_um, width_um = self.bins_um.tolist()
        return BinSettings(lowest_um=lowest_um, highest_um=highest_um, width_um=width_um)

    def scale_to(self, numbers: Iterable[Tensor]) -> None:
        """Takes the mean and standard deviation of each number from those of frames (N, n_numbers)."""
        sd, mean = torch.std_mean(torch.cat(list(numbers)), dim=0)
        self.numbers_mean[:], self.numbers_sd[:] = mean, sd.clamp_min(_LEAST_SD)

    def forward(self, contrast: Tensor, numbers: Tensor) -> Places:
        """What lies at each place.

        Parameters
        ----------
        contrast : Tensor, shape (N, 1, Y, X)
            Of frames with their margin, see `contrast_of`; or of patches.
        numbers : Tensor, shape (N, n_numbers)
            That describe each frame as a whole.
        """
        scaled = ((numbers - self.numbers_mean) / self.numbers_sd).clamp(-_FARTHEST_SD, _FARTHEST_SD)
        limited = contrast.clamp(-_FARTHEST_CONTRAST, _FARTHEST_CONTRAST)
        seen = _pooled(self.convolutions(limited)).permute(0, 2, 3, 1)
        first = torch.relu(self.of_place(seen) + self.of_frame(scaled)[:, None, None])
        out = self.head(torch.relu(self.hidden(self.dropout(first)))).float()
        return Places(out[..., :-1], out[..., -1])


def contrast_of(frames: Tensor) -> Tensor:
    """Contrast of frames in their own standard deviation, with a margin of half a patch.

    Parameters
    ----------
    frames : Tensor, shape (N, Y, X)
        Grey values.

    Returns
    -------
    Tensor, shape (N, 1, Y + `PATCH_PX`, X + `PATCH_PX`)
    """
    sd, mean = torch.std_mean(frames.float(), dim=(1, 2), keepdim=True)
    contrast = (frames - mean) / sd.clamp_min(_TINY)
    is_large = min(frames.shape[1:]) > PATCH_PX // 2
    return functional.pad(contrast[:, None], [PATCH_PX // 2] * 4, mode="reflect" if is_large else "replicate")


def _pooled(seen: Tensor) -> Tensor:
    """Features (N, c, y, x) about each place at three scales, shape (N, 5 c, y - 5, x - 5)."""
    near = seen[:, :, 1:-1, 1:-1]
    around = functional.avg_pool2d(seen, 6, 1)
    strength = (functional.avg_pool2d(seen.float().square(), 6, 1) + _TINY).sqrt()
    return torch.cat(
        [
            functional.avg_pool2d(near[:, :, 1:-1, 1:-1], 2, 1),
            functional.avg_pool2d(near, 4, 1),
            around,
            functional.max_pool2d(near, 4, 1),
            strength.to(seen.dtype),
        ],
        dim=1,
    )
