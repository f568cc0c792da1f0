"""What a model is held against: a constant, and classical focus measures that learn from the same stacks.

A focus measure gives a score, not a position. The averaged score-against-z profile of the training stacks
turns the score of a single image into a position, in two ways:

`<measure>`
    as it would have to work at a microscope: nothing but the image is known.
`<measure>_with_oracles`
    with the two favours that Wei and Roberts (2018, section 2.6) grant it: the side of focus is known, and
    so is the largest score of the stack that the image comes from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parfocal.focus_measures import FOCUS_MEASURES
from parfocal.zstack import ZStack

_GRID_POINTS = 601
_SMOOTHING_POINTS = 10  # of the spread, which a few stacks give only roughly
_LEAST_SD = 0.02  # of the profile's range: keeps a profile from one stack from being certain
_ORACLES = "_with_oracles"
_LEAST_PLANES = 3  # a stack of fewer has no profile


@dataclass(frozen=True, eq=False)
class ScoredStack:
    """The focus scores of one stack.

    Attributes
    ----------
    defocus_um : array, shape (Z,)
        Defocus of each frame, increasing, in um.
    scores : mapping of arrays, each of shape (Z,)
        Scores under the name of their focus measure.
    """

    defocus_um: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class ScoreProfile:
    """Score against z, averaged over stacks.

    Attributes
    ----------
    z_um : array, shape (points,)
        Defocus, increasing, in um.
    mean, std : array, shape (points,)
        Mean and standard deviation of the score over the stacks.
    prior : array, shape (points,)
        Probability of each position before the image is seen: the share of stacks that reach it; sums to 1.
    """

    z_um: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    prior: NDArray[np.float64]

    def expected_z_um(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected defocus given each score, shape (N,), in um.

        Notes
        -----
        At each position the score is taken as Gaussian with the profile's mean and standard deviation;
        Bayes' rule with the prior gives the probability of each position, and its mean is the answer with
        the least expected squared error. Where a score fits both sides of focus, that lies between them:
        all that can be known without the sign.
        """
        deviation = (scores[:, None] - self.mean) / self.std  # (N, points)
        log_weight = np.log(self.prior / self.std) - deviation**2 / 2
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        expected: NDArray[np.float64] = weight @ self.z_um / weight.sum(axis=1)
        return expected

    def matching_z_um(self, scores: NDArray[np.float64], *, side: NDArray[np.float64]) -> NDArray[np.float64]:
        """Position on the given side where the mean profile comes closest to each score, in um.

        Parameters
        ----------
        scores : array, shape (N,)
            Scores, normalised as the profile's are.
        side : array, shape (N,)
            Sign of the true defocus: -1 or 1, or 0 for either.
        """
        distance = np.abs(scores[:, None] - self.mean)  # (N, points)
        other_side = self.z_um * side[:, None] < 0
        # a profile that never reaches this side leaves nothing to choose from: then all of it counts
        other_side &= ~other_side.all(axis=1, keepdims=True)
        nearest: NDArray[np.float64] = self.z_um[np.where(other_side, np.inf, distance).argmin(axis=1)]
        return nearest


def score_stack(stack: ZStack, *, focus_z_um: float) -> ScoredStack:
    """Scores of every focus measure for every frame of a stack.

    Parameters
    ----------
    stack : ZStack
        The stack.
    focus_z_um : float
        Stage position of its focus plane, in um.
    """
    scores = {name: measure(stack.frames_zyx) for name, measure in FOCUS_MEASURES.items()}
    return ScoredStack(stack.defocus_um(focus_z_um), scores)


def average_profile(
    z_um: Sequence[NDArray[np.float64]],
    scores: Sequence[NDArray[np.float64]],
    *,
    z_range_um: tuple[float, float],
) -> ScoreProfile:
    """Averaged score-against-z profile of some stacks.

    Parameters
    ----------
    z_um, scores : sequence of arrays, each of shape (Z,)
        Defocus, increasing, in um, and scores of each stack.
    z_range_um : tuple of float
        Lowest and highest defocus of the profile, in um.

    Notes
    -----
    Each stack is interpolated linearly to a fine z within its own range, so that stacks whose planes lie
    at different positions average without blurring.
    """
    grid = np.linspace(*_common_range(z_um, z_range_um), _GRID_POINTS)
    curves = [np.interp(grid, z, s, left=np.nan, right=np.nan) for z, s in zip(z_um, scores, strict=True)]
    known = np.isfinite(curves)  # (stacks, points)
    reached = known.any(axis=0)
    grid, known, values = grid[reached], known[:, reached], np.asarray(curves)[:, reached]
    n_stacks = known.sum(axis=0)
    mean = np.where(known, values, 0).sum(axis=0) / n_stacks
    variance = (np.where(known, values - mean, 0) ** 2).sum(axis=0) / n_stacks
    std = np.sqrt(ndimage.gaussian_filter1d(variance, _SMOOTHING_POINTS, mode="nearest"))
    least_sd = _LEAST_SD * float(np.ptp(mean)) or 1.0  # a flat profile tells nothing, whatever its spread
    return ScoreProfile(grid, mean, np.maximum(std, least_sd), n_stacks / n_stacks.sum())


