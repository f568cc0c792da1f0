"""A model fitted to one microscope from one stack or a few: the scale and offset of its answers.

The weights stay as they are. What a line can mend are a stage, an immersion, a pixel size or a condenser that
differ from those of the training by a factor, and another idea of what is in focus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parfocal.data.dataset import Dataset
from parfocal.data.stack_io import read_stack
from parfocal.errors import DatasetError, InputError
from parfocal.model.answer_line import (
    UNCHANGED,
    Line,
    StackAnswers,
    check_line,
    fit_line,
    usable_stacks,
)
from parfocal.model.calibration import conformal_scale, standard_deviation
from parfocal.model.estimator import FocusEstimator
from parfocal.model.microscope_fit import MicroscopeFit
from parfocal.model.model_file import ModelHeader, load_model, save_model
from parfocal.model.serving import ready_for_dataset
from parfocal.zstack import ZStack

GivenStack = tuple[ZStack, float | None]
"""A stack and its position in focus in um, if that is known."""
MOST_STACKS = 20
"""More would not move two numbers."""
LEAST_BINS = 3
"""Planes must lie over so many bins of the model."""
FEWEST_FRAMES_FOR_INTERVALS = 20
LEAST_FAMILIAR = 0.2
"""However well a stack is told, frames that look stranger are refused."""
RIGHT = 0.9
"""Of the planes that a lower level would let in, those that must be told within their intervals."""
FEWEST_STACKS_FOR_INTERVALS = 5
"""From so many stacks on the width of intervals is measured; fewer can only show that it is too narrow."""


def fit_to_microscope(
    model: Path,
    where: Path | ZStack,
    *,
    out: Path,
    focus_z_um: float | None = None,
    rescale: bool = False,
    told: Callable[[ModelHeader, float], ModelHeader] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MicroscopeFit:
    """Writes a model again, its answers in the micrometres of the microscope that some stacks are from.

    Parameters
    ----------
    model : Path
    where : Path or ZStack
        A dataset, of which the annotated stacks are used, those of its test and reject parts left aside; or
        one stack, as OME-TIFF or as it was just taken.
    out : Path
        The new model file.
    focus_z_um : float, optional
        Stage position in focus of that one stack, in um; if not given, the offset stays as it is.
    rescale : bool
        Whether to take stacks of another pixel size, not coarser than the model's working pixel. The new
        model is then made for that pixel size.
    told : callable, optional
        Makes the model's header ready for the microscope that a single stack is from, given its pixel size,
        see `parfocal.model.serving.ready_for`; a dataset tells it itself.
    progress : callable, optional
        Told the number of stacks done and to do, after each.

    Returns
    -------
    MicroscopeFit
        What was fitted and how well, as the new model's header keeps it.

    Raises
    ------
    ModelError
        If the model cannot be read, or was not made for these stacks.
    DatasetError, ImageFileError
        If there are no stacks to fit to, or they cannot be read.
    InputError
        If there is no line: too few planes that the model answers, all at much the same place, in another
        order than the stage's, or on a line that is too steep or too flat to be believed.
    OutputError
        If the new model cannot be written.

    Notes
    -----
    The scale is Theil and Sen's: the median slope over pairs of planes of one stack. The offset is the median
    over stacks of the median over their planes. Planes that looked strange, and were told rightly by that
    line all the same, make such frames familiar from then on. Errors are measured on stacks that the line was
    not fitted to where there are several.
    """
    estimator = FocusEstimator.load(model, rescale=rescale)
    if isinstance(where, Path) and where.is_dir():
        dataset = _dataset_to_fit(where, focus_z_um=focus_z_um)
        estimator = estimator.with_header(ready_for_dataset(estimator.header, dataset.settings))
        stacks = _stacks_of(dataset, progress=progress)
    else:
        stack = read_stack(where) if isinstance(where, Path) else where
        _check_focus(focus_z_um, stack)
        ready = (told or _as_it_is)(estimator.header, stack.pixel_size_um)
        estimator = estimator.with_header(ready)
        stacks = iter([(stack, focus_z_um)])
    fit, header = fit_to_stacks(estimator, stacks, source=where.name if isinstance(where, Path) else "live")
    save_model(out, header, load_model(model)[1])
    return fit


def fit_to_stacks(
    estimator: FocusEstimator, stacks: Iterable[GivenStack], *, source: str
) -> tuple[MicroscopeFit, ModelHeader]:
    """What fits a model to a microscope, and the model's header with it.

    Parameters
    ----------
    estimator : FocusEstimator
    stacks : iterable of (ZStack, focus_z_um)
        With their positions in focus; a single one may come with None.
    source : str
        What to call them in the header.

    Raises
    ------
    ModelError, InputError
        See `fit_to_microscope`.
    """
    header = estimator.header
    pixel_um = header.camera_pixel_size_um
    given: list[tuple[float | None, TalliedAnswers]] = []
    for stack, focus_z_um in stacks:
        given.append((focus_z_um, answers_for(estimator, stack, focus_z_um)))
        pixel_um = stack.pixel_size_um if estimator.rescales else pixel_um
    knows_focus = _is_focus_known([focus for focus, _ in given])
    range_um = LEAST_BINS * header.answer_bins.width_um
    familiar = [told.above(header.accept_above) for _, told in given]
    usable = usable_stacks(familiar, range_um=range_um)
    if not knows_focus:
        usable = [_about_own_focus(usable[0])]
    line = fit_line(usable)
    check_line(line, usable)
    fit, after = _fitted(header.microscope, line, usable, knows_focus=knows_focus, source=source)
    changes = {
        "microscope": fit.model_dump(),
        "camera_pixel_size_um": pixel_um,
        **_intervals(header, np.abs(after) / line.scale, usable, source=source),
    }
    changes["accept_above"] = familiar_from([told for _, told in given], line, level=header.accept_above)
    return fit, header.replace(**changes)


@dataclass(frozen=True, eq=False)
class TalliedAnswers:
    """What a model says of the planes of one stack, and how familiar each looks, shape (planes,)."""

    answers: StackAnswers
    familiar: NDArray[np.float64]

    def above(self, level: float) -> StackAnswers:
        """Those of planes that look at least so familiar."""
        return self.answers.only(self.familiar >= level)


def familiar_from(stacks: Sequence[TalliedAnswers], line: Line, *, level: float) -> float:
    """In-distribution score from which on frames of these stacks are told rightly; not above `level`.

    Parameters
    ----------
    stacks : sequence of TalliedAnswers
    line : Line
    level : float
        The score from which on answers were stood by so far.
    """
    familiar = np.concatenate([told.familiar for told in stacks])
    errors_um = np.concatenate([line.of(told.answers) - told.answers.actual_um for told in stacks])
    half90_um = line.scale * np.concatenate([told.answers.half90_um for told in stacks])
    strange_first = np.argsort(familiar)
    scores, is_right = familiar[strange_first], (np.abs(errors_um) <= half90_um)[strange_first]
    let_in = (scores >= LEAST_FAMILIAR) & (scores < level)
    for score in map(float, scores[let_in]):
        if is_right[let_in & (scores >= score)].mean() >= RIGHT:
            return score
    return level


def _check_focus(focus_z_um: float | None, stack: ZStack) -> None:
    lowest_um, highest_um = float(stack.z_um[0]), float(stack.z_um[-1])
    if focus_z_um is not None and not lowest_um <= focus_z_um <= highest_um:
        raise InputError(
            f"Expected a position in focus from {lowest_um:g} to {highest_um:g} um, where the stack's planes "
            f"are; got {focus_z_um:g}."
        )


def _as_it_is(header: ModelHeader, _pixel_size_um: float) -> ModelHeader:
    return header


def _dataset_to_fit(folder: Path, *, focus_z_um: float | None) -> Dataset:
    if focus_z_um is not None:
        raise InputError(
            "Expected a position in focus with one stack only; a dataset has those of its annotations. "
            "Leave --focus out, or give one of its stacks."
        )
    return Dataset.open(folder)


def _stacks_of(dataset: Dataset, *, progress: Callable[[int, int], None] | None) -> Iterator[GivenStack]:
    ids = _ids_to_fit(dataset)
    for done, stack_id in enumerate(ids, start=1):
        yield dataset.read(stack_id), dataset.focus_z_um(stack_id)
        if progress:
            progress(done, len(ids))


def _ids_to_fit(dataset: Dataset) -> list[str]:
    """Annotated stacks, at most so many, evenly from all; none of the test part, which must stay unseen."""
    has_split = (dataset.folder / "split.csv").exists()
    aside = {row.stack for row in dataset.split() if row.part in ("test", "reject")} if has_split else set()
    annotated = sorted({row.stack for row in dataset.annotations()} - aside)
    if not annotated:
        raise DatasetError(
            f"{dataset.folder}: Expected annotated stacks outside the test part, found none. Add them to "
            "annotations.csv, or give one stack and --focus UM."
        )
    chosen = np.linspace(0, len(annotated) - 1, min(len(annotated), MOST_STACKS)).round().astype(int)
    return [annotated[k] for k in chosen]


def answers_for(estimator: FocusEstimator, stack: ZStack, focus_z_um: float | None) -> TalliedAnswers:
    """What an estimator says of the planes of one stack, familiar or not.

    Left out are answers that are too broad, and those within a bin of either end of its range, where answers
    gather.
    """
    lenient = estimator.with_header(estimator.header.replace(accept_above=0.0))
    estimates = [lenient.estimate(f, pixel_size_um=stack.pixel_size_um) for f in stack.frames_zyx]
    inferred = np.array([estimate.defocus_um for estimate in estimates])
    low_um, high_um = estimator.z_range_um
    margin_um = estimator.header.answer_bins.width_um
    kept = np.array([estimate.accepted for estimate in estimates])
    kept &= (inferred > low_um + margin_um) & (inferred < high_um - margin_um)
    std = np.array([estimate.std_um for estimate in estimates])
    half90 = np.array([np.ptp(estimate.interval90_um) / 2 for estimate in estimates])
    familiar = np.array([estimate.in_distribution for estimate in estimates])
    told = StackAnswers(stack.defocus_um(focus_z_um or 0.0), inferred, std, half90)
    return TalliedAnswers(told.only(kept), familiar[kept])


def _about_own_focus(answers: StackAnswers) -> StackAnswers:
    """The same answers where nobody said what is in focus: where the line says that it is."""
    line = fit_line([answers])
    return replace(answers, actual_um=answers.actual_um - line.offset_um)


def _fitted(
    earlier: MicroscopeFit | None,
    line: Line,
    stacks: Sequence[StackAnswers],
    *,
    knows_focus: bool,
    source: str,
) -> tuple[MicroscopeFit, NDArray[np.float64]]:
    """The fit, and the errors in um that show how good it is; a line that was there is taken into it."""
    is_held_out = len(stacks) > 1
    before = _errors([UNCHANGED] * len(stacks), stacks)
    if not knows_focus:
        before = before - np.median(before)
    lines = [fit_line([*stacks[:k], *stacks[k + 1 :]]) for k in range(len(stacks))] if is_held_out else [line]
    after = _errors(lines, stacks)
    fit = MicroscopeFit(
        scale=line.scale * (earlier.scale if earlier else 1.0),
        offset_um=line.offset_um + line.scale * (earlier.offset_um if earlier else 0.0),
        knows_focus=knows_focus or (earlier is not None and earlier.knows_focus),
        source=source,
        n_stacks=len(stacks),
        n_frames=len(after),
        residual_um=float(np.median(np.abs(_errors([line] * len(stacks), stacks)))),
        mae_before_um=float(np.abs(before).mean()),
        mae_after_um=float(np.abs(after).mean()),
        is_held_out=is_held_out,
    )
    return fit, after


def _errors(lines: Sequence[Line], stacks: Sequence[StackAnswers]) -> NDArray[np.float64]:
    """Errors in um of all planes, each stack's by its line."""
    pairs = zip(lines, stacks, strict=True)
    return np.concatenate([line.of(answers) - answers.actual_um for line, answers in pairs])


