"""Band moments: what a frame holds at each scale, and how its scales go together, tile by tile.

Defocus shows in the sizes of fringes, in whether edges are bright or dark, and in which fine fringes ride on
which coarse shade. Those are moments of band-passed images: of one band its power, skewness and kurtosis; of
two bands how their amplitudes rise together, and how the sign of the coarse one goes with the amplitude of
the fine one, which turns round at focus. Like the bispectrum of a texture, they do not depend on where things
lie or how they are turned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from parfocal.model.networks.flat_field import flattened

TOP_CYCLES_PER_PX = 0.384
"""Centre of the finest band; that of 1.6 cycles per um in pixels of 0.24 um."""
RELATIVE_WIDTH = 0.75
"""Of a band, its logarithmic sd over the distance to the next band."""
TILE_PX = 16
FADE_PX = 16
"""Towards its edges a frame fades out, lest the waves find steps there: a mirrored margin tells less."""
_FLOOR = 1e-6


@dataclass(frozen=True)
class Bands:
    """Logarithmic bands of spatial frequency, the same ones in each octave.

    Attributes
    ----------
    octaves : int
        At most 5; each octave is computed on a grid half as fine as the one before.
    per_octave : int
        Bands in each.
    flat_field : bool
        Whether uneven light is taken out of a frame before, see `even`.
    """

    octaves: int = 5
    per_octave: int = 3
    flat_field: bool = False

    def even(self, frame_yx: Tensor) -> Tensor:
        """A frame (Y, X) as it is to be taken apart."""
        return flattened(frame_yx) if self.flat_field else frame_yx

    @property
    def count(self) -> int:
        """Number of bands."""
        return self.octaves * self.per_octave

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Each band of a coarse octave with each one as fine or finer: (coarse, fine)."""
        return tuple(
            (octave * self.per_octave + i, j)
            for octave in range(self.octaves)
            for i in range(self.per_octave)
            for j in range((octave + 1) * self.per_octave)
        )

    @cached_property
    def unequal_pairs(self) -> tuple[tuple[int, int], ...]:
        """Each band with each one before it."""
        return tuple((i, j) for i in range(self.count) for j in range(i))

    @property
    def n_moments(self) -> int:
        """Numbers for each tile."""
        return 4 * self.count + len(self.pairs) + len(self.unequal_pairs)

    @property
    def n_channels(self) -> int:
        """Channels of `moments_of`: the moments, and each band's contrast."""
        return self.n_moments + self.count


@dataclass(frozen=True)
class Look:
    """How else the same frame could have looked.

    Attributes
    ----------
    magnification : float
        All lengths across are larger by this factor. A specimen of that size looks like that at a defocus
        larger by its square, through apertures smaller by the factor (Fresnel's similarity).
    condenser : float
        Condenser aperture relative to the real one.
    blur_px : float
        Radius of the disc that the real condenser blurs a point to, in pixels: aperture times defocus.
    """

    magnification: float = 1.0
    condenser: float = 1.0
    blur_px: float = 0.0


AS_IT_IS = Look()


def moments_of(frame_yx: Tensor, bands: Bands, *, look: Look = AS_IT_IS) -> Tensor:
    """Band moments of each tile of a frame.

    Parameters
    ----------
    frame_yx : Tensor, shape (Y, X)
        Grey values, 32-bit floats; two tiles wide and high at least.
    bands : Bands
    look : Look
        Of another magnification or condenser.

    Returns
    -------
    Tensor, shape (tiles, bands.n_channels)
        Of Y // 16 times X // 16 tiles, row by row. Means over each, in the frame's own contrast of each band:
        of squares, of amplitudes, of cubes and fourth powers; of the product of one band with the amplitude
        of another; of the product of two amplitudes. Then the logarithm of each band's contrast in the frame,
        the same for all tiles.

    Notes
    -----
    Moments of larger windows are means over their tiles. What does not fill a tile at the far edges is left
    out. A condenser of another aperture blurs otherwise what is out of focus: for a thin specimen each of its
    waves shifts the image, so that its disc (in proportion to defocus) is the blur; the ratio of the two
    discs' transfer functions, damped where the real one is near zero, turns one image into the other. On
    simulated yeast it leaves two thirds of the difference that 5 % of aperture make, 6 to 14 um out of focus.
    """
    return moments_of_images(band_images(frame_yx, bands, look=look), bands)


