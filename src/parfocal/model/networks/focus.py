"""FocusNetwork: reads the band moments of every window of a frame of any size."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from parfocal.model.networks.bands import (
    AS_IT_IS,
    TILE_PX,
    Bands,
    Look,
    frame_numbers,
    looked_at,
    moments_of,
    numbers_of,
    tile_grid,
)
from parfocal.model.networks.cell_reader import STRIDE_PX as PLACES_APART_PX
from parfocal.model.networks.cell_reader import CellReader, Places, cells_told, contrast_of, defocus_told
from parfocal.model.networks.precision import has_fast_bf16

FARTHEST_SD = 6.0
"""Numbers further from their mean than this count as this far."""
STRIDE_PX = 2 * TILE_PX
"""Windows are that far apart, or a tile more where a side is no multiple of it."""
_LEAST_SD = 1e-3


def describe(
    frame_yx: Tensor, bands: Bands, *, window_px: int, look: Look = AS_IT_IS, reader: CellReader | None = None
) -> Tensor:
    """All that a `FocusNetwork` learns from in a frame; nearly all of its time is spent here.

    Parameters
    ----------
    frame_yx : Tensor, shape (Y, X)
        Grey values.
    bands : Bands
    window_px : int
        Of the network, as the bands are.
    look : Look
        Of another magnification or condenser.
    reader : CellReader, optional
        Of the network.

    Returns
    -------
    Tensor, shape (1 + windows, n)
        Numbers of the frame, then of its windows, one about every 32 pixels: `bands.n_channels` of the bands,
        then those of the reader.
    """
    tiles = _tiles(frame_yx.float(), bands, look=look, reader=reader)
    return _numbers(
        tiles[None], bands, tile_grid(frame_yx), window_px=window_px, reads_cells=reader is not None
    )[0]


class FocusNetwork(nn.Module):
    """Band moments, which are not learned, and a small network that reads them window by window.

    Parameters
    ----------
    n_bins : int
        Number of z bins.
    octaves, per_octave : int
        Of the bands, see `parfocal.model.networks.bands.Bands`.
    window_px : int
        Side of a window; a smaller frame is one window.
    width : int
        Of the two hidden layers.
    cell_bins : int
        Bins of its `CellReader`; without one if 0.
    flat_field : bool
        Whether uneven light is taken out of each frame before.

    Notes
    -----
    Each window gives logits over the bins and a weight; the frame's logits are the weighted mean of its
    windows'. A window without cells learns a small weight. Beside its own numbers each window is shown those
    of the whole frame; with a `CellReader` also what that reads in both. Numbers are scaled to what they were
    in the training frames, see `scale_to`.
    """

    numbers_mean: Tensor
    numbers_sd: Tensor

    def __init__(
        self,
        *,
        n_bins: int,
        octaves: int = 5,
        per_octave: int = 3,
        window_px: int = 64,
        width: int = 256,
        cell_bins: int = 0,
        flat_field: bool = False,
    ) -> None:
        super().__init__()
        self.bands = Bands(octaves, per_octave, flat_field)
        self.window_px = window_px
        self.reader = CellReader(n_bins=cell_bins, n_numbers=self.bands.n_channels) if cell_bins else None
        if self.reader:
            self.reader.eval().requires_grad_(False)  # it learns before, and otherwise
        n_numbers = self.bands.n_channels + (self.reader.n_told if self.reader else 0)
        self.register_buffer("numbers_mean", torch.zeros(2, n_numbers))
        self.register_buffer("numbers_sd", torch.ones(2, n_numbers))
        self.of_frame = nn.Linear(n_numbers, width)
        self.of_window = nn.Linear(n_numbers, width, bias=False)
        self.dropout = nn.Dropout(0.1)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, n_bins + 1)

    def scale_to(self, descriptions: Iterable[Tensor]) -> None:
        """Takes the mean and standard deviation of each number from descriptions (N, 1 + windows, n)."""
        described = list(descriptions)
        of_frames = torch.cat([batch[:, 0] for batch in described])
        of_windows = torch.cat([batch[:, 1:].flatten(0, 1) for batch in described])
        for row, numbers in enumerate((of_frames, of_windows)):
            sd, mean = torch.std_mean(numbers, dim=0)
            self.numbers_mean[row], self.numbers_sd[row] = mean, sd.clamp_min(_LEAST_SD)

    def outputs(self, frames: Tensor) -> dict[str, Tensor]:
        """All that the network says of frames.

        Parameters
        ----------
        frames : Tensor, shape (N, 1, Y, X) or (N, 1 + windows, n)
            Grey values; or what `describe` gave.

        Returns
        -------
        dict
            ``logits`` (N, bins); ``tile_logits`` (N, bins, y, x) and ``tile_weights`` (N, 1, y, x) of each
            window, the weights summing to 1; ``features`` (N, bands.n_channels), the numbers of the frame as
            a whole, which tell what it looks like. With a `CellReader`, of frames of grey values: ``cell_um``
            and ``cell_presence`` (N, y, x), the defocus of what lies in each tile of 16 pixels, in um of the
            reader's bins, and how much is there.
        """
        if frames.dim() == 3:
            return self._outputs(frames, grid_yx=(frames.shape[1] - 1, 1))
        # Nothing to learn in front of the numbers, and bfloat16 would blur their logarithms.
        with torch.no_grad(), torch.autocast(frames.device.type, enabled=False):
            tiles = torch.stack([_tiles(frame, self.bands, reader=self.reader) for frame in frames[:, 0]])
        return self.outputs_of_tiles(tiles, grid_yx=tile_grid(frames[0, 0]))

    def outputs_of_tiles(self, tiles: Tensor, *, grid_yx: tuple[int, int]) -> dict[str, Tensor]:
        """What `outputs` gives, from what is known of the tiles of frames.

        Parameters
        ----------
        tiles : Tensor, shape (N, tiles, n)
            Of each frame what `moments_of` gave, beside it what a `CellReader` told.
        grid_yx : tuple of int
            Rows and columns of tiles.
        """
        with torch.no_grad(), torch.autocast(tiles.device.type, enabled=False):
            described = _numbers(
                tiles, self.bands, grid_yx, window_px=self.window_px, reads_cells=self.reader is not None
            )
        outputs = self._outputs(described, grid_yx=_window_grid(grid_yx, self.window_px))
        if self.reader:
            presence, at_bin = (told.reshape(-1, *grid_yx) for told in defocus_told(tiles))
            centres_um = self.reader.centres_um
            width_um = (centres_um[-1] - centres_um[0]) / (self.reader.n_bins - 1)
            outputs |= {"cell_presence": presence, "cell_um": centres_um.mean() + width_um * at_bin}
        return outputs

    def _outputs(self, described: Tensor, *, grid_yx: tuple[int, int]) -> dict[str, Tensor]:
        """From numbers of frames and of their windows, which lie in a grid."""
        scaled = self._scaled(described)
        frame, windows = scaled[:, :1], scaled[:, 1:]
        first = self.of_window(windows) + self.of_frame(frame)
        features = torch.relu(self.hidden(self.dropout(torch.relu(first))))
        out = self.head(features).float()
        logits, weights = out[..., :-1], torch.softmax(out[..., -1], dim=1)
        return {
            "logits": (logits * weights[..., None]).sum(dim=1),
            "tile_logits": logits.transpose(1, 2).reshape(-1, logits.shape[2], *grid_yx),
            "tile_weights": weights.reshape(-1, 1, *grid_yx),
            "features": frame[:, 0, : self.bands.n_channels].float(),
        }

    @property
    def names_of_outputs(self) -> tuple[str, ...]:
        """What `outputs` holds for frames of grey values, in its order."""
        of_cells = ("cell_presence", "cell_um") if self.reader else ()
        return ("logits", "tile_logits", "tile_weights", "features", *of_cells)

    def places(self, frame_yx: Tensor) -> Places:
        """What its `CellReader`, which it must have, says of the places of a frame (Y, X)."""
        assert self.reader
        frame_yx = self.bands.even(frame_yx)
        numbers = frame_numbers(moments_of(frame_yx, self.bands), self.bands)
        places: Places = self.reader(contrast_of(frame_yx[None]), numbers[None])
        inside = tuple(slice((side - 1) // PLACES_APART_PX + 1) for side in frame_yx.shape)
        return Places(places.logits[:, *inside], places.presence[:, *inside])

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (N, bins) of frames, see `outputs`."""
        return self.outputs(frames)["logits"]

    def _scaled(self, described: Tensor) -> Tensor:
        """Numbers (N, 1 + windows, n) in standard deviations."""
        frame, windows = (
            ((part - self.numbers_mean[row]) / self.numbers_sd[row]).clamp(-FARTHEST_SD, FARTHEST_SD)
            for row, part in enumerate((described[:, :1], described[:, 1:]))
        )
        return torch.cat([frame, windows], dim=1)