def _intervals(
    header: ModelHeader, errors_um: NDArray[np.float64], stacks: Sequence[StackAnswers], *, source: str
) -> dict[str, Any]:
    """What of a header changes so that its intervals hold errors, which are in um of the model's answers."""
    if len(errors_um) < FEWEST_FRAMES_FOR_INTERVALS:
        return {}
    std_um = np.concatenate([answers.std_um for answers in stacks])
    half90_um = np.concatenate([answers.half90_um for answers in stacks])
    std_factor = standard_deviation(errors_um / std_um)
    width_factor = conformal_scale(errors_um / half90_um)
    if len(stacks) < FEWEST_STACKS_FOR_INTERVALS:
        std_factor, width_factor = max(std_factor, 1.0), max(width_factor, 1.0)
    if std_factor == width_factor == 1:
        return {}
    return {
        "spread_scale": header.spread_scale * std_factor,
        "interval90_scale": header.interval90_scale * width_factor / std_factor,
        "calibrated_on": source,
    }


def _is_focus_known(focus_z_um: Sequence[float | None]) -> bool:
    if not focus_z_um:
        raise InputError("Expected at least one stack to fit to, got none.")
    unknown = sum(focus is None for focus in focus_z_um)
    if unknown and len(focus_z_um) > 1:
        raise InputError(
            f"Expected the position in focus of each of {len(focus_z_um)} stacks; {unknown} have none. "
            "Annotate them, or give one stack."
        )
    return not unknown