def infer_baselines(
    training: Sequence[ScoredStack], test: Sequence[ScoredStack], *, z_range_um: tuple[float, float]
) -> dict[str, list[NDArray[np.float64]]]:
    """Defocus that each baseline infers for each frame of each test stack, in um.

    Parameters
    ----------
    training, test : sequence of ScoredStack
        Stacks to learn from, and stacks to infer.
    z_range_um : tuple of float
        Lowest and highest defocus that occurs, in um; known to the baselines as it is to the model.

    Returns
    -------
    dict
        For each baseline one array of shape (Z,) for each test stack, in the order of `test`: `constant`,
        the median defocus of the training frames; and each focus measure without and with oracles. A
        baseline that has nothing to learn from is left out: `constant` needs training frames within the
        range, a focus measure a training stack with three of them.
    """
    within = [_within(stack, z_range_um) for stack in training]
    inferred = {}
    if any(stack.defocus_um.size for stack in within):
        constant_um = float(np.median(np.concatenate([stack.defocus_um for stack in within])))
        inferred["constant"] = [np.full(stack.defocus_um.shape, constant_um) for stack in test]
    usable = [
        whole for whole, part in zip(training, within, strict=True) if part.defocus_um.size >= _LEAST_PLANES
    ]
    for name in FOCUS_MEASURES if usable else ():
        inferred[name] = _unaided(usable, test, name, z_range_um)
        inferred[f"{name}{_ORACLES}"] = _with_oracles(usable, test, name, z_range_um)
    return inferred


def is_helped(name: str) -> bool:
    """Whether the baseline of this name is told the side of focus and the stack's largest score."""
    return name.endswith(_ORACLES)


def by_error(blocks: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Blocks of metrics in order: `constant` first, then the least mean absolute error, then the silent.

    Examples
    --------
    >>> errors_um = {"entropy": None, "brenner": 2.0, "tenengrad": 1.0, "constant": 5.0}
    >>> list(by_error({name: {"mae_um": error_um} for name, error_um in errors_um.items()}))
    ['constant', 'tenengrad', 'brenner', 'entropy']
    """

    def place(name: str) -> tuple[bool, float]:
        error_um = blocks[name]["mae_um"]
        return name != "constant", math.inf if error_um is None else float(error_um)

    return {name: blocks[name] for name in sorted(blocks, key=place)}


def leading(blocks: Mapping[str, Mapping[str, Any]], *, most: int = 4) -> dict[str, Mapping[str, Any]]:
    """`constant` and the measures that err least: so many without oracles, then so many with them.

    Parameters
    ----------
    blocks : mapping
        ``baselines`` of the metrics of an evaluation: blocks of metrics under their names.
    most : int
        Largest number of measures of each kind.
    """
    alone = {name: block for name, block in blocks.items() if not is_helped(name)}
    helped = {name: block for name, block in blocks.items() if is_helped(name)}
    n_alone = most + ("constant" in alone)
    return dict([*list(by_error(alone).items())[:n_alone], *list(by_error(helped).items())[:most]])


def _unaided(
    training: Sequence[ScoredStack], test: Sequence[ScoredStack], name: str, z_range_um: tuple[float, float]
) -> list[NDArray[np.float64]]:
    # scores of different fields differ by factors: their logarithms are closer to Gaussian
    unit = float(np.median(np.concatenate([stack.scores[name] for stack in training]))) or 1.0
    curves = [np.log1p(stack.scores[name] / unit) for stack in training]
    profile = average_profile([stack.defocus_um for stack in training], curves, z_range_um=z_range_um)
    return [profile.expected_z_um(np.log1p(stack.scores[name] / unit)) for stack in test]


def _with_oracles(
    training: Sequence[ScoredStack], test: Sequence[ScoredStack], name: str, z_range_um: tuple[float, float]
) -> list[NDArray[np.float64]]:
    curves = [_of_maximum(stack.scores[name]) for stack in training]
    profile = average_profile([stack.defocus_um for stack in training], curves, z_range_um=z_range_um)
    return [
        profile.matching_z_um(_of_maximum(stack.scores[name]), side=np.sign(stack.defocus_um))
        for stack in test
    ]


def _of_maximum(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return scores / (scores.max() or 1.0)


def _within(stack: ScoredStack, z_range_um: tuple[float, float]) -> ScoredStack:
    inside = (stack.defocus_um >= z_range_um[0]) & (stack.defocus_um <= z_range_um[1])
    return ScoredStack(stack.defocus_um[inside], {name: s[inside] for name, s in stack.scores.items()})


def _common_range(
    z_um: Sequence[NDArray[np.float64]], z_range_um: tuple[float, float]
) -> tuple[float, float]:
    low = max(z_range_um[0], min(float(z.min()) for z in z_um))
    high = min(z_range_um[1], max(float(z.max()) for z in z_um))
    return low, high