def _tiles(
    frame_yx: Tensor, bands: Bands, *, look: Look = AS_IT_IS, reader: CellReader | None = None
) -> Tensor:
    """What is known of each tile of a frame, to be averaged over windows, shape (tiles, n)."""
    frame_yx = bands.even(frame_yx)
    if reader is None:
        return moments_of(frame_yx, bands, look=look)
    rounding = partial(torch.autocast, frame_yx.device.type, torch.bfloat16, enabled=has_fast_bf16())
    with rounding():
        tell = reader.look_at(looked_at(frame_yx, look))  # a compiled one goes on beside what follows
    moments = moments_of(frame_yx, bands, look=look)
    with rounding():
        cells = tell(frame_numbers(moments, bands))
    return torch.cat([moments, cells], dim=1)


def _numbers(
    tiles: Tensor, bands: Bands, grid_yx: tuple[int, int], *, window_px: int, reads_cells: bool
) -> Tensor:
    """Numbers (N, 1 + windows, n) of frames and of their windows, from their tiles (N, tiles, n)."""
    means = torch.cat(
        [tiles.mean(1, keepdim=True), _windows(grid_yx, window_px, tiles.device) @ tiles], dim=1
    )
    numbers = numbers_of(means[..., : bands.n_channels], bands)
    return (
        torch.cat([numbers, cells_told(means[..., bands.n_channels :])], dim=-1) if reads_cells else numbers
    )


