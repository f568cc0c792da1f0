"""Image files in, OME-TIFF z-stacks in and out: the only file that knows formats.

TIFF goes through tifffile, its OME metadata through ome_types, everything else through Pillow. A file is
recognised by its first bytes, never by its name.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import tifffile
from numpy.typing import NDArray
from ome_types import OME, from_xml
from ome_types.model import Pixels, UnitsLength
from PIL import Image, UnidentifiedImageError

from parfocal.data.whole_file import whole_file
from parfocal.errors import ImageFileError, InputError
from parfocal.zstack import ZStack

_TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))
_UM_PER = {
    UnitsLength.NANOMETER: 1e-3,
    UnitsLength.MICROMETER: 1.0,
    UnitsLength.MILLIMETER: 1e3,
    UnitsLength.CENTIMETER: 1e4,
    UnitsLength.METER: 1e6,
}


@dataclass(frozen=True, eq=False)
class ImageFile:
    """What one image file holds.

    Attributes
    ----------
    path : Path
        The file.
    frames_zyx : array, shape (Z, Y, X)
        Every plane, in the order of the file: uint8, uint16 or float32.
    z_um : array, shape (Z,), or None
        Stage position of each plane in um, where the file tells all of them.
    pixel_size_um : float or None
        Side of a pixel in um, where the file's OME metadata tell it.
    """

    path: Path
    frames_zyx: NDArray[Any]
    z_um: NDArray[np.float64] | None
    pixel_size_um: float | None


def read_image(path: Path | str) -> ImageFile:
    """Every plane of an image file: TIFF, OME-TIFF, PNG, JPEG, GIF, BMP and what else Pillow reads.

    Returns
    -------
    ImageFile
        Grey values as stored: 16-bit files stay 16-bit. Pixel size and positions come from OME metadata
        only; a resolution in dots per inch says nothing of a microscope.

    Raises
    ------
    ImageFileError
        If the file is missing, damaged, not an image, coloured, or of another type than uint8, uint16 or
        float32; or if its planes differ in size.
    """
    path = Path(path)
    if _is_tiff(path):
        with _open_tiff(path) as tif:
            ome = _ome(tif, path)
            return ImageFile(path, _tiff_frames(tif, path), *_ome_positions(ome, path))
    return ImageFile(path, _pillow_frames(path), None, None)


def read_stack(path: Path | str) -> ZStack:
    """The z-stack of an OME-TIFF, its planes sorted by stage position.

    Raises
    ------
    ImageFileError
        If the file cannot be read, or its OME metadata lack the pixel size or the position of a plane.
    """
    path = Path(path)
    with _open_stack(path) as (tif, ome):
        frames = _tiff_frames(tif, path)
        z_um, pixel_size_um = _stack_positions(ome, path)
    order = np.argsort(z_um, kind="stable")
    if not np.array_equal(order, np.arange(len(order))):
        frames = frames[order]
    try:
        return ZStack(frames, z_um[order], pixel_size_um, _ome_metadata(ome))
    except InputError as error:
        raise ImageFileError(f"{path}: {error}") from error


def read_positions_um(path: Path | str) -> NDArray[np.float64]:
    """Stage positions of an OME-TIFF z-stack, shape (Z,), in um, increasing; reads no pixels.

    Raises
    ------
    ImageFileError
        As `read_stack`.
    """
    path = Path(path)
    with _open_stack(path) as (_, ome):
        return np.sort(_stack_positions(ome, path)[0])


def write_stack(path: Path | str, stack: ZStack, *, channel_name: str = "bright-field") -> None:
    """Write a z-stack as OME-TIFF with physical sizes and the position of each plane.

    Parameters
    ----------
    path : Path
        Where to; a file that is there is replaced. Its folder must exist.
    stack : ZStack
        What to write. Its metadata are kept as JSON in the OME description.
    channel_name : str
        Name of the one channel.

    Raises
    ------
    InputError
        If the metadata are not plain values, or the channel name is not printable.
    OutputError
        If the file cannot be written; nothing half-written is left.

    Notes
    -----
    Stored uncompressed and contiguous, so that ``tifffile.memmap`` can map it.
    """
    path = Path(path)
    if not channel_name.isprintable():
        raise InputError(f"Expected a printable channel name, got {channel_name!r}.")
    metadata = _write_metadata(stack, channel_name=channel_name)
    with whole_file(path) as draft:
        tifffile.imwrite(draft, stack.frames_zyx, ome=True, photometric="minisblack", metadata=metadata)


def _write_metadata(stack: ZStack, *, channel_name: str) -> dict[str, Any]:
    micrometre = UnitsLength.MICROMETER.value
    size = {f"PhysicalSize{axis}": stack.pixel_size_um for axis in "XY"}
    if stack.n_planes > 1:
        size["PhysicalSizeZ"] = float(np.median(np.diff(stack.z_um)))
    return {
        "axes": "ZYX",
        "UUID": f"urn:uuid:{_uuid_of_content(stack)}",
        **size,
        **{f"{name}Unit": micrometre for name in size},
        "Plane": {"PositionZ": stack.z_um.tolist(), "PositionZUnit": [micrometre] * stack.n_planes},
        "Channel": {"Name": channel_name},
        "Description": _metadata_json(stack),
    }


def _uuid_of_content(stack: ZStack) -> UUID:
    # The same stack gives the same file; tifffile's own UUID would tell the time and the machine.
    digest = hashlib.blake2b(np.ascontiguousarray(stack.frames_zyx).data, digest_size=16)
    digest.update(stack.z_um.tobytes())
    return UUID(bytes=digest.digest(), version=5)


def _metadata_json(stack: ZStack) -> str:
    try:
        return json.dumps(dict(stack.metadata), default=_plain)
    except (TypeError, ValueError) as error:
        raise InputError(f"Expected plain values as metadata of a z-stack, got: {error}.") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} of type {type(value).__name__}")


def _is_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in _TIFF_STARTS
    except OSError as error:
        raise ImageFileError(
            f"{path}: cannot be opened ({error.strerror}). Expected an image file; check its path."
        ) from error


@contextmanager
def _open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    with _reading(path), _refusing_damage(), tifffile.TiffFile(path) as tif:
        yield tif


@contextmanager
def _open_stack(path: Path) -> Iterator[tuple[tifffile.TiffFile, OME]]:
    if not _is_tiff(path):
        raise ImageFileError(
            f"{path}: Expected a z-stack as OME-TIFF; this is no TIFF file. "
            "Bring other images in with 'parfocal import'."
        )
    with _open_tiff(path) as tif:
        ome = _ome(tif, path)
        if ome is None:
            raise ImageFileError(
                f"{path}: Expected OME metadata with z positions; this TIFF file has none. "
                "Bring it in with 'parfocal import' and a table that tells z_um."
            )
        yield tif, ome


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    # Decoders raise nearly anything on a damaged file (struct.error, KeyError, SyntaxError, ...).
    try:
        yield
    except ImageFileError:
        raise
    except Exception as error:
        raise ImageFileError(
            f"{path}: Expected a readable image file; it is damaged, truncated or of an unknown kind "
            f"({type(error).__name__}: {error}). Copy or export it again."
        ) from error


class _Listener(logging.Handler):
    """Keeps what tifffile logs in one thread."""

    def __init__(self, thread: int) -> None:
        super().__init__(logging.ERROR)
        self.thread = thread
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.messages.append(record.getMessage())


@contextmanager
def _refusing_damage() -> Iterator[None]:
    # tifffile logs a broken chain of pages and reads on with the pages before it: a truncated stack would
    # pass for a short one.
    listener = _Listener(threading.get_ident())
    logger = logging.getLogger("tifffile")
    logger.addHandler(listener)
    try:
        yield
    except ImageFileError as error:
        if listener.messages:
            raise ValueError(listener.messages[0]) from error
        raise
    finally:
        logger.removeHandler(listener)
    if listener.messages:
        raise ValueError(listener.messages[0])


def _tiff_frames(tif: tifffile.TiffFile, path: Path) -> NDArray[Any]:
    parts = [_series_frames(series, path) for series in tif.series]
    return _joined(parts, path)


def _series_frames(series: tifffile.TiffPageSeries, path: Path) -> NDArray[Any]:
    if any(page is None for page in series):
        raise ImageFileError(
            f"{path}: Expected {len(series)} planes, as its metadata say; some are missing. "
            "Copy all files of the set, or export it again."
        )
    axes = series.get_axes(squeeze=False)
    values = series.asarray().reshape(series.get_shape(squeeze=False))
    if "Y" not in axes or "X" not in axes:
        raise ImageFileError(f"{path}: Expected planes with axes Y and X, got axes {axes!r}.")
    if "S" not in axes:
        values, axes = values[..., np.newaxis], axes + "S"
    values = np.moveaxis(values, [axes.index(name) for name in "YXS"], [-3, -2, -1])
    return _grey(values.reshape(-1, *values.shape[-3:]), path)


def _pillow_frames(path: Path) -> NDArray[Any]:
    with _reading(path):
        try:
            image = Image.open(path)
        except UnidentifiedImageError as error:
            raise ImageFileError(
                f"{path}: Expected an image file (TIFF, PNG, JPEG, GIF or BMP); "
                "its content is of no known image format."
            ) from error
        with image:
            parts = []
            for index in range(getattr(image, "n_frames", 1)):
                image.seek(index)
                parts.append(_pillow_frame(image, path))
    return _joined(parts, path)


def _pillow_frame(image: Image.Image, path: Path) -> NDArray[Any]:
    if image.mode in ("P", "PA", "LA", "RGBA", "RGB"):
        if any("16B" in str(tile[3]) for tile in getattr(image, "tile", ())):
            # Pillow would hand these out as 8 bit without a word.
            raise ImageFileError(f"{path}: Expected 16-bit grey, got 16-bit colour. Save it as greyscale.")
        rgb = np.asarray(image.convert("RGB"))
        return _grey(rgb[np.newaxis], path)
    return _grey(np.asarray(image)[np.newaxis, ..., np.newaxis], path)


def _grey(values_zyxs: NDArray[Any], path: Path) -> NDArray[Any]:
    n_samples = values_zyxs.shape[3] if values_zyxs.ndim == 4 else 0
    if not 1 <= n_samples <= 4:
        raise ImageFileError(f"{path}: Expected grey values; got an array of shape {values_zyxs.shape}.")
    grey = values_zyxs[..., 0]
    # A second sample is opacity; a third and fourth are colour and opacity.
    colours = range(1, 3) if n_samples > 2 else range(0)
    if any(not np.array_equal(grey, values_zyxs[..., index]) for index in colours):
        raise ImageFileError(
            f"{path}: Expected a grey image, got colours that differ. "
            "Save it as greyscale, or keep one channel."
        )
    if grey.dtype.newbyteorder("=") not in _DTYPES:
        raise ImageFileError(
            f"{path}: Expected uint8, uint16 or float32, got {grey.dtype}. "
            "Save it as 8-bit or 16-bit greyscale."
        )
    return np.ascontiguousarray(grey, dtype=grey.dtype.newbyteorder("="))


def _joined(parts: list[NDArray[Any]], path: Path) -> NDArray[Any]:
    kinds = sorted({(f"{part.shape[2]} x {part.shape[1]}", str(part.dtype)) for part in parts})
    if len(kinds) != 1:
        found = ", ".join(f"{size} {dtype}" for size, dtype in kinds) or "none"
        raise ImageFileError(
            f"{path}: Expected planes of one size and type, got {found}. Save each kind to its own file."
        )
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _ome(tif: tifffile.TiffFile, path: Path) -> OME | None:
    text = tif.ome_metadata
    if not text:
        return None
    try:
        return from_xml(text)
    except Exception as error:  # lxml, xsdata and pydantic each raise their own
        raise ImageFileError(
            f"{path}: Expected OME metadata that follow the OME schema ({error}). "
            "Export the file again with Bio-Formats, Micro-Manager or tifffile."
        ) from error


def _ome_positions(ome: OME | None, path: Path) -> tuple[NDArray[np.float64] | None, float | None]:
    if ome is None or len(ome.images) != 1:
        return None, None
    pixels = ome.images[0].pixels
    return _plane_positions(pixels), _pixel_size(pixels, path)


def _stack_positions(ome: OME, path: Path) -> tuple[NDArray[np.float64], float]:
    if len(ome.images) != 1:
        raise ImageFileError(
            f"{path}: Expected one z-stack, got {len(ome.images)} images. Save each to its own file."
        )
    pixels = ome.images[0].pixels
    if pixels.size_c * pixels.size_t != 1:
        raise ImageFileError(
            f"{path}: Expected one channel and one time point, got {pixels.size_c} and {pixels.size_t}. "
            "Save each to its own file."
        )
    z_um, pixel_size_um = _ome_positions(ome, path)
    if z_um is None or pixel_size_um is None:
        lacking = "the z position of each plane (PositionZ)" if z_um is None else "the pixel size"
        raise ImageFileError(
            f"{path}: Expected {lacking} in a unit of length in its OME metadata; it is missing. "
            "Bring the file in with 'parfocal import' and a table that tells z_um."
        )
    return z_um, pixel_size_um


def _plane_positions(pixels: Pixels) -> NDArray[np.float64] | None:
    # ome_types orders planes as the XML does; tifffile gives them in the order of DimensionOrder.
    found = {(plane.the_z, plane.the_c, plane.the_t): plane for plane in pixels.planes}
    sizes = {"Z": pixels.size_z, "C": pixels.size_c, "T": pixels.size_t}
    fastest_last = pixels.dimension_order.value[:1:-1]
    positions = []
    for index in np.ndindex(*(sizes[axis] for axis in fastest_last)):
        at = dict(zip(fastest_last, index, strict=True))
        plane = found.get((at["Z"], at["C"], at["T"]))
        if plane is None or plane.position_z is None or plane.position_z_unit not in _UM_PER:
            return None
        positions.append(plane.position_z * _UM_PER[plane.position_z_unit])
    return np.array(positions, dtype=np.float64)


def _pixel_size(pixels: Pixels, path: Path) -> float | None:
    sizes_um = []
    for size, unit in (
        (pixels.physical_size_x, pixels.physical_size_x_unit),
        (pixels.physical_size_y, pixels.physical_size_y_unit),
    ):
        if size is None or unit not in _UM_PER:
            return None
        sizes_um.append(size * _UM_PER[unit])
    if not math.isclose(*sizes_um, rel_tol=0.01):
        raise ImageFileError(f"{path}: Expected square pixels, got {sizes_um[0]:g} x {sizes_um[1]:g} um.")
    return float(sizes_um[0])


def _ome_metadata(ome: OME) -> dict[str, Any]:
    text = ome.images[0].description or ""
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if isinstance(values, dict):
        return values
    return {"description": text} if text else {}
