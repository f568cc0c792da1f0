"""CellReader: convolutions that tell the defocus of what lies at each place of a frame, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from parfocal.model.networks.bands import tile_grid

PATCH_PX = 72
"""Side of what is seen of each place."""
STRIDE_PX = 8
"""Places are that far apart."""
MARGIN_PX = PATCH_PX // 2 - STRIDE_PX
"""About a frame, for its tiles: the middle of the first lies that much beyond the corner."""
_CHANNELS = (24, 48, 64, 96)
_FARTHEST_SD = 6.0
_FARTHEST_CONTRAST = 8.0
_LEAST_SD = 1e-3
_LEAST_VARIANCE = 0.2
"""Of the defocus of one place, in bins."""
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
    Its bins are even on the stacks that it learned from; `centres_um` says what they stand for on the
    microscope at hand. `spread_scale` makes the spread of a distribution a standard deviation.
    """

    numbers_mean: Tensor
    numbers_sd: Tensor
    centres_um: Tensor
    spread_scale: Tensor

    def __init__(self, *, n_bins: int, n_numbers: int, width: int = 256) -> None:
        super().__init__()
        first, second, third, last = _CHANNELS
        self.register_buffer("numbers_mean", torch.zeros(n_numbers))
        self.register_buffer("numbers_sd", torch.ones(n_numbers))
        self.register_buffer("centres_um", torch.arange(n_bins) - 0.5 * (n_bins - 1))
        self.register_buffer("spread_scale", torch.ones(1))
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
        self.convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast
        self.of_frame = nn.Linear(n_numbers, width)
        self.of_place = nn.Linear(5 * last, width, bias=False)
        self.dropout = nn.Dropout(0.1)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, n_bins + 1)
        self.n_told = width + 3

    @property
    def n_bins(self) -> int:
        """Number of z bins."""
        return self.head.out_features - 1

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
        return self._told(self._features(self.seen(contrast, step=1), numbers))

    def look_at(self, frame_yx: Tensor) -> Callable[[Tensor], Tensor]:
        """Begins to read the tiles of a frame; what it gives asks for the numbers of the frame, and ends it.

        Parameters
        ----------
        frame_yx : Tensor, shape (Y, X)
            Grey values.

        Returns
        -------
        callable
            Takes the numbers that describe the frame as a whole, shape (n_numbers,). Gives what lies in each
            of Y // 16 times X // 16 tiles, row by row, shape (tiles, width + 3), see `tell`.
        """
        seen = self.seen(contrast_of(frame_yx[None], margin_px=MARGIN_PX), step=2)
        return lambda numbers: inside_frame(self.tell(seen, numbers[None])[0], tile_grid(frame_yx))

    def seen(self, contrast: Tensor, *, step: int) -> Tensor:
        """What the convolutions see at each `step`-th place of frames (N, 1, Y, X), shape (N, n, y, x)."""
        return _pooled(self.convolutions(contrast.clamp(-_FARTHEST_CONTRAST, _FARTHEST_CONTRAST)), step=step)

    def tell(self, seen: Tensor, numbers: Tensor) -> Tensor:
        """What lies in each tile, to be averaged over windows; see `cells_told`.

        Parameters
        ----------
        seen : Tensor, shape (N, n, y, x)
            At every second place.
        numbers : Tensor, shape (N, n_numbers)

        Returns
        -------
        Tensor, shape (N, y, x, width + 3)
            Features times presence, presence, certainty, and certainty times the defocus of the bins.
        """
        features = self._features(seen, numbers)
        logits, presence = self._told(features)
        bins = torch.arange(self.n_bins, dtype=torch.float32, device=logits.device) - 0.5 * (self.n_bins - 1)
        shares, there = torch.softmax(logits, dim=-1), torch.sigmoid(presence)
        mean = shares @ bins
        certainty = there / (shares @ bins.square() - mean.square()).clamp_min(_LEAST_VARIANCE)
        of_places = torch.stack([there, certainty, certainty * mean], dim=-1)
        return torch.cat([features.float() * there[..., None], of_places], dim=-1)

    def _features(self, seen: Tensor, numbers: Tensor) -> Tensor:
        """Of each place, shape (N, y, x, width)."""
        scaled = ((numbers - self.numbers_mean) / self.numbers_sd).clamp(-_FARTHEST_SD, _FARTHEST_SD)
        first = torch.relu(self.of_place(seen.permute(0, 2, 3, 1)) + self.of_frame(scaled)[:, None, None])
        features: Tensor = torch.relu(self.hidden(self.dropout(first)))
        return features

    def _told(self, features: Tensor) -> Places:
        out = self.head(features).float()
        return Places(out[..., :-1], out[..., -1])


