"""Estimates for image files: every plane of every file, one row each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from parfocal.data.stack_io import ImageFile, read_image
from parfocal.errors import ImageFileError, ModelError
from parfocal.estimate import Estimator, FocusEstimate


@dataclass(frozen=True)
class ImageEstimate:
    """The estimate of one plane; `defocus_um` is None where the model abstains."""

    path: str
    plane: int
    z_um: float | None
    defocus_um: float | None
    std_um: float
    interval90_um: tuple[float, float]
    in_distribution: float
    accepted: bool

    def as_json(self) -> dict[str, Any]:
        """Plain values, as ``parfocal estimate --json`` prints them."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class ImageFrame:
    """One of the planes of an image file, shape (Y, X), with its stage position if the file tells it."""

    path: Path
    plane: int
    n_planes: int
    z_um: float | None
    frame_yx: NDArray[Any]
    pixel_size_um: float


def image_frames(paths: Sequence[Path], *, pixel_size_um: float | None = None) -> Iterator[ImageFrame]:
    """Every plane of some image files, see `estimate_images`.

    Raises
    ------
    ImageFileError
        If a file is no image, or its pixel size is unknown or contradicted.
    """
    for path in paths:
        image = read_image(path)
        pixel_um = _pixel_size_um(image, pixel_size_um)
        for plane, frame_yx in enumerate(image.frames_zyx):
            z_um = None if image.z_um is None else float(image.z_um[plane])
            yield ImageFrame(path, plane, len(image.frames_zyx), z_um, frame_yx, pixel_um)


def estimate_images(
    estimator: Estimator, paths: Sequence[Path], *, pixel_size_um: float | None = None
) -> Iterator[ImageEstimate]:
    """Defocus of every plane of some image files.

    Parameters
    ----------
    estimator : Estimator
    paths : sequence of Path
        Any image that `parfocal.data.read_image` reads.
    pixel_size_um : float, optional
        Needed where a file does not tell its pixel size; where both tell, they must agree.

    Raises
    ------
    ImageFileError
        If a file is no image, or its pixel size is unknown or contradicted.
    ModelError
        If the model was not made for the image.
    """
    for image in image_frames(paths, pixel_size_um=pixel_size_um):
        try:
            estimate = estimator.estimate(image.frame_yx, pixel_size_um=image.pixel_size_um)
        except ModelError as error:
            raise ModelError(f"{image.path}, plane {image.plane}: {error}") from error
        yield _row(image, estimate)


def pixel_size_of(path: Path, given_um: float | None = None) -> float:
    """Side of a pixel of an image file, in um, as the file or else the user tells it.

    Raises
    ------
    ImageFileError
        If the file is no image, or its pixel size is unknown or contradicted.
    """
    return _pixel_size_um(read_image(path), given_um)


def _pixel_size_um(image: ImageFile, given_um: float | None) -> float:
    known_um = image.pixel_size_um
    pixel_um = given_um if known_um is None else known_um
    if pixel_um is None:
        raise ImageFileError(f"{image.path}: does not tell its pixel size. Give it with --pixel-size UM.")
    if known_um is not None and given_um is not None and abs(given_um / known_um - 1) > 0.01:
        raise ImageFileError(
            f"{image.path}: says that its pixels are {known_um:g} um, but --pixel-size says {given_um:g}. "
            "Leave the option out, or correct the file."
        )
    return pixel_um


def _row(image: ImageFrame, estimate: FocusEstimate) -> ImageEstimate:
    return ImageEstimate(
        path=str(image.path),
        plane=image.plane,
        z_um=image.z_um,
        defocus_um=estimate.defocus_um if estimate.accepted else None,
        std_um=estimate.std_um,
        interval90_um=estimate.interval90_um,
        in_distribution=estimate.in_distribution,
        accepted=estimate.accepted,
    )
