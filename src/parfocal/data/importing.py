"""Existing image files with known z positions, listed in a CSV table, become a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parfocal.data.annotation import Annotation
from parfocal.data.dataset import Dataset, DatasetSettings, refuse_used_folder
from parfocal.data.split import SplitRow, split_by_stack
from parfocal.data.stack_io import ImageFile, read_image
from parfocal.data.table import TableRow, read_import_table
from parfocal.data.whole_file import whole_folder
from parfocal.errors import DatasetError, ImageFileError, InputError
from parfocal.zstack import ZStack

_PIXEL_TOLERANCE = 0.01


def import_table(
    table: Path,
    folder: Path,
    *,
    settings: DatasetSettings,
    seed: int = 0,
    held_out: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Build a dataset from image files and the table that tells their positions.

    Parameters
    ----------
    table : Path
        CSV in UTF-8 with one line per plane and the columns ``path`` (absolute, or relative to the table),
        ``stack`` and ``z_um``; optional are ``plane`` (index in a file of many planes, from 0),
        ``focus_z_um``, ``experiment`` and ``part`` (``train``, ``validation`` or ``test``), each the same
        for all lines of a stack.
    folder : Path
        The new dataset.
    settings : DatasetSettings
        What holds for all stacks. Its experiments are filled in from the table.
    seed : int
        Seed of the split, where neither the table nor `held_out` tells it.
    held_out : sequence of str
        Ids of the stacks to test on; the others are split into train and validation.
    progress : callable, optional
        Called with the number of stacks done and the number of all.

    Returns
    -------
    Dataset
        With planes sorted by z; where the table tells the focus, annotated by ``import``.

    Raises
    ------
    DatasetError
        If the table cannot be used; the message names its line.
    ImageFileError
        If an image cannot be read; the message names the table's line.
    OutputError
        If the dataset cannot be written. Whatever fails, `folder` stays as it was.
    """
    table, folder = Path(table), Path(folder)
    refuse_used_folder(folder)
    stacks = read_import_table(table)
    experiments = {stack: rows[0].experiment or _fallback(settings) for stack, rows in stacks.items()}
    split = _split(stacks, experiments, seed=seed, held_out=held_out, table=table)
    settings = settings.replace(experiments=tuple(dict.fromkeys(experiments.values())))
    with whole_folder(folder) as draft:
        dataset = Dataset.create(draft, settings)
        for done, (stack, rows) in enumerate(stacks.items(), start=1):
            dataset.write(stack, _assemble(rows, settings=settings))
            if progress is not None:
                progress(done, len(stacks))
        dataset.annotate(_annotations(stacks, created=_changed(table)))
        dataset.write_split(split)
    return Dataset.open(folder)


def _fallback(settings: DatasetSettings) -> str:
    return settings.experiments[0] if len(settings.experiments) == 1 else settings.name


def _split(
    stacks: dict[str, list[TableRow]],
    experiments: dict[str, str],
    *,
    seed: int,
    held_out: Sequence[str],
    table: Path,
) -> tuple[SplitRow, ...]:
    told = {stack: rows[0].part for stack, rows in stacks.items() if rows[0].part}
    if told and held_out:
        raise DatasetError(
            f"{table}: Expected a column 'part' or held-out stacks, got both. Give one of them."
        )
    if told:
        return tuple(SplitRow(stack, experiments[stack], told[stack]) for stack in stacks)
    unknown = [stack for stack in held_out if stack not in stacks]
    if unknown:
        raise DatasetError(
            f"{table}: Expected stacks of the table to hold out; it has no {', '.join(unknown)}."
        )
    if not held_out:
        return split_by_stack(experiments.items(), seed=seed)
    tested = tuple(SplitRow(stack, experiments[stack], "test") for stack in stacks if stack in held_out)
    rest = [(stack, experiment) for stack, experiment in experiments.items() if stack not in held_out]
    return (*split_by_stack(rest, seed=seed, test=0.0), *tested)


def _assemble(rows: list[TableRow], *, settings: DatasetSettings) -> ZStack:
    files: dict[Path, ImageFile] = {}
    frames: list[NDArray[np.generic]] = []
    for row in rows:
        if row.path not in files:
            files[row.path] = _read(row, pixel_size_um=settings.pixel_size_um)
        frames.append(_plane(files[row.path], row))
        if (frames[-1].shape, frames[-1].dtype) != (frames[0].shape, frames[0].dtype):
            raise DatasetError(
                f"{row.where}: Expected frames like the first of stack '{row.stack}', "
                f"{_kind(frames[0])}; got {_kind(frames[-1])} in {row.path}."
            )
    names = list(dict.fromkeys(row.path.name for row in rows))
    try:
        return ZStack(
            np.stack(frames), [row.z_um for row in rows], settings.pixel_size_um, {"imported_from": names}
        )
    except InputError as error:
        raise DatasetError(f"{rows[0].where}: {error}") from error


def _read(row: TableRow, *, pixel_size_um: float) -> ImageFile:
    try:
        file = read_image(row.path)
    except ImageFileError as error:
        raise ImageFileError(f"{row.where}: {error}") from error
    told_um = file.pixel_size_um
    if told_um is not None and abs(told_um - pixel_size_um) > _PIXEL_TOLERANCE * pixel_size_um:
        raise DatasetError(
            f"{row.where}: Expected a pixel size of {pixel_size_um:g} um, as the settings say; "
            f"{row.path} tells {told_um:g} um."
        )
    return file


def _plane(file: ImageFile, row: TableRow) -> NDArray[np.generic]:
    n_planes = len(file.frames_zyx)
    if row.plane >= n_planes:
        raise DatasetError(
            f"{row.where}: Expected a plane from 0 to {n_planes - 1}, as {row.path} has {n_planes}; "
            f"got {row.plane}."
        )
    frame: NDArray[np.generic] = file.frames_zyx[row.plane]
    return frame


def _kind(frame: NDArray[np.generic]) -> str:
    return f"{frame.shape[1]} x {frame.shape[0]} pixels of {frame.dtype}"


def _annotations(stacks: dict[str, list[TableRow]], *, created: str) -> list[Annotation]:
    told = {stack: rows[0].focus_z_um for stack, rows in stacks.items()}
    return [Annotation(stack, z_um, "import", created) for stack, z_um in told.items() if z_um is not None]


def _changed(table: Path) -> str:
    return datetime.fromtimestamp(table.stat().st_mtime, UTC).isoformat(timespec="seconds")
