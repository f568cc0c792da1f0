"""How much a frame looks like those a model was trained on: its in-distribution score.

Independent of the network: a frame is described by the powers of its spatial frequencies, the skewness and
kurtosis of its grey values and its contrast. Frames far from all bins of the training data are unfamiliar
(class-conditional Mahalanobis distance, Lee et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

N_BANDS = 20
SHRINKAGE = 0.1
CLIPPING_TOLERANCE = 0.03
"""Clipped pixels beyond the usual fraction, from which on a frame is unfamiliar."""


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What training frames look like.

    Attributes
    ----------
    means : array, shape (groups, features)
        Mean description of the frames of each group of neighbouring defocus.
    whitening : array, shape (features, features)
        Turns differences into units of the spread within a group.
    usual_distance : float
        95 % of the held-out frames lie within this distance of their nearest group.
    usual_clipping : float
        The largest `clipped_fraction` of the training frames.
    """

    means: NDArray[np.float32]
    whitening: NDArray[np.float32]
    usual_distance: float
    usual_clipping: float = 0.0

    def score(self, frame_yx: Tensor) -> float:
        """1 for a familiar frame, 0.5 at twice the usual distance, 0 for a frame unlike all others.

        Parameters
        ----------
        frame_yx : Tensor, shape (Y, X)
            Grey values at the model's working pixel.
        """
        distance = self.distance(describe(frame_yx)[None])[0] / self.usual_distance
        return float(1 / (1 + (distance / 2) ** 6)) if np.isfinite(distance) else 0.0

    def is_clipped(self, frame_yx: NDArray[Any]) -> bool:
        """Whether a camera frame (Y, X) is saturated or black to a degree that training frames were not."""
        return clipped_fraction(frame_yx) > self.usual_clipping + CLIPPING_TOLERANCE

    def distance(self, descriptions: NDArray[np.float32]) -> NDArray[np.float64]:
        """Distance of each description (N, features) to its nearest group, shape (N,)."""
        return _nearest(descriptions, self.means, self.whitening)


def clipped_fraction(frame_yx: NDArray[Any]) -> float:
    """Fraction of pixels at the largest or at the smallest grey value of a frame, whichever is larger.

    Examples
    --------
    >>> clipped_fraction(np.array([[1, 4, 4], [2, 3, 4]]))
    0.5
    """
    extremes = (frame_yx.max(), frame_yx.min())
    return max(float(np.count_nonzero(frame_yx == extreme)) / frame_yx.size for extreme in extremes)


def describe(frame_yx: Tensor) -> NDArray[np.float32]:
    """Numbers that describe a frame: log band powers, skewness, kurtosis and log contrast.

    Parameters
    ----------
    frame_yx : Tensor, shape (Y, X)
        Grey values.

    Returns
    -------
    array, shape (N_BANDS + 3,), float32
    """
    x = frame_yx.double()
    mean, std = x.mean(), x.std()
    contrast = std / mean.abs().clamp(min=1e-12)
    x = (x - mean) / std.clamp(min=1e-12)
    window = torch.outer(*(torch.hann_window(n, dtype=torch.float64, periodic=False) for n in x.shape))
    power = torch.fft.rfft2(x * window, norm="ortho").abs() ** 2
    fy, fx = torch.fft.fftfreq(x.shape[0]).abs(), torch.fft.rfftfreq(x.shape[1])
    band = (torch.hypot(fy[:, None], fx[None, :]) / 0.5 * N_BANDS).long().clamp(max=N_BANDS - 1).flatten()
    sums = torch.zeros(N_BANDS, dtype=torch.float64).index_add(0, band, power.flatten())
    counts = torch.bincount(band, minlength=N_BANDS).clamp(min=1)
    shape = torch.stack([(x**3).mean(), torch.log((x**4).mean() + 1e-6), torch.log(contrast + 1e-6)])
    described: NDArray[np.float32] = torch.cat([torch.log(sums / counts + 1e-9), shape]).float().numpy()
    return described


def learn_familiarity(
    training: NDArray[np.float32],
    training_bins: NDArray[np.int64],
    held_out: NDArray[np.float32],
) -> Familiarity:
    """What frames look like, from their descriptions.

    Parameters
    ----------
    training : array, shape (N, features)
    training_bins : array, shape (N,)
        Bin of defocus of each training frame.
    held_out : array, shape (M, features)
        Frames of other stacks; they set the usual distance.
    """
    groups = [training[training_bins == k] for k in np.unique(training_bins)]
    means = np.stack([group.mean(axis=0) for group in groups])
    residuals = np.concatenate([group - mean for group, mean in zip(groups, means, strict=True)])
    covariance = residuals.T @ residuals / max(1, len(residuals) - len(groups))
    floor = SHRINKAGE * np.diag(np.diag(covariance)) + 1e-4 * np.eye(len(covariance))
    values, vectors = np.linalg.eigh((1 - SHRINKAGE) * covariance + floor)
    whitening = (vectors / np.sqrt(values)).astype(np.float32)
    usual = float(np.quantile(_nearest(held_out, means, whitening), 0.95))
    return Familiarity(means.astype(np.float32), whitening, max(usual, 1e-6))


def _nearest(
    descriptions: NDArray[np.float32], means: NDArray[np.float32], whitening: NDArray[np.float32]
) -> NDArray[np.float64]:
    apart = (descriptions[:, None, :] - means[None, :, :]) @ whitening
    distances: NDArray[np.float64] = np.sqrt((apart.astype(np.float64) ** 2).mean(axis=2)).min(axis=1)
    return distances