def _window_grid(grid_yx: tuple[int, int], window_px: int) -> tuple[int, int]:
    """Rows and columns of windows, from those of tiles."""
    down, across = (len(window_starts(n, window_px=window_px)[0]) for n in grid_yx)
    return down, across


def window_starts(n_tiles: int, *, window_px: int) -> tuple[list[int], int]:
    """First tiles of the windows along one side, and how many tiles each has.

    Examples
    --------
    >>> window_starts(8, window_px=64), window_starts(9, window_px=64)
    (([0, 2, 4], 4), ([0, 2, 5], 4))
    """
    window = min(window_px // TILE_PX, n_tiles)
    free = n_tiles - window
    n_windows = free // (STRIDE_PX // TILE_PX) + 1
    return [k * free // max(n_windows - 1, 1) for k in range(n_windows)], window


@lru_cache(maxsize=32)
def _windows(grid_yx: tuple[int, int], window_px: int, device: torch.device) -> Tensor:
    """Weights of each tile in the mean of each window, shape (windows, tiles)."""
    down, across = (_windows_along(n, window_px, device) for n in grid_yx)
    return torch.kron(down, across)


def _windows_along(n_tiles: int, window_px: int, device: torch.device) -> Tensor:
    starts, window = window_starts(n_tiles, window_px=window_px)
    first = torch.tensor(starts, device=device)[:, None]
    tile = torch.arange(n_tiles, device=device)
    return ((first <= tile) & (tile < first + window)).float() / window