def tile_grid(frame_yx: Tensor) -> tuple[int, int]:
    """Rows and columns of the tiles of a frame (Y, X)."""
    return frame_yx.shape[0] // TILE_PX, frame_yx.shape[1] // TILE_PX


def band_images(frame_yx: Tensor, bands: Bands, *, look: Look = AS_IT_IS) -> list[Tensor]:
    """A frame (Y, X) in its bands: for each octave images (per_octave, y, x) on its own grid."""
    y_px, x_px = (side - side % TILE_PX for side in frame_yx.shape)
    spectrum, grid = _spectrum(frame_yx[:y_px, :x_px], look)
    return [
        _band_images(spectrum, grid, octave, bands, magnification=look.magnification)
        for octave in range(bands.octaves)
    ]


def moments_of_images(octaves: Sequence[Tensor], bands: Bands) -> Tensor:
    """What `moments_of` gives, from what `band_images` gave."""
    columns, contrasts = [], []
    envelopes: Tensor | None = None
    for octave, images in enumerate(octaves):
        contrast = images.square().mean((1, 2)).clamp_min(_FLOOR**2).sqrt()
        contrasts.append(contrast.log())
        signed = _in_tiles(images / contrast[:, None, None], TILE_PX >> octave)
        moments, envelopes = _moments_of_octave(signed, envelopes, tile_px=TILE_PX >> octave)
        columns.append(moments)
    tiles = torch.cat(columns, dim=1)[:, _order(bands, columns[0].device)]
    return torch.cat([tiles, torch.cat(contrasts)[None].expand(tiles.shape[0], -1)], dim=1)


def numbers_of(moments: Tensor, bands: Bands) -> Tensor:
    """What the moments of a window say whatever its contrast.

    Parameters
    ----------
    moments : Tensor, shape (..., bands.n_channels)
        Means over windows.
    bands : Bands

    Returns
    -------
    Tensor, shape (..., bands.n_channels)
        Relative contrast, skewness, kurtosis and mean amplitude of each band, correlations of pairs of bands,
        and the frame's contrasts as they are.
    """
    n = bands.count
    sizes = [n, n, n, n, len(bands.pairs), len(bands.unequal_pairs), n]
    square, amplitude, cube, fourth, signed, joint, contrast = torch.split(moments, sizes, dim=-1)
    square = square.clamp_min(_FLOOR)
    sd = square.sqrt()
    amplitude_sd = (square - amplitude.square()).clamp_min(_FLOOR).sqrt()
    coarse, fine = (list(side) for side in zip(*bands.pairs, strict=True))
    one, other = (list(side) for side in zip(*bands.unequal_pairs, strict=True))
    return torch.cat(
        [
            sd.log(),
            torch.asinh(cube / (square * sd)),
            (fourth / square.square()).clamp_min(1e-3).log(),
            (amplitude / sd).clamp_min(1e-3).log(),
            (signed / (sd[..., coarse] * amplitude_sd[..., fine])).clamp(-3, 3),
            (
                (joint - amplitude[..., one] * amplitude[..., other])
                / (amplitude_sd[..., one] * amplitude_sd[..., other])
            ).clamp(-3, 3),
            contrast,
        ],
        dim=-1,
    )