def inside_frame(tiles: Tensor, grid_yx: tuple[int, int]) -> Tensor:
    """Of tiles (y, x, n) those of a frame that has so many rows and columns of them: (tiles, n)."""
    return tiles[: grid_yx[0], : grid_yx[1]].flatten(0, 1)


def cells_told(tiles: Tensor) -> Tensor:
    """What the tiles of a window say together.

    Parameters
    ----------
    tiles : Tensor, shape (..., width + 3)
        Means over windows of what `CellReader.tell` gave.

    Returns
    -------
    Tensor, shape (..., width + 3)
        Mean features of what is there; how much is there; defocus of its cells, in bins; how certain.
    """
    features, presence, certainty, moment = torch.split(tiles, [tiles.shape[-1] - 3, 1, 1, 1], dim=-1)
    return torch.cat(
        [
            features / (presence + _LEAST_SD),
            (presence + _LEAST_SD).log(),
            moment / (certainty + _TINY),
            (certainty + _LEAST_SD).log(),
        ],
        dim=-1,
    )


def defocus_told(tiles: Tensor) -> tuple[Tensor, Tensor]:
    """How much is in each tile, and its defocus in bins from the middle one.

    Parameters
    ----------
    tiles : Tensor, shape (..., width + 3)
        See `CellReader.tell`.

    Returns
    -------
    Tensor, Tensor, each of shape (...)
    """
    presence, certainty, moment = tiles[..., -3], tiles[..., -2], tiles[..., -1]
    return presence, moment / (certainty + _TINY)


def contrast_of(frames: Tensor, *, margin_px: int = PATCH_PX // 2) -> Tensor:
    """Contrast of frames in their own standard deviation, with a mirrored margin.

    Parameters
    ----------
    frames : Tensor, shape (N, Y, X)
        Grey values.
    margin_px : int
        With that of half a patch the first place is the corner of the frame.

    Returns
    -------
    Tensor, shape (N, 1, Y + 2 `margin_px`, X + 2 `margin_px`)
    """
    centred = frames.float() - frames.float().mean((1, 2), keepdim=True)
    # A norm is four times as fast as torch.std.
    sd = torch.linalg.vector_norm(centred, dim=(1, 2), keepdim=True) / (centred[0].numel() - 1) ** 0.5
    contrast = centred / sd.clamp_min(_TINY)
    is_large = min(frames.shape[1:]) > margin_px
    return functional.pad(contrast[:, None], [margin_px] * 4, mode="reflect" if is_large else "replicate")


def _pooled(seen: Tensor, *, step: int) -> Tensor:
    """Features (N, c, y, x) about each `step`-th place at three scales, shape (N, 5 c, y', x')."""
    near = seen[:, :, 1:-1, 1:-1]
    power = functional.avg_pool2d(seen.float().square(), 6, step)
    return torch.cat(
        [
            functional.avg_pool2d(near[:, :, 1:-1, 1:-1], 2, step),
            functional.avg_pool2d(near, 4, step),
            functional.avg_pool2d(seen, 6, step),
            functional.max_pool2d(near, 4, step),
            (power + _TINY).sqrt().to(seen.dtype),
        ],
        dim=1,
    )
