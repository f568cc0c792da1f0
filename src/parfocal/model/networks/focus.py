"""FocusNetwork: reads the band moments of every window of a frame of any size."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from parfocal.model.networks.bands import AS_IT_IS, TILE_PX, Bands, Look, moments_of, numbers_of

FARTHEST_SD = 6.0
"""Numbers further from their mean than this count as this far."""
DESCRIBED_TILE_PX = 2 * TILE_PX
"""Tiles of descriptions are larger, and a quarter as many to keep."""


def describe(frame_yx: Tensor, bands: Bands, *, look: Look = AS_IT_IS) -> Tensor:
    """All that a `FocusNetwork` needs to know of a frame; nearly all of its time is spent here.

    Parameters
    ----------
    frame_yx : Tensor, shape (Y, X)
        Grey values.
    bands : Bands
        Those of the network.
    look : Look
        Of another magnification or condenser.

    Returns
    -------
    Tensor, shape (bands.n_channels, Y // 32, X // 32)
    """
    return functional.avg_pool2d(moments_of(frame_yx.float(), bands, look=look), DESCRIBED_TILE_PX // TILE_PX)


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

    Notes
    -----
    Each window gives logits over the bins and a weight; the frame's logits are the weighted mean of its
    windows'. A window without cells learns a small weight. Beside its own numbers each window is shown those
    of the whole frame.
    """

    def __init__(
        self, *, n_bins: int, octaves: int = 5, per_octave: int = 3, window_px: int = 64, width: int = 192
    ) -> None:
        super().__init__()
        self.bands = Bands(octaves, per_octave)
        self.window_px = window_px
        n_numbers = 2 * self.bands.n_channels
        self.scaling = nn.BatchNorm2d(n_numbers, affine=False)
        self.features = nn.Sequential(
            nn.Conv2d(n_numbers, width, 1),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.1),
            nn.Conv2d(width, width, 1),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Conv2d(width, n_bins + 1, 1)

    def outputs(self, frames: Tensor) -> dict[str, Tensor]:
        """All that the network says of frames.

        Parameters
        ----------
        frames : Tensor, shape (N, 1, Y, X) or (N, channels, y, x)
            Grey values; or what `describe` gave.

        Returns
        -------
        dict
            ``logits`` (N, bins); ``tile_logits`` (N, bins, y, x) and ``tile_weights`` (N, 1, y, x) of each
            window, the weights summing to 1; ``features`` (N, channels), their weighted mean features.
        """
        features = self.features(self.scaling(self._numbers(frames)).clamp(-FARTHEST_SD, FARTHEST_SD))
        out = self.head(features).float()
        weights = torch.softmax(out[:, -1:].flatten(2), dim=2).view_as(out[:, -1:])
        return {
            "logits": (out[:, :-1] * weights).sum(dim=(-2, -1)),
            "tile_logits": out[:, :-1],
            "tile_weights": weights,
            "features": (features.float() * weights).sum(dim=(-2, -1)),
        }

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (N, bins) of frames, see `outputs`."""
        return self.outputs(frames)["logits"]

    def _numbers(self, frames: Tensor) -> Tensor:
        # Nothing to learn in front of the numbers, and bfloat16 would blur their logarithms.
        with torch.no_grad(), torch.autocast(frames.device.type, enabled=False):
            if frames.shape[1] == 1:
                tile_px, moments = (
                    TILE_PX,
                    torch.stack([moments_of(frame, self.bands) for frame in frames[:, 0]]),
                )
            else:
                tile_px, moments = DESCRIBED_TILE_PX, frames
            window = [min(self.window_px // tile_px, side) for side in moments.shape[-2:]]
            of_windows = numbers_of(functional.avg_pool2d(moments, window, stride=1), self.bands)
            of_frame = numbers_of(moments.mean((-2, -1), keepdim=True), self.bands)
            return torch.cat([of_windows, of_frame.expand_as(of_windows)], dim=1)
