"""Dataset, a folder of z-stacks with their settings, annotations and split.

::

    DATASET/
      dataset.toml          settings: objective, pixel size, modality
      stacks/ID.ome.tif     one z-stack each
      annotations.csv       stack,focus_z_um,annotator,created
      split.csv             stack,experiment,part
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from parfocal.data.annotation import Annotation, agreed_focus_um, read_annotations, write_annotations
from parfocal.data.dataset_settings import DatasetSettings, ObjectiveRecord
from parfocal.data.split import PARTS, SplitRow, read_split, split_by_stack, write_split
from parfocal.data.stack_io import read_positions_um, read_stack, write_stack
from parfocal.data.whole_file import write_whole_text
from parfocal.errors import DatasetError, OutputError, SettingsError
from parfocal.zstack import ZStack

__all__ = ["Dataset", "DatasetSettings", "ObjectiveRecord", "SplitRow", "split_by_stack"]

_SUFFIX = ".ome.tif"
# What every file system takes as a file name, and no path separator.
_ID = re.compile(r"\w[\w .+()=,-]*(?<! )")
# Relative difference of pixel sizes that counts as the same camera and objective.
_PIXEL_TOLERANCE = 0.01


@dataclass(frozen=True)
class Dataset:
    """A folder of z-stacks; made by `Dataset.create` or `Dataset.open`.

    Attributes
    ----------
    folder : Path
        Where it is.
    settings : DatasetSettings
        What holds for all its stacks.
    given_split : tuple of SplitRow, optional
        In place of the split in the folder; see `with_split`.

    Notes
    -----
    Any number of processes may read it and write different stacks; annotations are for one process at a time.

    Examples
    --------
    >>> import tempfile
    >>> dataset = Dataset.create(
    ...     Path(tempfile.mkdtemp()) / "mine", DatasetSettings(name="mine", pixel_size_um=0.24))
    >>> dataset.write("s1", ZStack(np.zeros((3, 8, 8), np.uint16), [0.0, 1.0, 2.0], 0.24))
    >>> dataset.annotate([Annotation("s1", 1.2, "ann", "2018-07-01T12:00:00+00:00")])
    >>> dataset.stack_ids(), dataset.focus_z_um("s1")
    (('s1',), 1.2)
    """

    folder: Path
    settings: DatasetSettings
    given_split: tuple[SplitRow, ...] | None = None

    @classmethod
    def create(cls, folder: Path, settings: DatasetSettings) -> Self:
        """A new dataset without stacks.

        Raises
        ------
        DatasetError
            If the folder exists and is not empty.
        OutputError
            If the folder cannot be made.
        """
        folder = Path(folder)
        refuse_used_folder(folder)
        try:
            (folder / "stacks").mkdir(parents=True)
        except OSError as error:
            raise OutputError(
                f"{folder}: cannot be made ({error.strerror}). Choose another folder."
            ) from error
        write_whole_text(folder / "dataset.toml", settings.to_toml())
        return cls(folder, settings)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The dataset in a folder.

        Raises
        ------
        DatasetError
            If the folder is missing or holds no dataset, or its settings cannot be used.
        """
        folder = Path(folder)
        for needed in (folder, folder / "stacks"):
            if not needed.is_dir():
                raise DatasetError(
                    f"{folder}: Expected a dataset folder; there is no folder {needed}. "
                    "Make one with 'parfocal simulate' or 'parfocal import'."
                )
        try:
            return cls(folder, DatasetSettings.from_toml(folder / "dataset.toml"))
        except SettingsError as error:
            raise DatasetError(f"{folder}: Expected a dataset folder. {error}") from error

    def stack_ids(self) -> tuple[str, ...]:
        """Ids of all stacks, sorted."""
        names = (path.name for path in (self.folder / "stacks").glob(f"*{_SUFFIX}"))
        return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if not name.startswith(".")))

    def stack_path(self, stack: str) -> Path:
        """Where a stack is, or would be.

        Raises
        ------
        DatasetError
            If the id cannot be a file name.
        """
        check_stack_id(stack)
        return self.folder / "stacks" / f"{stack}{_SUFFIX}"

    def read(self, stack: str) -> ZStack:
        """One z-stack.

        Raises
        ------
        DatasetError
            If there is no such stack, or its pixel size is not the dataset's.
        ImageFileError
            If its file cannot be read.
        """
        values = read_stack(self._existing(stack))
        self._check_pixel_size(values, stack)
        return values

    def write(self, stack: str, values: ZStack) -> None:
        """Write one z-stack, replacing the one with the same id.

        Raises
        ------
        DatasetError
            If the id cannot be a file name, or the pixel size is not the dataset's.
        OutputError
            If it cannot be written.
        """
        self._check_pixel_size(values, stack)
        write_stack(self.stack_path(stack), values, channel_name=self.settings.modality)

    def positions_um(self, stack: str) -> NDArray[np.float64]:
        """Stage positions of one stack, shape (Z,), in um; reads no pixels.

        Raises
        ------
        DatasetError
            If there is no such stack.
        ImageFileError
            If its file cannot be read.
        """
        return read_positions_um(self._existing(stack))

    def annotations(self) -> tuple[Annotation, ...]:
        """All annotations, oldest first.

        Raises
        ------
        DatasetError
            If the table of annotations cannot be read.
        """
        return read_annotations(self.folder / "annotations.csv")

    def annotate(self, rows: Iterable[Annotation]) -> None:
        """Add annotations: all of them, or none.

        Raises
        ------
        DatasetError
            If a stack does not exist, or a focus position lies outside its planes.
        """
        rows = tuple(rows)
        for stack in dict.fromkeys(row.stack for row in rows):
            self._check_focus([row.focus_z_um for row in rows if row.stack == stack], stack)
        write_annotations(self.folder / "annotations.csv", (*self.annotations(), *rows))

    def focus_z_um(self, stack: str) -> float:
        """Stage position in focus, in um: the median over annotators, of each the last word.

        Raises
        ------
        DatasetError
            If nobody annotated the stack, or somebody did outside its planes: a table can be edited by hand.
        """
        rows = [row for row in self.annotations() if row.stack == stack]
        if not rows:
            raise DatasetError(
                f"{self.folder}: Expected the focus plane of stack '{stack}'; nobody annotated it. "
                "Add it to annotations.csv, or import with a column focus_z_um."
            )
        self._check_focus([row.focus_z_um for row in rows], stack)
        return agreed_focus_um(rows)

    def split(self) -> tuple[SplitRow, ...]:
        """The part of each stack.

        Raises
        ------
        DatasetError
            If the split has not been written, or cannot be read.
        """
        return read_split(self.folder / "split.csv") if self.given_split is None else self.given_split

    def with_split(self, rows: Sequence[SplitRow]) -> Self:
        """The same stacks, or some of them, in other parts; nothing is written."""
        return replace(self, given_split=tuple(rows))

    def write_split(self, rows: Sequence[SplitRow]) -> None:
        """Write the split, once; the same split again changes nothing.

        Raises
        ------
        DatasetError
            If another split is there, a stack comes twice, or a stack does not exist.
        """
        path = self.folder / "split.csv"
        if path.exists():
            if set(self.split()) != set(rows):
                raise DatasetError(
                    f"{path}: Expected no split, or the same one; a different one is there. A split is kept "
                    "for good, so that test stacks stay unseen; to change it, start a new dataset."
                )
            return
        for row in rows:
            self._existing(row.stack)
        write_split(path, rows)

    def ids_in(self, part: str) -> tuple[str, ...]:
        """Ids of the stacks of one part: ``train``, ``validation``, ``test`` or ``reject``.

        Raises
        ------
        DatasetError
            If there is no such part, or it is empty.
        """
        if part not in PARTS:
            raise DatasetError(f"Expected part {', '.join(PARTS[:-1])} or {PARTS[-1]}; got '{part}'.")
        ids = tuple(row.stack for row in self.split() if row.part == part)
        if not ids:
            raise DatasetError(
                f"{self.folder}: Expected stacks in the part '{part}' of split.csv; it has none."
            )
        return ids

    def fingerprint(self) -> str:
        """A short hash of settings, annotations, split, and names and sizes of the stack files.

        Notes
        -----
        The time of an annotation is left out: what a model learns from does not depend on it.
        """
        is_split = self.given_split is not None or (self.folder / "split.csv").exists()
        content = {
            "settings": self.settings.model_dump(mode="json"),
            "annotations": [(row.stack, row.focus_z_um, row.annotator) for row in self.annotations()],
            "split": [vars(row) for row in self.split()] if is_split else None,
            "stacks": [(stack, self.stack_path(stack).stat().st_size) for stack in self.stack_ids()],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def _existing(self, stack: str) -> Path:
        path = self.stack_path(stack)
        if not path.is_file():
            ids = self.stack_ids()
            shown = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
            raise DatasetError(
                f"{self.folder}: Expected a stack of this dataset ({shown or 'it has none yet'}); "
                f"got '{stack}'."
            )
        return path

    def _check_focus(self, focus_z_um: Sequence[float], stack: str) -> None:
        z_um = self.positions_um(stack)
        for focus in focus_z_um:
            if not z_um[0] <= focus <= z_um[-1]:
                raise DatasetError(
                    f"{self.folder}: Expected a focus position of stack '{stack}' from {z_um[0]:g} to "
                    f"{z_um[-1]:g} um, where its planes are; got {focus:g} um."
                )

    def _check_pixel_size(self, values: ZStack, stack: str) -> None:
        expected_um = self.settings.pixel_size_um
        if abs(values.pixel_size_um - expected_um) > _PIXEL_TOLERANCE * expected_um:
            raise DatasetError(
                f"{self.folder}: Expected a pixel size of {expected_um:g} um, as dataset.toml says; stack "
                f"'{stack}' has {values.pixel_size_um:g} um. Keep one dataset for each camera and objective."
            )


def check_stack_id(stack: str) -> None:
    """Make sure that a stack id can be a file name everywhere.

    Raises
    ------
    DatasetError
        If it cannot.
    """
    if not _ID.fullmatch(stack):
        raise DatasetError(
            "Expected a stack id of letters, digits, spaces and _.+()=,- with a letter or digit first; "
            f"got {stack!r}. Rename it."
        )


def refuse_used_folder(folder: Path) -> None:
    """Make sure that a new dataset would overwrite nothing.

    Raises
    ------
    DatasetError
        If `folder` is a file, or a folder with something in it.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise DatasetError(
            f"{folder}: Expected a new or an empty folder for the dataset; there is something in it. "
            "Choose another, or move it away."
        )
