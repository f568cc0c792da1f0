"""What another model says of the images that a record kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from parfocal.control.kept_image import KeptImage
from parfocal.control.run_record import RunRecord
from parfocal.errors import InputError
from parfocal.estimate import Estimator


@dataclass(frozen=True)
class TwoAnswers:
    """One kept image, as the run's model told it and as another one does.

    Attributes
    ----------
    number : int
        Of the frame in its run, from 1.
    t_s, z_um : float
        Time on the lock's clock, and stage position.
    run_um, run_std_um, run_accepted
        Defocus that the run was told, its standard deviation, and whether it was to be acted on.
    other_um, other_std_um, other_accepted
        The same from the other model.
    true_um : float or None
        The true defocus, where the record knows it.
    """

    number: int
    t_s: float
    z_um: float
    run_um: float
    run_std_um: float
    run_accepted: bool
    other_um: float
    other_std_um: float
    other_accepted: bool
    true_um: float | None


@dataclass(frozen=True)
class SecondOpinion:
    """Two models on the kept images of a run.

    Attributes
    ----------
    images : tuple of TwoAnswers
    """

    images: tuple[TwoAnswers, ...]

    @property
    def n_images(self) -> int:
        """How many images there are."""
        return len(self.images)

    @property
    def accepted_run(self) -> float:
        """Fraction that the run's model accepted."""
        return float(np.mean([image.run_accepted for image in self.images]))

    @property
    def accepted_other(self) -> float:
        """Fraction that the other model accepts."""
        return float(np.mean([image.other_accepted for image in self.images]))

    @property
    def n_both(self) -> int:
        """How many both accept: what `difference_mean_um` and `difference_rms_um` are of."""
        return len(self._differences_um)

    @property
    def difference_mean_um(self) -> float | None:
        """The other model's answers less those of the run, on average."""
        return _mean(self._differences_um)

    @property
    def difference_rms_um(self) -> float | None:
        """The same, root mean square."""
        return _rms(self._differences_um)

    @property
    def error_rms_run_um(self) -> float | None:
        """Error of the run's accepted answers, root mean square; None where the truth is not known."""
        return _rms([k.run_um - k.true_um for k in self.images if k.run_accepted and k.true_um is not None])

    @property
    def error_rms_other_um(self) -> float | None:
        """The same for the other model."""
        return _rms(
            [k.other_um - k.true_um for k in self.images if k.other_accepted and k.true_um is not None]
        )

    @property
    def _differences_um(self) -> list[float]:
        return [k.other_um - k.run_um for k in self.images if k.run_accepted and k.other_accepted]


def second_opinion(
    record: RunRecord,
    estimator: Estimator,
    *,
    watch: Callable[[float], None] | None = None,
) -> SecondOpinion:
    """What another model says of the kept images of a run, beside what the run was told.

    Parameters
    ----------
    record : RunRecord
    estimator : Estimator
    watch : callable, optional
        Is told of every image, by the fraction that is done.

    Raises
    ------
    InputError
        If the record kept no images, or does not know their pixel size.
    ModelError
        If the model was not made for such images.
    """
    n_images = record.n_images
    if not n_images:
        raise InputError(f"{record.path}: kept no images, so there is nothing to show to another model.")
    answers, pixel_size_um = [], record.pixel_size_um
    for image in record.images():
        answers.append(_two_answers(image, estimator, pixel_size_um=pixel_size_um))
        if watch is not None:
            watch(min(len(answers) / n_images, 1.0))
    return SecondOpinion(tuple(answers))


def _two_answers(image: KeptImage, estimator: Estimator, *, pixel_size_um: float) -> TwoAnswers:
    run, other = image.snapshot, estimator.estimate(image.frame_yx, pixel_size_um=pixel_size_um)
    return TwoAnswers(
        number=image.number,
        t_s=run.t_s,
        z_um=run.z_um,
        run_um=run.defocus_um,
        run_std_um=run.std_um,
        run_accepted=run.accepted,
        other_um=other.defocus_um,
        other_std_um=other.std_um,
        other_accepted=other.accepted,
        true_um=run.true_defocus_um,
    )


def _mean(values_um: Sequence[float]) -> float | None:
    return float(np.mean(values_um)) if values_um else None


def _rms(values_um: Sequence[float]) -> float | None:
    return math.sqrt(float(np.mean(np.square(values_um)))) if values_um else None
