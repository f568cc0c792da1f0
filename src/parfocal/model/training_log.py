"""The log of a training run: the same numbers as CSV and for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_fabric.loggers.csv_logs import CSVLogger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from parfocal.errors import OutputError


class TrainingLog:
    """Writes ``csv/version_K/metrics.csv`` and ``tensorboard/version_K`` into a folder.

    Parameters
    ----------
    folder : Path
        Each log takes the next free K, so that a resumed run does not overwrite what came before.

    Raises
    ------
    OutputError
        By each method, if the disk is full or may not be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loggers = (CSVLogger(folder, name="csv"), TensorBoardLogger(folder, name="tensorboard"))

    def write(self, values: dict[str, float], *, step: int) -> None:
        """One line of numbers."""
        with self._writing():
            for logger in self._loggers:
                logger.log_metrics({**values}, step)

    def flush(self) -> None:
        """Puts on disk what was written."""
        with self._writing():
            for logger in self._loggers:
                logger.save()

    def close(self) -> None:
        """Ends the log."""
        with self._writing():
            for logger in self._loggers:
                logger.finalize("finished")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self._folder}: the log of the training cannot be written ({error.strerror or error}). "
                "Make room, then go on with --resume."
            ) from error
