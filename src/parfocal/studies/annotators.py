"""Simulated people who annotate z-stacks: how far off they are is assumed, and said with every study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from parfocal.data.annotation import Annotation
from parfocal.data.dataset import Dataset


@dataclass(frozen=True)
class Annotator:
    """A person who looks for focus.

    Attributes
    ----------
    name : str
    bias_um : float
        How much too high, on average, the stage position is that they call in focus.
    jitter_um : float
        Standard deviation of that position from stack to stack, and from one time to the next.
    single_image_jitter_um : float
        The same where they see a single image and are to tell its z.

    Examples
    --------
    >>> careless = Annotator("H", bias_um=1.0, jitter_um=0.0)
    >>> planes_um = np.array([98.0, 99.0, 100.0, 101.0, 102.0])
    >>> careless.plane_um(planes_um, 100.2, np.random.default_rng(0))
    101.0
    >>> careless.image_um(5.2, np.random.default_rng(0))
    4.0
    """

    name: str
    bias_um: float
    jitter_um: float
    single_image_jitter_um: float = 0.0

    def plane_um(self, z_um: NDArray[np.float64], focus_z_um: float, generator: np.random.Generator) -> float:
        """Stage position of the plane that they choose from a whole stack.

        Parameters
        ----------
        z_um : array, shape (Z,)
            Of the planes, in um.
        focus_z_um : float
            True position in focus, in um.
        generator : numpy.random.Generator
            One normal number is drawn from it, whatever the jitter.
        """
        seen_um = focus_z_um + self.bias_um + self.jitter_um * generator.standard_normal()
        return float(z_um[np.abs(z_um - seen_um).argmin()])

    def image_um(self, defocus_um: float, generator: np.random.Generator) -> float:
        """Defocus that they name for a single image, in whole um.

        Parameters
        ----------
        defocus_um : float
            True defocus, in um.
        generator : numpy.random.Generator
            One normal number is drawn from it.
        """
        off_um = self.single_image_jitter_um * generator.standard_normal() - self.bias_um
        return float(round(defocus_um + off_um))


def annotated_by(
    annotator: Annotator, dataset: Dataset, *, seed: int = 0
) -> Callable[[Annotation], Annotation]:
    """What puts an annotator's plane in place of the true focus of a stack.

    Parameters
    ----------
    annotator : Annotator
    dataset : Dataset
        Where the stacks are.
    seed : int
        Of one time of looking; the order of the stacks does not matter.
    """

    def annotate(truth: Annotation) -> Annotation:
        z_um = dataset.positions_um(truth.stack)
        generator = looking_at(truth.stack, annotator.name, seed=seed)
        focus_z_um = annotator.plane_um(z_um, truth.focus_z_um, generator)
        return replace(truth, focus_z_um=focus_z_um, annotator=annotator.name)

    return annotate


def looking_at(stack: str, who: str, *, seed: int) -> np.random.Generator:
    """Chance, of its own for each stack, each annotator and each time of looking."""
    return np.random.default_rng([seed, crc32(who.encode()), crc32(stack.encode())])
