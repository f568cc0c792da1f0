"""Files and folders that appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from parfocal.errors import OutputError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well.

    Parameters
    ----------
    path : Path
        The final place; a file that is there is replaced at the end, and untouched if the block fails.

    Raises
    ------
    OutputError
        If the file cannot be written or renamed; nothing is left beside.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with whole_file(folder / "a.txt") as draft:
    ...     _ = draft.write_text("all of it")
    >>> [item.name for item in folder.iterdir()]
    ['a.txt']
    """
    draft = _beside(path)
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Expected a folder that exists, with room and permission to write."
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def write_whole_text(path: Path, text: str) -> None:
    """Write UTF-8 text that survives a power cut: on disk before it gets its final name.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to make and fill; it takes the place of `folder` when the block ends well.

    Parameters
    ----------
    folder : Path
        The final place: nothing, or an empty folder.

    Raises
    ------
    OutputError
        If the folder cannot be written or renamed; nothing is left beside.
    """
    draft = _beside(folder)
    try:
        yield draft
        if folder.is_dir():
            folder.rmdir()  # it is empty; Windows does not rename onto a folder
        draft.rename(folder)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror or error}). "
            "Expected a new or empty folder, with room and permission to write."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.absolute().with_name(f".{path.name}.{uuid4().hex[:8]}.part")
