"""The images that a model told worst: a picture of each, and what the model thought of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parfocal.data.area_mean import area_mean
from parfocal.data.whole_file import whole_file, write_whole_text
from parfocal.errors import DatasetError, OutputError
from parfocal.evaluation.frames import Answer
from parfocal.evaluation.json_text import json_text
from parfocal.zstack import ZStack

WORST_FOLDER = "worst"
MOST_ACCEPTED, MOST_REFUSED = 6, 2
"""Images that are kept of those that the model stands by, and of those that it does not."""
MOST_OF_A_STACK = 2
THUMBNAIL_PX = 240
_LIST_FILE = "worst.json"
_WINDOW_PERCENT = (0.5, 99.5)


@dataclass(frozen=True, eq=False)
class WorstImage:
    """One image, and what the model said of it.

    Attributes
    ----------
    stack, plane
        Which it is.
    rank : int
        0 for the worst of its stack among those alike accepted or refused, 1 for the next.
    actual_um, inferred_um : float
    interval90_um : tuple of float
    accepted : bool
        Whether the model stands by its answer.
    bin_centres_um, probabilities : tuple of float
        The distribution over bins.
    width_um : float
        Of the field, for a scale bar.
    picture_yx : array, shape (Y, X), uint8
        The image, coarse.
    """

    stack: str
    plane: int
    rank: int
    actual_um: float
    inferred_um: float
    interval90_um: tuple[float, float]
    accepted: bool
    bin_centres_um: tuple[float, ...]
    probabilities: tuple[float, ...]
    width_um: float
    picture_yx: NDArray[np.uint8]

    @property
    def error_um(self) -> float:
        """Distance of the answer from the truth, in um."""
        return abs(self.inferred_um - self.actual_um)


def worst_of_stack(answers: Iterable[Answer], stack: ZStack, *, name: str) -> tuple[WorstImage, ...]:
    """The worst answers to one stack: `MOST_OF_A_STACK` that are accepted, and as many that are not."""
    told = sorted(
        (answer for answer in answers if np.isfinite(answer.error_um)),
        key=lambda answer: -answer.error_um,
    )
    return tuple(
        _worst_image(answer, stack, name=name, rank=rank)
        for accepted in (True, False)
        for rank, answer in enumerate(_alike(told, accepted)[:MOST_OF_A_STACK])
    )


def keep_worst(images: Iterable[WorstImage]) -> tuple[WorstImage, ...]:
    """The worst of some images, those that the model stands by first, each kind from worst to better.

    The worst of each stack come before a second of any, so that one bad stack does not hide the others. To
    keep the worst of some, and then of those and further stacks, keeps the worst of all.
    """
    by_rank = sorted(images, key=lambda image: (image.rank, -image.error_um))
    kept = [
        *[image for image in by_rank if image.accepted][:MOST_ACCEPTED],
        *[image for image in by_rank if not image.accepted][:MOST_REFUSED],
    ]
    return tuple(sorted(kept, key=lambda image: (not image.accepted, -image.error_um)))


def write_worst(folder: Path, images: Sequence[WorstImage]) -> None:
    """Write ``worst/worst.json`` and one picture of each image into the folder of an evaluation.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    into = folder / WORST_FOLDER
    try:
        into.mkdir(exist_ok=True)
        for earlier in (*into.glob("*.png"), *into.glob("*.svg")):
            earlier.unlink()
    except OSError as error:
        raise OutputError(
            f"{into}: cannot be made or replaced ({error.strerror}). Choose another folder."
        ) from error
    for number, image in enumerate(images, start=1):
        with whole_file(into / picture_name(number)) as draft:
            Image.fromarray(image.picture_yx).save(draft, format="PNG", optimize=True)
    rows = [_as_json(image, number=number) for number, image in enumerate(images, start=1)]
    write_whole_text(into / _LIST_FILE, json_text({"images": rows}))


def read_worst(folder: Path) -> tuple[WorstImage, ...]:
    """What `write_worst` wrote.

    Raises
    ------
    DatasetError
        If it is missing or cannot be read.
    """
    path = folder / WORST_FOLDER / _LIST_FILE
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["images"]
        return tuple(_from_json(row, folder=path.parent) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path}: expected the worst images of an evaluation and their pictures; got {error!r}. "
            "Evaluate again."
        ) from error


def _alike(answers: Sequence[Answer], accepted: bool) -> list[Answer]:
    return [answer for answer in answers if bool(answer.estimate.accepted) is accepted]


def _worst_image(answer: Answer, stack: ZStack, *, name: str, rank: int) -> WorstImage:
    estimate, frame_yx = answer.estimate, stack.frames_zyx[answer.plane]
    low_um, high_um = estimate.interval90_um
    return WorstImage(
        stack=name,
        plane=answer.plane,
        rank=rank,
        actual_um=answer.actual_um,
        inferred_um=float(estimate.defocus_um),
        interval90_um=(float(low_um), float(high_um)),
        accepted=bool(estimate.accepted),
        bin_centres_um=tuple(map(float, estimate.bin_centres_um)),
        probabilities=tuple(round(float(p), 6) for p in estimate.probabilities),
        width_um=frame_yx.shape[1] * stack.pixel_size_um,
        picture_yx=_picture(frame_yx),
    )


def _picture(frame_yx: NDArray[Any]) -> NDArray[np.uint8]:
    """The frame in grey values from 0 to 255, its longer side at most `THUMBNAIL_PX`."""
    small = area_mean(frame_yx, scale=max(max(frame_yx.shape) / THUMBNAIL_PX, 1.0))
    dark, bright = np.percentile(small, _WINDOW_PERCENT)
    grey = 255 * (small - dark) / max(bright - dark, 1e-12)
    return np.asarray(np.rint(np.clip(grey, 0, 255)), np.uint8)


def picture_name(number: int) -> str:
    """File name of the picture of the image that comes so many in the list, from 1."""
    return f"{number}.png"


def _as_json(image: WorstImage, *, number: int) -> dict[str, Any]:
    values = {key: value for key, value in vars(image).items() if key != "picture_yx"}
    return {**values, "picture": picture_name(number)}


def _from_json(row: dict[str, Any], *, folder: Path) -> WorstImage:
    with Image.open(folder / row.pop("picture")) as picture:
        pixels = np.asarray(picture.convert("L"))
    lists: dict[str, Any] = {
        key: tuple(row.pop(key)) for key in ("interval90_um", "bin_centres_um", "probabilities")
    }
    low_um, high_um = lists.pop("interval90_um")
    return WorstImage(**row, **lists, interval90_um=(low_um, high_um), picture_yx=pixels)
