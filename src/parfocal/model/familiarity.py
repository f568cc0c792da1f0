"""How much a frame looks like those a model was trained on: its in-distribution score.

The sum of opinions on two views of the frame: on what describes it (`parfocal.model.description`) and, where
a network is made of numbers of its own, on those. Kept apart, each tells what the other would drown.

To a model of many microscopes hardly a frame is far from all those it knows. It has to be shown what it must
not answer, and a judge who sees both views decides as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from parfocal.model.description import describe
from parfocal.model.judge import Judge, train_judge
from parfocal.model.opinion import Opinion, View, learn_opinion

REFUSED = 0.005
"""Of the held-out frames. Those that the score puts below one half."""
UNSEEN = 2
"""Over the number of held-out stacks: how much further the farthest familiar frames lie than those seen."""
SHARPNESS = 1.5
CLIPPING_TOLERANCE = 0.03
"""Clipped pixels beyond the usual fraction, from which on a frame is unfamiliar."""
PREFIX, VERDICT = "familiarity.", "judge."
UNITS = 128
"""Of the judge's hidden layer."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of some frames.

    Attributes
    ----------
    views : tuple of arrays, each of shape (N, numbers)
        See `views_of`.
    defocus_um, spread_um : array, shape (N,)
        The network's answers and how wide they are.
    probabilities : array, shape (N, bins)
    """

    views: tuple[Floats, ...]
    defocus_um: Floats
    spread_um: Floats
    probabilities: Floats

    def __len__(self) -> int:
        return len(self.defocus_um)

    @property
    def numbers(self) -> Floats:
        """All of it, shape (N, numbers)."""
        spread = np.log(self.spread_um)[:, None]
        return np.concatenate([*self.views, self.probabilities, spread], axis=1)

    def seen_by(self, k: int) -> View:
        """The `k`-th view alone."""
        return View(self.views[k], self.defocus_um, self.spread_um, self.probabilities)


def views_of(frame_yx: NDArray[Any], features: NDArray[Any] | None) -> tuple[Floats, ...]:
    """What describes a frame and, where a network has numbers of its own, those; each of shape (numbers,)."""
    described = describe(frame_yx).astype(np.float64)
    # A few of a network's numbers are large.
    return (described,) if features is None else (described, np.arcsinh(features.astype(np.float64)))


@dataclass(frozen=True, eq=False)
class Verdict:
    """Of a judge who sees all that is known of a frame.

    Attributes
    ----------
    judge : Judge
    doubt, step : float
        The judgement below which so many of the held-out frames lie as may be refused, and the unit in which
        it is counted.
    """

    judge: Judge
    doubt: float
    step: float

    def of(self, evidence: Evidence) -> Floats:
        """Below 0 for frames that must not be answered, shape (N,)."""
        margin: Floats = (self.judge.of(evidence.numbers) - self.doubt) / self.step
        return margin

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a model file keeps."""
        kept = {f"{PREFIX}{VERDICT}{name}": array for name, array in self.judge.arrays().items()}
        return {**kept, f"{PREFIX}{VERDICT}doubt": np.array([self.doubt, self.step], np.float32)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` gave, without the prefix of all.

        Raises
        ------
        KeyError
            If one is missing.
        """
        own = {name.removeprefix(VERDICT): a for name, a in arrays.items() if name.startswith(VERDICT)}
        return cls(Judge.from_arrays(own), *(float(value) for value in own["doubt"]))


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What familiar frames are like, and what strange ones are like if any were seen.

    Attributes
    ----------
    opinions : tuple of Opinion
        On each view.
    doubt : float
        The sum of opinions below which `REFUSED` of the held-out frames lie.
    usual_clipping : float
        The largest `clipped_fraction` of the training frames.
    verdict : Verdict or None
        Of a model that was shown what it must not answer.
    """

    opinions: tuple[Opinion, ...]
    doubt: float
    usual_clipping: float = 0.0
    verdict: Verdict | None = None

    def scores(self, evidence: Evidence) -> Floats:
        """1 for familiar frames, 0 for frames unlike all others, shape (N,); 0.5 is where doubt begins."""
        margin = self._sum(evidence) - self.doubt
        if self.verdict:
            margin = np.minimum(margin, self.verdict.of(evidence))
        scores: Floats = 1 / (1 + np.exp(-SHARPNESS * np.clip(margin, -40, 40)))
        return np.where(np.isfinite(margin), scores, 0.0)

    def is_clipped(self, frame_yx: NDArray[Any]) -> bool:
        """Whether a camera frame (Y, X) is saturated or black to a degree that training frames were not."""
        return clipped_fraction(frame_yx) > self.usual_clipping + CLIPPING_TOLERANCE

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a model file keeps."""
        kept = {
            f"{PREFIX}{k}.{name}": value
            for k, opinion in enumerate(self.opinions)
            for name, value in opinion.arrays().items()
        }
        judged = self.verdict.arrays() if self.verdict else {}
        return {**kept, **judged, f"{PREFIX}doubt": np.array([self.doubt], np.float32)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, usual_clipping: float) -> Self:
        """What `arrays` gave.

        Raises
        ------
        KeyError
            If one is missing.
        """
        known = {name.removeprefix(PREFIX): a for name, a in arrays.items() if name.startswith(PREFIX)}
        n_opinions = len({name.partition(".")[0] for name in known if name[0].isdigit()})
        opinions = [
            Opinion.from_arrays(
                {name.partition(".")[2]: array for name, array in known.items() if name.startswith(f"{k}.")}
            )
            for k in range(n_opinions)
        ]
        verdict = Verdict.from_arrays(known) if f"{VERDICT}doubt" in known else None
        return cls(tuple(opinions), float(known["doubt"][0]), usual_clipping, verdict)

    def _sum(self, evidence: Evidence) -> Floats:
        total = np.zeros(len(evidence))
        for k, opinion in enumerate(self.opinions):
            total = total + opinion.of(evidence.seen_by(k))
        return total


def clipped_fraction(frame_yx: NDArray[Any]) -> float:
    """Fraction of pixels at the largest or at the smallest grey value of a frame, whichever is larger.

    Examples
    --------
    >>> clipped_fraction(np.array([[1, 4, 4], [2, 3, 4]]))
    0.5
    """
    extremes = (frame_yx.max(), frame_yx.min())
    return max(float(np.count_nonzero(frame_yx == extreme)) / frame_yx.size for extreme in extremes)


def everything_familiar() -> Familiarity:
    """Finds no frame strange: for a model that has not learned yet."""
    return Familiarity((), doubt=-1e6)


def learn_familiarity(
    familiar: Evidence,
    strange: Evidence | None = None,
    *,
    held_out: Evidence,
    n_stacks: int,
    most_strange: float | None = None,
    usual_clipping: float = 0.0,
    seed: int = 0,
) -> Familiarity:
    """What frames look like.

    Parameters
    ----------
    familiar : Evidence
        Of training frames, and of the same as they could have looked.
    strange : Evidence, optional
        Of frames that must not be answered. Of no account where they are not told from held-out frames.
    held_out : Evidence
        Of frames of other stacks; they decide where doubt begins.
    n_stacks : int
        How many stacks those frames are of. All frames of a field are odd alike, and a field that is refused
        loses its focus: where few were seen, doubt begins later.
    most_strange : float, optional
        Share of ordinary frames that a judge of all may refuse, who then alone is shown the strange frames.
    usual_clipping : float
    seed : int
        Of the judges' first weights.
    """
    verdict = None
    if strange is not None and most_strange is not None:
        verdict = _verdict(familiar, strange, held_out=held_out, most_strange=most_strange, seed=seed)
        strange = None
    opinions = [
        learn_opinion(
            familiar.seen_by(k),
            None if strange is None else strange.seen_by(k),
            held_out=held_out.seen_by(k),
            seed=seed,
        )
        for k in range(len(familiar.views))
    ]
    sums = Familiarity(tuple(opinions), doubt=0.0)._sum(held_out)
    median, low = np.quantile(sums, (0.5, REFUSED))
    doubt = median - (median - low) * (1 + UNSEEN / n_stacks)
    return Familiarity(tuple(opinions), float(doubt), usual_clipping, verdict)


def _verdict(
    familiar: Evidence, strange: Evidence, *, held_out: Evidence, most_strange: float, seed: int
) -> Verdict:
    judge = train_judge(familiar.numbers, strange.numbers, units=UNITS, seed=seed)
    judged = judge.of(held_out.numbers)
    median, doubt = np.quantile(judged, (0.5, most_strange))
    return Verdict(judge, float(doubt), max(float(median - doubt), 0.05))
