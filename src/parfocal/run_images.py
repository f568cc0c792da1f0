"""Writes the kept images of a run as files: what ``parfocal runs export --images`` does."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from parfocal.control import RunRecord
from parfocal.data import write_stack
from parfocal.data.whole_file import whole_folder
from parfocal.errors import InputError
from parfocal.zstack import ZStack


def export_images(record: RunRecord, folder: Path) -> list[Path]:
    """Write the kept images, one OME-TIFF each, which any reader of TIFF shows.

    Parameters
    ----------
    record : RunRecord
    folder : Path
        A new or empty folder.

    Returns
    -------
    list of Path
        The files, in the order of the run: the name has the number of the frame, the time on the lock's clock
        and the state; stage position and pixel size are in the file.

    Raises
    ------
    InputError
        If the record kept no images, or the folder holds something.
    OutputError
        If they cannot be written; nothing is left then.
    """
    if not record.n_images:
        raise InputError(f"{record.path}: kept no images.")
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder}: holds something already. Choose a new or an empty folder.")
    pixel_size_um = record.pixel_size_um
    names = []
    with whole_folder(folder) as draft:
        draft.mkdir(parents=True)
        for image in record.images():
            snapshot = image.snapshot
            names.append(f"frame-{image.number:08d}-{snapshot.t_s:.0f}s-{snapshot.state}.ome.tif")
            stack = ZStack(image.frame_yx[np.newaxis], [snapshot.z_um], pixel_size_um)
            write_stack(draft / names[-1], stack)
    return [folder / name for name in names]