def looked_at(frame_yx: Tensor, look: Look) -> Tensor:
    """The frame (Y, X) itself as it would have looked; where it shrinks, its edges are mirrored."""
    if look.condenser != 1 and look.blur_px > 0:
        ratio = _condenser_ratio(_frequencies(*frame_yx.shape, frame_yx.device), look)
        frame_yx = torch.fft.irfft2(torch.fft.rfft2(frame_yx) * ratio, s=tuple(frame_yx.shape))
    if look.magnification == 1:
        return frame_yx
    y, x = (
        (torch.arange(side, device=frame_yx.device) + 0.5 - side / 2) / look.magnification * 2 / side
        for side in frame_yx.shape
    )
    at = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], dim=-1)[None]
    looked: Tensor = functional.grid_sample(
        frame_yx[None, None], at, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return looked[0, 0]


def frame_numbers(moments: Tensor, bands: Bands) -> Tensor:
    """The numbers of a frame as a whole, shape (bands.n_channels,), from what `moments_of` gave."""
    return numbers_of(moments.mean(0), bands)


def _moments_of_octave(signed: Tensor, finer: Tensor | None, *, tile_px: int) -> tuple[Tensor, Tensor]:
    """Moments of the bands of one octave, shape (tiles, columns), and the amplitudes of all bands so far.

    Images of tiles are (tiles, k, pixels); `finer` are the amplitudes (tiles, n, 4 pixels) of finer bands.
    All products of two images are summed at once, tile by tile, as a matrix product: many times as fast as
    one by one. Columns are the products of amplitudes, of signed bands with amplitudes, the amplitudes, cubes
    and fourth powers; `_order` tells them apart.
    """
    amplitude, square = signed.abs(), signed.square()
    if finer is None:
        envelopes = amplitude
    else:
        envelopes = torch.cat([finer @ _fourths(2 * tile_px, finer.device), amplitude], dim=1)
    both = torch.cat([amplitude, signed], dim=1)
    products = both @ envelopes.transpose(1, 2) / tile_px**2
    powers = [amplitude.mean(2), (square * signed).mean(2), square.square().mean(2)]
    return torch.cat([products.flatten(1), *powers], dim=1), envelopes


@lru_cache(maxsize=32)
def _order(bands: Bands, device: torch.device) -> Tensor:
    """Where each moment lies in the columns of all octaves."""
    k = bands.per_octave
    kinds: list[list[int]] = [[] for _ in range(6)]
    start = 0
    for octave in range(bands.octaves):
        n = (octave + 1) * k
        after = start + 2 * k * n
        for i in range(k):
            of_amplitude, of_signed, itself = start + i * n, start + (k + i) * n, n - k + i
            kinds[0].append(of_amplitude + itself)
            for power in range(3):
                kinds[1 + power].append(after + power * k + i)
            kinds[4] += range(of_signed, of_signed + n)
            kinds[5] += range(of_amplitude, of_amplitude + itself)
        start = after + 3 * k
    return torch.tensor([column for kind in kinds for column in kind], device=device)


def _in_tiles(images: Tensor, tile_px: int) -> Tensor:
    """Images (k, y, x) cut into (tiles, k, tile_px**2)."""
    k, y_px, x_px = images.shape
    cut = images.reshape(k, y_px // tile_px, tile_px, x_px // tile_px, tile_px)
    return cut.permute(1, 3, 0, 2, 4).reshape(-1, k, tile_px**2)


@lru_cache(maxsize=32)
def _fourths(tile_px: int, device: torch.device) -> Tensor:
    """Averages the pixels of a tile two by two: a matrix product is faster than pooling."""
    pair = torch.arange(tile_px, device=device) // 2
    halves = (pair[:, None] == torch.arange(tile_px // 2, device=device)).float() / 2
    return torch.kron(halves, halves)


def _spectrum(frame_yx: Tensor, look: Look) -> tuple[Tensor, tuple[int, int]]:
    """Of the frame's contrast, which fades out at its edges; and the size of the grid."""
    grid = (frame_yx.shape[0], frame_yx.shape[1])
    contrast = frame_yx / frame_yx.mean().clamp_min(_FLOOR) - 1
    spectrum = torch.fft.rfft2(contrast * _fade(*grid, frame_yx.device))
    if look.condenser != 1 and look.blur_px > 0:
        spectrum = spectrum * _condenser_ratio(_frequencies(*grid, frame_yx.device), look)
    return spectrum, grid


@lru_cache(maxsize=32)
def _fade(y_px: int, x_px: int, device: torch.device) -> Tensor:
    sides = []
    for side_px in (y_px, x_px):
        from_edge = (
            torch.arange(side_px, device=device).minimum(torch.arange(side_px, device=device).flip(0)) + 0.5
        )
        sides.append(0.5 - 0.5 * torch.cos(math.pi * (from_edge / FADE_PX).clamp(max=1)))
    return sides[0][:, None] * sides[1][None, :]


def _band_images(
    spectrum: Tensor, grid: tuple[int, int], octave: int, bands: Bands, *, magnification: float
) -> Tensor:
    """Band-passed images of one octave on its own grid, shape (bands.per_octave, y, x)."""
    y_px, x_px = grid[0] >> octave, grid[1] >> octave
    low, high = spectrum[: y_px // 2], spectrum[grid[0] - (y_px - y_px // 2) :]
    part = spectrum if octave == 0 else torch.cat([low, high])[:, : x_px // 2 + 1]
    filters = _filters(y_px, x_px, octave, bands.per_octave, magnification, spectrum.device)
    images: Tensor = torch.fft.irfft2(part * filters, s=(y_px, x_px))
    return images


@lru_cache(maxsize=32)
def _centred(y_px: int, x_px: int, octave: int, device: torch.device) -> Tensor:
    """Moves the samples of a coarse grid to the middles of the fine pixels that each stands for."""
    forward = (1 - 0.5**octave) / 2  # in coarse pixels
    y, x = torch.fft.fftfreq(y_px, device=device)[:, None], torch.fft.rfftfreq(x_px, device=device)[None, :]
    kept = (y > -0.5) & (x < 0.5)  # the fastest waves cannot be moved: their phase is not known
    return torch.polar(kept.float(), 2 * math.pi * forward * (y + x))


@lru_cache(maxsize=32)
def _filters(
    y_px: int, x_px: int, octave: int, per_octave: int, magnification: float, device: torch.device
) -> Tensor:
    """Of each band of an octave on its own grid, with the move of `_centred` and that grid's scale."""
    log_frequency = _frequencies(y_px, x_px, device).log()
    step = math.log(2) / per_octave
    centres = [math.log(TOP_CYCLES_PER_PX * magnification) - k * step for k in range(per_octave)]
    bands = torch.stack(
        [torch.exp(-0.5 * ((log_frequency - centre) / (RELATIVE_WIDTH * step)) ** 2) for centre in centres]
    )
    filters: Tensor = bands * _centred(y_px, x_px, octave, device) / 4**octave
    return filters


@lru_cache(maxsize=64)
def _frequencies(y_px: int, x_px: int, device: torch.device) -> Tensor:
    """Cycles per pixel of each wave of a real spectrum; the constant counts as hardly any."""
    y, x = torch.fft.fftfreq(y_px, device=device), torch.fft.rfftfreq(x_px, device=device)
    return torch.hypot(y[:, None], x[None, :]).clamp_min(1e-6)


_DAMPING = 0.15
"""Of the ratio of two transfer functions, where the real one is near zero; of .05 and .15 about as good."""


def _condenser_ratio(frequencies: Tensor, look: Look) -> Tensor:
    real = _disc_transfer(2 * math.pi * look.blur_px * frequencies)
    other = _disc_transfer(2 * math.pi * look.blur_px * look.condenser * frequencies)
    ratio: Tensor = (other * real + _DAMPING**2) / (real.square() + _DAMPING**2)
    return ratio


def _disc_transfer(radians: Tensor) -> Tensor:
    """Transfer function of a uniform disc, ``2 J1(q) / q``."""
    q = radians.clamp_min(1e-6)
    transfer: Tensor = 2 * torch.special.bessel_j1(q) / q
    return transfer
