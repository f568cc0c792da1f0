"""Frames of more stacks than memory holds: the rest lies in one file, of which only what is used is read."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from parfocal.errors import OutputError
from parfocal.zstack import ZStack

GIB = 2**30
_PAGE = 4096
"""Each stack starts on a page of its own, which suits every type of pixel too."""


@dataclass(frozen=True, eq=False)
class _Place:
    """A stack whose frames lie in the file."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    z_um: NDArray[np.float64]
    pixel_size_um: float
    metadata: dict[str, Any]


def hold_stacks(stacks: Iterable[ZStack], *, folder: Path, memory_gib: float) -> list[ZStack]:
    """The same stacks; those that are too many for memory have their frames in a file.

    Parameters
    ----------
    stacks : iterable of ZStack
        Taken one by one, so that never more than one is in memory beside those that stay there.
    folder : Path
        Where the file is, if one is needed: uncompressed, as large as the frames in it.
    memory_gib : float
        Frames that may stay in memory, in GiB.

    Returns
    -------
    list of ZStack
        In the same order, with the same values. A crop of a frame in the file reads no more than the pages
        of the file that hold it, and what the system reads ahead.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Notes
    -----
    The file has no name: it goes with the last stack that uses it, and with the process, even a killed one.

    Examples
    --------
    >>> stack = ZStack(np.arange(12, dtype=np.uint16).reshape(3, 2, 2), [0.0, 1.0, 2.0], 0.24)
    >>> (held,) = hold_stacks([stack], folder=Path("."), memory_gib=0)
    >>> held.frames_zyx[2].tolist()
    [[8, 9], [10, 11]]
    """
    left = memory_gib * GIB
    held: list[ZStack | _Place] = []
    file: IO[bytes] | None = None
    with ExitStack() as open_files:
        for stack in stacks:
            if stack.frames_zyx.nbytes <= left:
                left -= stack.frames_zyx.nbytes
                held.append(stack)
                continue
            with _told(folder):
                file = file or open_files.enter_context(tempfile.TemporaryFile(dir=folder))
                held.append(_written(stack, file))
        # One map for all: each map keeps a file open, and a process may have few of them.
        frames = None if file is None else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return [item if isinstance(item, ZStack) else _mapped(item, frames) for item in held]


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{folder}: frames that do not fit into the memory allowed cannot be written there "
            f"({error.strerror or error}). Make room, or allow more memory."
        ) from error


def _written(stack: ZStack, file: IO[bytes]) -> _Place:
    frames = np.ascontiguousarray(stack.frames_zyx)
    offset = -(-file.tell() // _PAGE) * _PAGE
    file.seek(offset)
    file.write(frames.data)
    file.flush()  # a full disk is to be told here
    return _Place(offset, frames.shape, frames.dtype, stack.z_um, stack.pixel_size_um, dict(stack.metadata))


def _mapped(place: _Place, file: mmap.mmap | None) -> ZStack:
    flat = np.frombuffer(file or b"", place.dtype, int(np.prod(place.shape)), place.offset)
    return ZStack(flat.reshape(place.shape), place.z_um, place.pixel_size_um, place.metadata)
